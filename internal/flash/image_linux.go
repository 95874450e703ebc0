package flash

import (
	"cmp"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// nextData returns where the next bytes at or behind at begin that are not in a hole, or
// size. Its error may be ErrShorter.
func nextData(f *os.File, at, size int64) (int64, error) {
	next, err := unix.Seek(int(f.Fd()), at, unix.SEEK_DATA)
	switch {
	case errors.Is(err, unix.ENXIO): // nothing but a hole follows, or nothing at all
		if info, err := f.Stat(); err != nil || info.Size() < size {
			return 0, cmp.Or(err, ErrShorter)
		}
		return size, nil
	case errors.Is(err, unix.EINVAL): // this file system knows no holes
		return at, nil
	case err != nil:
		return 0, os.NewSyscallError("lseek", err)
	}
	return next, nil
}

// memoryFile returns an empty file that lies in memory: there may be no folder that
// this process can write to.
func memoryFile() (*os.File, error) {
	fd, err := unix.MemfdCreate("head", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), "head"), nil
}
