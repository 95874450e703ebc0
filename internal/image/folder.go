package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"nixsd-native/internal/durable"
)

// An Owner is who gets the files; the zero value means whoever runs this.
type Owner struct {
	Set      bool
	UID, GID int
}

// A Folder takes files, each whole or not at all. Links in it are never followed.
type Folder struct {
	path  string
	root  *os.Root
	owner Owner
}

// Target splits an output as the user named it into a folder and, unless it is an
// existing folder or ends in a slash, the name of a file in it.
func Target(output string) (folder, file string) {
	if info, err := os.Stat(output); strings.HasSuffix(output, "/") || err == nil && info.IsDir() {
		return filepath.Clean(output), ""
	}
	return filepath.Dir(output), filepath.Base(output)
}

// A Place is where a Folder is, or will be. It is what its path led to when it was
// located, whatever becomes of the path.
type Place struct {
	path string
	root *os.Root
	base string // the folder's name in root if it is yet to be made, or ""
	made bool   // by Open
}

// Locate finds the place of a folder, which may be missing if its parent exists.
// Nothing is made. Errors are *OutputError.
func Locate(path string) (*Place, error) {
	p := &Place{path: path}
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		p.base = filepath.Base(path)
		real, err = filepath.EvalSymlinks(filepath.Dir(path))
	}
	if err == nil {
		p.root, err = os.OpenRoot(real)
	}
	if err != nil {
		return nil, &OutputError{path, err}
	}
	return p, nil
}

// Close lets go of the place.
func (p *Place) Close() error { return p.root.Close() }

// Open opens the folder, which is made, for owner, if it is missing. Errors are
// *OutputError.
func (p *Place) Open(owner Owner) (*Folder, error) {
	f := &Folder{path: p.path, owner: owner}
	var err error
	if p.base == "" {
		f.root, err = p.root.OpenRoot(".")
	} else {
		err = p.root.Mkdir(p.base, 0o755)
		p.made = p.made || err == nil
		if err == nil && owner.Set {
			err = p.root.Lchown(p.base, owner.UID, owner.GID)
		}
		if err == nil || errors.Is(err, fs.ErrExist) {
			f.root, err = p.root.OpenRoot(p.base)
		}
	}
	if err != nil {
		return nil, &OutputError{p.path, explained(p.root, err)}
	}
	return f, nil
}

// OpenFolder locates and opens a folder.
func OpenFolder(path string, owner Owner) (*Folder, error) {
	p, err := Locate(path)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	return p.Open(owner)
}

// OpenFile opens a regular file of the folder to read. It fails with the errors of
// os.Root, and refuses what is no regular file.
func (f *Folder) OpenFile(name string) (*os.File, error) {
	file, err := f.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		file.Close()
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.Join(err, errors.New("no regular file"))}
	}
	return file, nil
}

// Close lets go of the folder.
func (f *Folder) Close() error { return f.root.Close() }

// Path returns the path of a file in the folder.
func (f *Folder) Path(name string) string { return filepath.Join(f.path, name) }

// A Pending file is not in the folder yet.
type Pending struct {
	File   *os.File
	folder *Folder
	name   string
	temp   string // its name in the folder, or "" if it has none
	lent   bool
}

// Create begins a file. Until Commit, what has its name stays. Errors are
// *OutputError.
func (f *Folder) Create(name string) (*Pending, error) {
	if name == "" || name != filepath.Base(name) || strings.HasPrefix(name, ".") {
		return nil, &OutputError{f.path, fmt.Errorf("%q is no name for a file", name)}
	}
	if info, err := f.root.Lstat(name); err == nil && !info.Mode().IsRegular() && info.Mode().Type() != fs.ModeSymlink {
		return nil, &OutputError{f.Path(name), errNoFile}
	}
	p := &Pending{folder: f, name: name}
	var err error
	if p.File, p.temp, err = f.openTemp(name); err != nil {
		return nil, &OutputError{f.path, explained(f.root, err)}
	}
	if f.owner.Set {
		if err := p.File.Chown(f.owner.UID, f.owner.GID); err != nil {
			p.Discard()
			return nil, &OutputError{f.Path(name), err}
		}
	}
	return p, nil
}

// Lend makes the file its owner's alone, for good, and until Commit somebody else's.
// Errors are *OutputError.
func (p *Pending) Lend(to Owner) error {
	err := p.File.Chmod(0o600)
	if err == nil && to.Set {
		p.lent = true
		err = p.File.Chown(to.UID, to.GID)
	}
	if err != nil {
		return &OutputError{p.folder.Path(p.name), err}
	}
	return nil
}

// takeBack ends Lend.
func (p *Pending) takeBack() error {
	if !p.lent {
		return nil
	}
	if o := p.folder.owner; o.Set {
		return p.File.Chown(o.UID, o.GID)
	}
	return p.File.Chown(os.Geteuid(), os.Getegid())
}

// tempName is where a file lies before it is renamed.
func tempName(name string) string { return "." + name + ".partial" }

// named makes a file with a name, where the file system has none without.
func (f *Folder) named(name string) (*os.File, string, error) {
	temp := tempName(name)
	if err := f.root.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, "", err
	}
	file, err := f.root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
	return file, temp, err
}

// Commit writes the file to disk and gives it its name, in place of what had it.
// Errors are *OutputError.
func (p *Pending) Commit() error {
	err := p.takeBack()
	if err == nil {
		err = p.File.Sync()
	}
	if err == nil && p.temp == "" {
		p.temp = tempName(p.name)
		if err = p.folder.root.Remove(p.temp); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		if err == nil {
			err = p.folder.link(p.File, p.temp)
		}
	}
	if err == nil {
		err = p.folder.root.Rename(p.temp, p.name)
	}
	if err != nil {
		p.Discard()
		return &OutputError{p.folder.Path(p.name), err}
	}
	p.temp = ""
	p.File.Close()
	return p.folder.sync()
}

// Discard forgets a file that was not committed.
func (p *Pending) Discard() {
	p.File.Close()
	if p.temp != "" {
		p.folder.root.Remove(p.temp)
	}
}

// sync makes names durable.
func (f *Folder) sync() error {
	if err := durable.Folder(f.root.Open(".")); err != nil {
		return &OutputError{f.path, err}
	}
	return nil
}

// errNoFile says that something else has a result's name.
var errNoFile = errors.New("is no regular file")

// An OutputError says that a result could not be put where it was asked for.
type OutputError struct {
	Path string
	Err  error
}

func (e *OutputError) Error() string { return fmt.Sprintf("output %s: %v", e.Path, bare(e.Err)) }

// Unwrap returns the cause.
func (e *OutputError) Unwrap() error { return e.Err }

// Hints tells what to do.
func (e *OutputError) Hints() []string {
	switch {
	case e.Err == errNoFile:
		return []string{"name a file or a folder (images: -o); nixsd-native flash writes a finished image to a card"}
	case errors.Is(e.Err, syscall.ENOSPC), errors.Is(e.Err, syscall.EDQUOT):
		return []string{"free some space there, or name another place (images: -o); what is built is in the store, so the next run only writes it"}
	case errors.Is(e.Err, fs.ErrPermission), errors.Is(e.Err, syscall.EROFS):
		return []string{"name a place that you may write to (images: -o)"}
	case errors.Is(e.Err, fs.ErrNotExist):
		return []string{"make the folder above it, or name another place (images: -o)"}
	}
	return []string{"name another place (images: -o)"}
}

// bare drops the path of an error that is shown beside the path.
func bare(err error) error {
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
