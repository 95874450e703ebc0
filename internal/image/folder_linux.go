package image

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openTemp makes a file without a name, of which not even kill -9 leaves a trace,
// or one with a name where the file system knows no such files.
func (f *Folder) openTemp(name string) (file *os.File, temp string, err error) {
	dir, err := f.root.Open(".")
	if err != nil {
		return nil, "", err
	}
	defer dir.Close()
	fd, err := unix.Openat(int(dir.Fd()), ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o644)
	switch err {
	case nil:
		return os.NewFile(uintptr(fd), f.Path(name)), "", nil
	case unix.EOPNOTSUPP, unix.EISDIR, unix.ENOENT: // open(2): file system or kernel without O_TMPFILE
		return f.named(name)
	}
	return nil, "", &os.PathError{Op: "open", Path: f.path, Err: err}
}

// explained replaces an error of making a file where there can be none, which says that
// something is missing or may not be done.
func explained(root *os.Root, err error) error {
	dir, lost := root.Open(".")
	if lost != nil {
		return err
	}
	defer dir.Close()
	var on unix.Statfs_t
	if unix.Fstatfs(int(dir.Fd()), &on) != nil {
		return err
	}
	switch on.Type {
	case unix.PROC_SUPER_MAGIC:
		return errors.New("nothing can be created there, on procfs")
	case unix.SYSFS_MAGIC:
		return errors.New("nothing can be created there, on sysfs")
	}
	return err
}

// RemoveEmpty removes the folder if Open made it and nothing is in it.
func (p *Place) RemoveEmpty() {
	if !p.made {
		return
	}
	if dir, err := p.root.Open("."); err == nil {
		unix.Unlinkat(int(dir.Fd()), p.base, unix.AT_REMOVEDIR) // fails if there is something
		dir.Close()
	}
}

// link names a file that has no name, through /proc as that needs no privilege.
func (f *Folder) link(file *os.File, name string) error {
	dir, err := f.root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	from := fmt.Sprintf("/proc/self/fd/%d", file.Fd())
	if err := unix.Linkat(unix.AT_FDCWD, from, int(dir.Fd()), name, unix.AT_SYMLINK_FOLLOW); err != nil {
		return &os.LinkError{Op: "link", Old: file.Name(), New: f.Path(name), Err: err}
	}
	return nil
}
