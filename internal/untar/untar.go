// Package untar unpacks foreign tar archives into a folder that nothing in them
// can leave.
package untar

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"
)

// Options bound and shape what is unpacked. The zero value of a bound means the
// default beside it.
type Options struct {
	MaxEntries int   // 1,000,000, folders among them: nixpkgs has some 100,000
	MaxBytes   int64 // 4 GiB, all files together; the archive may have twice as much
	MaxFile    int64 // 1 GiB

	// ReadOnly takes the write bits off and sets all times to 1 s after the
	// epoch, as the Nix store wants it.
	ReadOnly bool
	// Progress, if not nil, is told the bytes of content written so far.
	Progress func(done int64)
}

// Extract unpacks the archive r into root, which should be empty. It takes
// folders, regular files, symbolic links, which it never follows, and hard links
// to files of the archive. Anything else, a name that is not local to root, a name
// that occurs twice and a path through a link are a *FormatError. Times, owners and
// permissions but the executable bit are not kept.
func Extract(ctx context.Context, r io.Reader, root *os.Root, o Options) error {
	x := &extractor{ctx: ctx, root: root, o: o.withDefaults(), kinds: map[string]byte{".": tar.TypeDir}}
	// A header may be followed by any number of others that are no entries.
	tr := tar.NewReader(&bounded{ctx: ctx, r: r, left: 2*x.o.MaxBytes + tailSize})
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return x.finish()
		}
		if err != nil {
			return x.readError(err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := x.entry(h, tr); err != nil {
			return err
		}
	}
}

func (o Options) withDefaults() Options {
	if o.MaxEntries == 0 {
		o.MaxEntries = 1_000_000
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 4 << 30
	}
	if o.MaxFile == 0 {
		o.MaxFile = 1 << 30
	}
	return o
}

// tailSize is what tar fills an archive up to, in bytes: its record of 20 blocks.
const tailSize = 20 * 512

// bounded ends with an error where an archive is longer than it may be.
type bounded struct {
	ctx  context.Context
	r    io.Reader
	left int64
}

var errTooLong = errors.New("it is too long")

func (b *bounded) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	if b.left == 0 {
		return 0, errTooLong
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

type extractor struct {
	ctx   context.Context
	root  *os.Root
	o     Options
	kinds map[string]byte // tar type of every path made
	names int             // bytes of these paths
	dirs  []string
	bytes int64
}

func (x *extractor) entry(h *tar.Header, content io.Reader) error {
	if h.Typeflag == tar.TypeXGlobalHeader { // git archive's commit id
		return nil
	}
	name := path.Clean(h.Name)
	if !fs.ValidPath(name) || strings.ContainsRune(h.Name, 0) {
		return &FormatError{h.Name, "leads out of the archive"}
	}
	if tooLong(name) || h.Typeflag == tar.TypeSymlink && (h.Linkname == "" || len(h.Linkname) >= maxPath) {
		return &FormatError{h.Name[:min(len(h.Name), maxName)], "has a name, or a link's target, of a length that Linux does not take"}
	}
	if name == "." && h.Typeflag == tar.TypeDir {
		return nil
	}
	if err := x.parents(path.Dir(name)); err != nil {
		return err
	}
	if kind, exists := x.kinds[name]; exists && !(kind == tar.TypeDir && h.Typeflag == tar.TypeDir) {
		return &FormatError{name, "occurs twice"}
	}
	if h.Typeflag == tar.TypeDir {
		return x.dir(name)
	}
	if err := x.count(name); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeReg:
		return x.file(name, h, content)
	case tar.TypeSymlink:
		x.kinds[name] = tar.TypeSymlink
		return x.root.Symlink(h.Linkname, name)
	case tar.TypeLink:
		return x.hardLink(name, h.Linkname)
	}
	return &FormatError{name, fmt.Sprintf("is of type %q: no file, folder or link", h.Typeflag)}
}

// Linux's bounds of a path and of a name in it, in bytes (PATH_MAX with its end, NAME_MAX
// in linux/limits.h); and ours of how deep folders lie, as each is opened on the way to a
// file, and of all paths together, which are kept in memory. nixpkgs has 15 and 7 MB.
const (
	maxPath  = 4096
	maxName  = 255
	maxDepth = 100
	maxNames = 256 << 20
)

