package qemu

import (
	"context"
	"fmt"
	"path"
	"strings"
)

// A Want says which emulator somebody asked for; the zero value asks for the
// default pin. Deb and Suite exclude each other.
type Want struct {
	Deb    string // URL or file of a .deb
	SHA256 string // of the .deb, hex
	Suite  string // a Debian suite, whose current package is taken
}

// A File is a .deb somewhere in Debian's archive.
type File struct {
	Name   string
	SHA256 string   // hex
	Size   int64    // bytes, 0 if unknown
	URLs   []string // tried in order
}

// Source says how packages are had. Installed tells whether the emulator of a pinned
// package is there already, so that its .deb is not needed. Get returns the path of a verified file.
// Learn downloads, and Import copies, a .deb of unknown hash and returns path and
// sha256. Suite looks up the current qemu-user in a suite's signed index.
type Source struct {
	Mirrors   []string
	Installed func(p Package) bool
	Get       func(ctx context.Context, f File) (path string, err error)
	Learn     func(ctx context.Context, f File) (path, sha256 string, err error)
	Import    func(ctx context.Context, file string) (path, sha256 string, err error)
	Suite     func(ctx context.Context, suite string) (File, error)
}

// A Resolved is a package at hand and where its hash comes from.
type Resolved struct {
	Package
	File    string // the .deb on this machine, or "" if the emulator is installed
	Version string // Debian version, or the file's name
	URL     string // where one that is not pinned was downloaded from, or ""
	// Pinned is set when the hash stands in the table of pins or was given by the
	// caller: only such a package may become root's handler.
	Pinned bool
}

// Resolve makes the wanted package available. A .deb without --qemu-sha256 must be
// one of the pinned ones, or it is an *UnpinnedError that tells its hash.
func Resolve(ctx context.Context, w Want, src Source) (Resolved, error) {
	switch {
	case w.Suite != "":
		return fromSuite(ctx, w, src)
	case w.Deb == "":
		return fromPin(ctx, w, src)
	case isURL(w.Deb) && w.SHA256 != "":
		p, err := src.Get(ctx, File{Name: path.Base(w.Deb), SHA256: w.SHA256, URLs: []string{w.Deb}})
		return given(w, p, w.SHA256, err)
	case isURL(w.Deb):
		p, sum, err := src.Learn(ctx, File{Name: path.Base(w.Deb), URLs: []string{w.Deb}})
		return given(w, p, sum, err)
	default:
		p, sum, err := src.Import(ctx, w.Deb)
		return given(w, p, sum, err)
	}
}

func fromPin(ctx context.Context, w Want, src Source) (Resolved, error) {
	pin := Default()
	if w.SHA256 != "" {
		var ok bool
		if pin, ok = ByHash(w.SHA256); !ok {
			return Resolved{}, &UnpinnedError{Name: "--qemu-sha256", SHA256: w.SHA256}
		}
	}
	if src.Installed(pin.Package()) {
		return pinned("", pin), nil
	}
	p, err := src.Get(ctx, File{pin.Name(), pin.SHA256, pin.Size, pin.Sources(src.Mirrors)})
	if err != nil {
		return Resolved{}, err
	}
	return pinned(p, pin), nil
}

func fromSuite(ctx context.Context, w Want, src Source) (Resolved, error) {
	f, err := src.Suite(ctx, w.Suite)
	if err != nil {
		return Resolved{}, err
	}
	if w.SHA256 != "" && w.SHA256 != f.SHA256 {
		return Resolved{}, &HashError{What: f.Name + " of " + w.Suite, Want: w.SHA256, Got: f.SHA256}
	}
	p, err := src.Get(ctx, f)
	if err != nil {
		return Resolved{}, err
	}
	if pin, ok := ByHash(f.SHA256); ok {
		return pinned(p, pin), nil
	}
	url := ""
	if n := len(f.URLs); n > 0 {
		url = f.URLs[n-1] // Debian's own, not the mirror of this host
	}
	return Resolved{Package{f.Name, f.SHA256, ""}, p, f.Name, url, w.SHA256 != ""}, nil
}

// given checks a .deb that the caller named against the hash that the caller, or
// the table of pins, names.
func given(w Want, file, sum string, err error) (Resolved, error) {
	if err != nil {
		return Resolved{}, err
	}
	if w.SHA256 != "" && w.SHA256 != sum {
		return Resolved{}, &HashError{What: path.Base(w.Deb), Want: w.SHA256, Got: sum}
	}
	if pin, ok := ByHash(sum); ok {
		return pinned(file, pin), nil
	}
	if w.SHA256 == "" {
		return Resolved{}, &UnpinnedError{Name: path.Base(w.Deb), SHA256: sum}
	}
	name, url := path.Base(w.Deb), ""
	if isURL(w.Deb) {
		url = w.Deb
	}
	return Resolved{Package{name, sum, ""}, file, name, url, true}, nil
}

func pinned(file string, pin Pin) Resolved {
	return Resolved{pin.Package(), file, pin.Version, "", true}
}

func isURL(s string) bool {
	return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://")
}

// An UnpinnedError says that nothing vouches for a package.
type UnpinnedError struct{ Name, SHA256 string }

func (e *UnpinnedError) Error() string {
	return fmt.Sprintf("%s is none of the pinned packages (sha256 %s)", e.Name, e.SHA256)
}

// Hints names the flag that vouches.
func (e *UnpinnedError) Hints() []string {
	return []string{"if you trust the file, add --qemu-deb with the file and --qemu-sha256 " + e.SHA256}
}
