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

// DiskFree returns what an ordinary user can still write to the file system of dir:
// bytes and inodes.
func DiskFree(dir string) (bytes, inodes int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return int64(st.Bavail) * st.Bsize, int64(st.Ffree), nil
}
