package debian

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Bounds of a package index. Debian 13's main has 57 MB and 69,000 packages,
// sid's 65 MB and 76,000; the largest package of the archive has 2 GB.
const (
	maxIndex       = 512 << 20
	maxPackages    = 1 << 20
	maxPackageSize = 8 << 30
)

// Package is one binary package of an index.
type Package struct {
	Name, Version string
	Architecture  string // such as "amd64", or "all"
	Filename      string // path below a mirror, within pool/
	Size          int64  // bytes of the file
	SHA256        string // of the file, 64 lower-case hex digits
	SHA1          string // the same, 40 digits; "" if the index has none, as from Debian 13 on
	Depends       string // the field, as written
	PreDepends    string
	Provides      string

	rank int8 // of the Priority field, lowest first
}

// Sources returns the URLs of the package's file: at each mirror, then, if the
// SHA-1 is known, at [Snapshots], which keeps superseded ones.
func (p Package) Sources(mirrors []string) []string {
	var urls []string
	for _, m := range mirrors {
		urls = append(urls, joinURL(m, p.Filename))
	}
	if p.SHA1 != "" {
		urls = append(urls, Snapshots+"/file/"+p.SHA1)
	}
	return urls
}

// Index is the list of packages of a component for one architecture. It never
// changes, so it may be shared.
type Index struct {
	packages []Package
	byName   map[string]int32 // into packages
}

// Len returns the number of packages.
func (ix *Index) Len() int { return len(ix.packages) }

// Lookup returns a package by name: the newest if an index lists several
// versions. Names that are only provided by others are not found.
func (ix *Index) Lookup(name string) (Package, bool) {
	i, ok := ix.byName[name]
	if !ok {
		return Package{}, false
	}
	return ix.packages[i], true
}

// ParseIndex reads a Packages file, as it is after decompression. The error is
// a *FormatError, or that of r, wrapped.
func ParseIndex(r io.Reader) (*Index, error) {
	s := newScanner("Packages", r, maxIndex)
	ix := &Index{byName: map[string]int32{}}
	var st stanza
	for {
		kind, key, value, err := s.next()
		if err != nil && err != io.EOF {
			return nil, err
		}
		switch {
		case err == io.EOF || kind == separator:
			if addErr := ix.finish(s, &st); addErr != nil {
				return nil, addErr
			}
		case kind == continuation:
			st.more(value)
		case !st.start(string(key), value):
			return nil, s.errorf("field %q twice", key)
		}
		if err == io.EOF {
			return ix, nil
		}
	}
}

// finish adds the package of a stanza, if the stanza is not empty.
func (ix *Index) finish(s *scanner, st *stanza) error {
	if st.fields == 0 {
		return nil
	}
	p, err := st.pkg()
	if err != nil {
		return s.errorf("the stanza before: %v", err)
	}
	st.reset()
	if i, ok := ix.byName[p.Name]; ok {
		if CompareVersions(p.Version, ix.packages[i].Version) > 0 {
			ix.packages[i] = p
		}
		return nil
	}
	if len(ix.packages) == maxPackages {
		return s.errorf("more than %d packages", maxPackages)
	}
	ix.byName[p.Name] = int32(len(ix.packages))
	ix.packages = append(ix.packages, p)
	return nil
}

// The fields of a stanza that are kept.
const (
	fPackage = iota
	fVersion
	fArchitecture
	fFilename
	fSize
	fSHA256
	fRequired // how many of the fields are required: those before
	fSHA1     = iota - 1
	fDepends
	fPreDepends
	fProvides
	fPriority
	fCount
)

// fieldNumber maps the names of the kept fields to 1 + their number, all others
// to 0. (A switch is faster than a map here, and there are two million fields.)
func fieldNumber(key string) int {
	switch key {
	case "Package":
		return 1 + fPackage
	case "Version":
		return 1 + fVersion
	case "Architecture":
		return 1 + fArchitecture
	case "Filename":
		return 1 + fFilename
	case "Size":
		return 1 + fSize
	case "SHA256":
		return 1 + fSHA256
	case "SHA1":
		return 1 + fSHA1
	case "Depends":
		return 1 + fDepends
	case "Pre-Depends":
		return 1 + fPreDepends
	case "Provides":
		return 1 + fProvides
	case "Priority":
		return 1 + fPriority
	}
	return 0
}

