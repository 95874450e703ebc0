package hostinfo

import (
	"os"

	"golang.org/x/sys/unix"
)

// KernelRelease returns what uname -r prints, or "".
func KernelRelease() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// DiskOf returns the size of the file system of dir and what an ordinary user can still
// write to it.
func DiskOf(dir string) (Disk, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return Disk{}, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return Disk{
		Size: int64(st.Blocks) * st.Bsize, Free: int64(st.Bavail) * st.Bsize,
		AllInodes: int64(st.Files), Inodes: int64(st.Ffree),
	}, nil
}
