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
	if err := flock(f, unix.LOCK_EX); err != nil {
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

// Share makes [Cache.Claim] fail for others until release is called or the process
// ends. It waits for the end of a claim, but not beyond ctx. Where folders cannot be
// locked it does nothing.
func (c *Cache) Share(ctx context.Context) (release func(), err error) {
	for {
		f, err := c.lockFolder(unix.LOCK_SH)
		if !errors.Is(err, errLocked) {
			return func() { f.Close() }, err
		}
		if err := sleep(ctx, maxLockPause); err != nil {
			return nil, err
		}
	}
}

// Claim takes the folder as a whole, to remove what is in it. It is false while others
// share it.
func (c *Cache) Claim() (claimed bool, release func(), err error) {
	f, err := c.lockFolder(unix.LOCK_EX)
	if errors.Is(err, errLocked) {
		return false, func() {}, nil
	}
	return err == nil, func() { f.Close() }, err
}

// lockFolder locks the folder itself, which takes no right to write. A file that is nil
// can be closed.
func (c *Cache) lockFolder(how int) (*os.File, error) {
	f, err := os.Open(c.dir)
	if err != nil {
		return nil, &StorageError{Dir: c.dir, Err: err}
	}
	if err := flock(f, how); err == unix.EWOULDBLOCK {
		f.Close()
		return nil, errLocked
	}
	return f, nil
}

func flock(f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
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
