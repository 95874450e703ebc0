package fetch

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// errNotRegular marks a symbolic link, a pipe, a folder and the like.
var errNotRegular = errors.New("not a regular file")

// safeFlags keep open(2) from following a link in the last element and from
// waiting for the other end of a pipe.
const safeFlags = unix.O_NOFOLLOW | unix.O_NONBLOCK

// openRegular opens the file at path for reading if it is a regular one.
func openRegular(path string) (*os.File, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|safeFlags, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, nil, &os.PathError{Op: "open", Path: path, Err: errNotRegular}
	}
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &os.PathError{Op: "open", Path: path, Err: errNotRegular}
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// openPartialFile opens the file at path for reading and writing, with what it
// holds. Anything there that is not a plain file of ours (a link, a file with
// a second name, another user's) is replaced by a new file.
func openPartialFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|safeFlags, 0o644)
	if err == nil {
		var st unix.Stat_t
		err = unix.Fstat(int(f.Fd()), &st)
		if err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Nlink == 1 {
			return f, nil
		}
		f.Close()
	}
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EROFS) {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
}

// reserve asks the file system for the blocks from offset on, so that a full
// disk shows before the download instead of at its end. File systems that
// cannot do so are taken at their word later.
func reserve(f *os.File, offset, length int64) error {
	if length <= 0 {
		return nil
	}
	err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, offset, length)
	if diskFull(err) {
		return &os.PathError{Op: "reserve space for", Path: f.Name(), Err: err}
	}
	return nil
}

func diskFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}

func notFolder(path string) error {
	return &os.PathError{Op: "open", Path: path, Err: unix.ENOTDIR}
}
