package fetch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	lockPause    = 10 * time.Millisecond
	maxLockPause = 250 * time.Millisecond
)

// errLocked says that somebody else holds the lock.
var errLocked = errors.New("locked")

// lock takes the lock of sum and returns what gives it back. While somebody
// else has it, it calls waiting (which may be nil) once and asks again and
// again: flock(2) itself cannot be interrupted by ctx.
func (c *Cache) lock(ctx context.Context, sum string, waiting func()) (unlock func(), err error) {
	for pause := lockPause; ; pause = min(2*pause, maxLockPause) {
		unlock, err := c.tryLock(sum)
		if !errors.Is(err, errLocked) {
			return unlock, err
		}
		if waiting != nil {
			waiting()
			waiting = nil
		}
		if err := sleep(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// tryLock takes the lock of sum or fails with errLocked at once.
func (c *Cache) tryLock(sum string) (unlock func(), err error) {
	dir, err := c.subdir(lockDir)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, sum)
	f, err := openLock(path)
	if err != nil {
		return nil, &StorageError{Dir: c.dir, Err: err}
	}
	if err := flock(f); err != nil {
		f.Close()
		if err == unix.EWOULDBLOCK {
			return nil, errLocked
		}
		return nil, &StorageError{Dir: c.dir, Err: &os.PathError{Op: "lock", Path: path, Err: err}}
	}
	// The lock of a file that has lost its name keeps nobody out.
	if !stillAt(f, path) {
		f.Close()
		return nil, errLocked
	}
	return func() { f.Close() }, nil
}

func flock(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err != unix.EINTR {
			return err
		}
	}
}

// openLock opens a lock file, another user's for reading: enough for flock(2)
// except on NFS.
func openLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|safeFlags, 0o666)
	if errors.Is(err, unix.EACCES) {
		if f, err := os.OpenFile(path, os.O_RDONLY|safeFlags, 0); err == nil {
			return f, nil
		}
	}
	return f, err
}

func stillAt(f *os.File, path string) bool {
	here, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(path)
	return err == nil && os.SameFile(here, there)
}
