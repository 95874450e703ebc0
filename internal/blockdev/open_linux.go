package blockdev

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Open opens the disk that a path leads to for writing, so that nothing can mount it or
// make it a part of something meanwhile. Its errors are *RefusedError, *PartError, and
// *os.PathError.
func Open(root fs.FS, name string) (*os.File, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	d, err := Of(root, info)
	if err != nil {
		return nil, err
	}
	if err := d.Refused(); err != nil {
		return nil, err
	}
	// With O_EXCL the kernel gives a disk to one user alone, and not while it is mounted
	// (open(2)), in whatever namespace.
	f, err := os.OpenFile(name, os.O_RDWR|syscall.O_EXCL, 0)
	switch {
	case errors.Is(err, unix.EBUSY):
		return nil, &RefusedError{d.Name + " is in use by another program, or mounted elsewhere", "end what uses it: a file manager, a container, a RAID, LVM or ZFS"}
	case errors.Is(err, unix.ENOMEDIUM):
		return nil, &RefusedError{"there is no card in " + d.Name, "put one in"}
	case errors.Is(err, unix.EROFS):
		return nil, &RefusedError{d.Name + " is write-protected", "look for a switch on the card or its adapter"}
	case err != nil:
		return nil, err
	}
	now, err := OfFile(root, f)
	if err == nil && !d.Same(now) {
		err = &RefusedError{fmt.Sprintf("%s led to %s at first, and then to %s", name, d.Name, now.Name), "try again"}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// OfFile returns the disk that an open file is.
func OfFile(root fs.FS, f *os.File) (Disk, error) {
	info, err := f.Stat()
	if err != nil {
		return Disk{}, err
	}
	return Of(root, info)
}

// Of returns the disk that a device file is.
func Of(root fs.FS, info fs.FileInfo) (Disk, error) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || info.Mode()&(os.ModeDevice|os.ModeCharDevice) != os.ModeDevice {
		return Disk{}, &RefusedError{info.Name() + " is no disk", "name the card's device"}
	}
	return Find(root, fmt.Sprintf("%d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev)))
}
