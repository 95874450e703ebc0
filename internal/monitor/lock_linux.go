package monitor

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Lock takes the lock of a state folder, which one build at a time has, and calls
// waiting once if another has it; without waiting that is a *BusyError. Who waits gets it
// in the order of coming, by the kernel's queue; if the folder was removed meanwhile, that is an [fs.ErrNotExist]. The
// lock ends with the file or the process.
func Lock(ctx context.Context, file string, waiting func()) (*os.File, error) {
	f, err := TryLock(file)
	if busy := (*BusyError)(nil); waiting == nil || !errors.As(err, &busy) {
		return f, err
	}
	waiting()
	type result struct {
		f   *os.File
		err error
	}
	got := make(chan result, 1)
	go func() {
		f, err := flock(file, unix.LOCK_EX)
		got <- result{f, err}
	}()
	select {
	case r := <-got:
		return r.f, r.err
	case <-ctx.Done():
		// Nothing but the process's end stops a wait in flock(2).
		go func() { (<-got).f.Close() }()
		return nil, context.Cause(ctx)
	}
}

// TryLock is Lock for what cannot wait. If another has the lock it fails with a
// *BusyError.
func TryLock(file string) (*os.File, error) {
	f, err := flock(file, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, &BusyError{file}
	}
	return f, err
}

// flock opens and locks a file, anew if it lost its name meanwhile.
func flock(file string, how int) (*os.File, error) {
	for {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, err
		}
		err = unix.Flock(int(f.Fd()), how)
		switch {
		case err == nil && isAt(f, file):
			return f, nil
		case err != nil && !errors.Is(err, unix.EINTR):
			f.Close()
			return nil, &os.PathError{Op: "lock", Path: file, Err: err}
		}
		f.Close()
	}
}

// isAt tells whether the lock keeps anybody out: others would open another file.
func isAt(f *os.File, file string) bool {
	ours, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(file)
	return err == nil && os.SameFile(ours, there)
}
