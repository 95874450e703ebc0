package monitor

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Lock takes the lock of a state folder, which one build at a time has, and calls
// waiting once if another has it. The lock ends with the file or the process.
func Lock(ctx context.Context, file string, waiting func()) (*os.File, error) {
	f, err := openLock(file)
	if err != nil {
		return nil, err
	}
	for told := false; ; {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, &os.PathError{Op: "lock", Path: file, Err: err}
		}
		if !told {
			told = true
			waiting()
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// TryLock is Lock for what cannot wait. If another has the lock it fails with a
// *BusyError.
func TryLock(file string) (*os.File, error) {
	f, err := openLock(file)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &BusyError{file}
		}
		return nil, &os.PathError{Op: "lock", Path: file, Err: err}
	}
	return f, nil
}

func openLock(file string) (*os.File, error) {
	return os.OpenFile(file, os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
}
