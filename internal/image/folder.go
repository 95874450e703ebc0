package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
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

// OpenFolder opens a folder, which is made, for owner, if its parent exists.
// Errors are *OutputError.
func OpenFolder(path string, owner Owner) (*Folder, error) {
	f := &Folder{path: path, owner: owner}
	err := os.Mkdir(path, 0o755)
	if err == nil && owner.Set {
		err = os.Lchown(path, owner.UID, owner.GID)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, &OutputError{path, err}
	}
	if f.root, err = os.OpenRoot(path); err != nil {
		return nil, &OutputError{path, err}
	}
	return f, nil
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
}

// Create begins a file. Until Commit, what has its name stays. Errors are
// *OutputError.
func (f *Folder) Create(name string) (*Pending, error) {
	if name == "" || name != filepath.Base(name) || strings.HasPrefix(name, ".") {
		return nil, &OutputError{f.path, fmt.Errorf("%q is no name for a file", name)}
	}
	p := &Pending{folder: f, name: name}
	var err error
	if p.File, p.temp, err = f.openTemp(name); err != nil {
		return nil, &OutputError{f.path, err}
	}
	if f.owner.Set {
		if err := p.File.Chown(f.owner.UID, f.owner.GID); err != nil {
			p.Discard()
			return nil, &OutputError{f.Path(name), err}
		}
	}
	return p, nil
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
	err := p.File.Sync()
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
	dir, err := f.root.Open(".")
	if err != nil {
		return &OutputError{f.path, err}
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // some file systems cannot
		return &OutputError{f.path, err}
	}
	return nil
}

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
	case errors.Is(e.Err, syscall.ENOSPC), errors.Is(e.Err, syscall.EDQUOT):
		return []string{"free some space there, or name another place with -o; the image is in the store, so the next build only copies it"}
	case errors.Is(e.Err, fs.ErrPermission), errors.Is(e.Err, syscall.EROFS):
		return []string{"name a folder that you may write to with -o"}
	case errors.Is(e.Err, fs.ErrNotExist):
		return []string{"make the folder above it, or name another place with -o"}
	}
	return nil
}

// bare drops the path of an error that is shown beside the path.
func bare(err error) error {
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