// count takes a new path in.
func (x *extractor) count(name string) error {
	x.names += len(name)
	switch {
	case len(x.kinds) > x.o.MaxEntries:
		return &FormatError{name, fmt.Sprintf("is one of more than %d entries", x.o.MaxEntries)}
	case strings.Count(name, "/") >= maxDepth:
		return &FormatError{name, fmt.Sprintf("lies below more than %d folders", maxDepth)}
	case x.names > maxNames:
		return &FormatError{name, fmt.Sprintf("brings all names to more than %d bytes", maxNames)}
	}
	return nil
}

// tooLong reports whether a path is one that Linux refuses.
func tooLong(name string) bool {
	if len(name) >= maxPath {
		return true
	}
	for part := range strings.SplitSeq(name, "/") {
		if len(part) > maxName {
			return true
		}
	}
	return false
}

// parents makes the folders of a path that the archive did not list.
func (x *extractor) parents(dir string) error {
	kind, exists := x.kinds[dir]
	switch {
	case kind == tar.TypeDir:
		return nil
	case exists:
		return &FormatError{dir, "is no folder, yet something is to be in it"}
	}
	if err := x.parents(path.Dir(dir)); err != nil {
		return err
	}
	return x.dir(dir)
}

func (x *extractor) dir(name string) error {
	if x.kinds[name] == tar.TypeDir {
		return nil
	}
	if err := x.count(name); err != nil {
		return err
	}
	x.kinds[name] = tar.TypeDir
	x.dirs = append(x.dirs, name)
	return x.root.Mkdir(name, 0o755)
}

func (x *extractor) file(name string, h *tar.Header, content io.Reader) error {
	if h.Size > x.o.MaxFile {
		return &FormatError{name, fmt.Sprintf("has %d bytes, more than %d", h.Size, x.o.MaxFile)}
	}
	if x.bytes += h.Size; x.bytes > x.o.MaxBytes {
		return &FormatError{name, fmt.Sprintf("brings the whole to more than %d bytes", x.o.MaxBytes)}
	}
	x.kinds[name] = tar.TypeReg
	f, err := x.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, content); err != nil {
		f.Close()
		return x.readError(err)
	}
	if err := f.Chmod(x.mode(h)); err != nil {
		f.Close()
		return err
	}
	if x.o.Progress != nil {
		x.o.Progress(x.bytes)
	}
	return errors.Join(f.Close(), x.setTime(name))
}

func (x *extractor) mode(h *tar.Header) os.FileMode {
	mode := os.FileMode(0o644)
	if h.Mode&0o100 != 0 {
		mode = 0o755
	}
	if x.o.ReadOnly {
		mode &^= 0o222
	}
	return mode
}

func (x *extractor) hardLink(name, target string) error {
	target = path.Clean(target)
	if x.kinds[target] != tar.TypeReg {
		return &FormatError{name, fmt.Sprintf("is a hard link to %q, which is no file of the archive", target)}
	}
	x.kinds[name] = tar.TypeReg
	return x.root.Link(target, name)
}

// finish gives the folders their final state, the innermost first.
func (x *extractor) finish() error {
	if len(x.kinds) == 1 {
		return &FormatError{"the archive", "is empty"}
	}
	for i := len(x.dirs) - 1; i >= 0 && x.o.ReadOnly; i-- {
		if err := x.root.Chmod(x.dirs[i], 0o555); err != nil {
			return err
		}
		if err := x.setTime(x.dirs[i]); err != nil {
			return err
		}
	}
	return nil
}

func (x *extractor) setTime(name string) error {
	if !x.o.ReadOnly {
		return nil
	}
	epoch := time.Unix(1, 0)
	return x.root.Chtimes(name, epoch, epoch)
}

// readError tells a damaged archive from a failure to write.
func (x *extractor) readError(err error) error {
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) || x.ctx.Err() != nil {
		return err
	}
	return &FormatError{"the archive", "is damaged: " + err.Error()}
}

// A FormatError says that an archive is damaged or holds what it must not.
type FormatError struct{ Name, Reason string }

func (e *FormatError) Error() string { return fmt.Sprintf("unpack: %q %s", e.Name, e.Reason) }