// stanza collects the kept fields of one stanza in one buffer, so that a
// package costs one allocation.
type stanza struct {
	fields int // seen, kept or not
	buf    []byte
	span   [fCount]struct{ from, to int } // in buf; to is 0 for a field not seen
	last   int                            // 1 + the number of the field that a continuation belongs to
}

func (st *stanza) reset() { *st = stanza{buf: st.buf[:0]} }

// start begins a field; false if the stanza has it already.
func (st *stanza) start(key string, value []byte) bool {
	if st.fields == 0 {
		st.buf = append(st.buf[:0], '\n') // so that no span ends at 0
	}
	st.fields++
	st.last = fieldNumber(key)
	if st.last == 0 {
		return true
	}
	span := &st.span[st.last-1]
	if span.to > 0 {
		return false
	}
	span.from = len(st.buf)
	st.buf = append(st.buf, value...)
	span.to = len(st.buf)
	return true
}

// more continues the field that was started last.
func (st *stanza) more(value []byte) {
	if st.last == 0 {
		return
	}
	st.buf = append(append(st.buf, '\n'), value...)
	st.span[st.last-1].to = len(st.buf)
}

// pkg returns the package of a whole stanza.
func (st *stanza) pkg() (Package, error) {
	all := string(st.buf)
	get := func(field int) string { return all[st.span[field].from:st.span[field].to] }
	for field := range fRequired {
		if get(field) == "" {
			return Package{}, fmt.Errorf("package %q: a required field is missing", get(fPackage))
		}
	}
	p := Package{
		Name:         get(fPackage),
		Version:      get(fVersion),
		Architecture: get(fArchitecture),
		Filename:     get(fFilename),
		SHA256:       get(fSHA256),
		SHA1:         get(fSHA1),
		Depends:      get(fDepends),
		PreDepends:   get(fPreDepends),
		Provides:     get(fProvides),
		rank:         priorityRank(get(fPriority)),
	}
	return p, p.check(get(fSize))
}

// check refuses values that are not what they should be, and sets Size.
func (p *Package) check(size string) (err error) {
	if !isPlainName(p.Name) || strings.ToLower(p.Name) != p.Name {
		return fmt.Errorf("package name %q", p.Name)
	}
	if !isVersion(p.Version) {
		return fmt.Errorf("package %s: version %q", p.Name, p.Version)
	}
	if !isPlainName(p.Architecture) {
		return fmt.Errorf("package %s: architecture %q", p.Name, p.Architecture)
	}
	if !isPoolPath(p.Filename) {
		return fmt.Errorf("package %s: file name %q", p.Name, p.Filename)
	}
	if p.Size, err = strconv.ParseInt(size, 10, 64); err != nil || p.Size <= 0 || p.Size > maxPackageSize {
		return fmt.Errorf("package %s: size %q", p.Name, size)
	}
	if p.SHA256, err = parseHash(p.SHA256, 32); err != nil {
		return fmt.Errorf("package %s: SHA256: %v", p.Name, err)
	}
	if p.SHA1 != "" {
		if p.SHA1, err = parseHash(p.SHA1, 20); err != nil {
			return fmt.Errorf("package %s: SHA1: %v", p.Name, err)
		}
	}
	return nil
}

// isPoolPath reports whether s is a clean path of plain names below pool/.
func isPoolPath(s string) bool {
	rest, ok := strings.CutPrefix(s, "pool/")
	for ok && rest != "" {
		var segment string
		if segment, rest, ok = strings.Cut(rest, "/"); !isPlainName(segment) {
			return false
		} else if !ok {
			return true
		}
	}
	return false
}

// priorityRank orders the priorities of Debian Policy section 2.5.
func priorityRank(s string) int8 {
	switch s {
	case "required":
		return 0
	case "important":
		return 1
	case "standard":
		return 2
	}
	return 3
}
