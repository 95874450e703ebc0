package flash

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// nextData returns where the next bytes at or behind at begin that are not in a hole, or
// size.
func nextData(f *os.File, at, size int64) (int64, error) {
	next, err := unix.Seek(int(f.Fd()), at, unix.SEEK_DATA)
	switch {
	case errors.Is(err, unix.ENXIO): // nothing but a hole follows
		return size, nil
	case errors.Is(err, unix.EINVAL): // this file system knows no holes
		return at, nil
	case err != nil:
		return 0, os.NewSyscallError("lseek", err)
	}
	return next, nil
}
