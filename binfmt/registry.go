package binfmt

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// Bounds on what is read back from binfmt_misc.
const (
	maxEntryText = 8 << 10 // the kernel prints into one page and needs under 4 KiB
	maxEntries   = 4096    // handlers listed
	maxHeader    = 256     // BINPRM_BUF_SIZE since Linux 5.1: what a magic can reach
)

// A Registered is a handler as the kernel shows it. Foreign ones can have
// flags and kinds that this package never registers.
type Registered struct {
	Entry
	Enabled   bool   `json:"enabled"`
	Extension string `json:"extension,omitempty"` // without the dot; then there is no magic
}

// ParseEntry reads the text of the binfmt_misc file called name. Lines of a
// kind that it does not know are passed over, as newer kernels add some.
func ParseEntry(name string, text []byte) (Registered, error) {
	r := Registered{Entry: Entry{Name: name}}
	if len(text) > maxEntryText {
		return r, fmt.Errorf("handler %q: over %d bytes of text", name, maxEntryText)
	}
	first, rest, _ := strings.Cut(string(text), "\n")
	if first != "enabled" && first != "disabled" {
		return r, fmt.Errorf("handler %q: begins with %q, not with enabled or disabled", name, first)
	}
	r.Enabled = first == "enabled"
	seen := map[string]bool{}
	for line := range strings.Lines(rest) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if seen[key] {
			return r, fmt.Errorf("handler %q: %q is given twice", name, key)
		}
		seen[key] = true
		if err := r.set(key, value); err != nil {
			return r, fmt.Errorf("handler %q: %s: %v", name, key, err)
		}
	}
	return r, r.check()
}

func (r *Registered) set(key, value string) (err error) {
	switch key {
	case "interpreter":
		r.Interpreter = value
	case "flags:":
		r.Flags = Flags(value)
	case "offset":
		var offset uint64
		offset, err = strconv.ParseUint(value, 10, 31)
		r.Offset = int(offset)
	case "magic":
		r.Magic, err = hex.DecodeString(value)
	case "mask":
		r.Mask, err = hex.DecodeString(value)
	case "extension":
		r.Extension = strings.TrimPrefix(value, ".")
	}
	return err
}

func (r *Registered) check() error {
	switch {
	case r.Interpreter == "":
		return fmt.Errorf("handler %q: no interpreter", r.Name)
	case r.Offset > maxHeader || len(r.Magic) > maxHeader-r.Offset:
		return fmt.Errorf("handler %q: magic lies outside the first %d bytes", r.Name, maxHeader)
	case r.Mask != nil && len(r.Mask) != len(r.Magic):
		return fmt.Errorf("handler %q: mask has %d bytes, magic %d", r.Name, len(r.Mask), len(r.Magic))
	}
	return nil
}

// Matches says whether r is e, unaltered and switched on.
func (r Registered) Matches(e Entry) bool {
	return r.Enabled && r.Extension == "" && r.Name == e.Name &&
		r.Interpreter == e.Interpreter && r.Offset == e.Offset &&
		sameFlags(r.Flags, e.Flags) && bytes.Equal(r.Magic, e.Magic) &&
		sameMask(r.Mask, e.Mask, len(e.Magic))
}

// sameFlags ignores the order: the kernel prints P, O, C, F.
func sameFlags(a, b Flags) bool {
	x, y := []byte(a), []byte(b)
	slices.Sort(x)
	slices.Sort(y)
	return bytes.Equal(x, y)
}

// takes says whether the kernel would give r a file that begins with header,
// of which it looks at [maxHeader] bytes, zeros after a short file's end.
func (r Registered) takes(header []byte) bool {
	if !r.Enabled || len(r.Magic) == 0 {
		return false
	}
	var window [maxHeader]byte
	copy(window[:], header)
	for i, want := range r.Magic {
		mask := byte(0xff)
		if r.Mask != nil {
			mask = r.Mask[i]
		}
		if (window[r.Offset+i]^want)&mask != 0 {
			return false
		}
	}
	return true
}

// Foreign returns those of all that also take aarch64 programs and are not
// called name, such as a distribution's own qemu-aarch64.
func Foreign(all []Registered, name string) []Registered {
	program := ProbeELF()
	library := slices.Clone(program)
	library[elfType] = elfTypeShared // position-independent programs have this type too
	var found []Registered
	for _, r := range all {
		if r.Name != name && (r.takes(program) || r.takes(library)) {
			found = append(found, r)
		}
	}
	return found
}

// ReadAll reads every handler of a mounted binfmt_misc, sorted by name. One
// that cannot be read or parsed is left out and named in the error, which
// comes along with all the others.
func ReadAll(fsys fs.FS) ([]Registered, error) {
	names, err := entryNames(fsys)
	if err != nil {
		return nil, err
	}
	var all []Registered
	var errs []error
	for _, name := range names {
		r, err := readEntry(fsys, name)
		switch {
		case err == nil:
			all = append(all, r)
		case !errors.Is(err, fs.ErrNotExist): // removed meanwhile
			errs = append(errs, err)
		}
	}
	return all, errors.Join(errs...)
}

func entryNames(fsys fs.FS) ([]string, error) {
	dir, err := fsys.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	lister, ok := dir.(fs.ReadDirFile)
	if !ok {
		return nil, errors.New("binfmt_misc is not a folder")
	}
	list, err := lister.ReadDir(maxEntries + 1)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if len(list) > maxEntries {
		return nil, fmt.Errorf("over %d handlers", maxEntries)
	}
	var names []string
	for _, d := range list {
		if d.Type().IsRegular() && d.Name() != "register" && d.Name() != "status" {
			names = append(names, d.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// readEntry's error wraps [fs.ErrNotExist] if there is no such handler.
func readEntry(fsys fs.FS, name string) (Registered, error) {
	text, err := readBounded(fsys, name, maxEntryText)
	if err != nil {
		return Registered{}, err
	}
	return ParseEntry(name, text)
}

// readBounded gives one byte more than limit if the file is longer.
func readBounded(fsys fs.FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit+1))
}
