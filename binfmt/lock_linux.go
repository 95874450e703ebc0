package binfmt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lockPoll is the pause between two tries for a lock: flock(2) cannot be
// given up once it waits.
const lockPoll = 20 * time.Millisecond

// tryLock takes or converts a flock without waiting; false: others hold it.
func tryLock(f *os.File, how int) (bool, error) {
	for {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, unix.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, unix.EINTR):
			return false, &os.PathError{Op: "lock", Path: f.Name(), Err: err}
		}
	}
}

// waitLock takes an exclusive flock; ctx ends the wait.
func waitLock(ctx context.Context, f *os.File) error {
	for {
		got, err := tryLock(f, unix.LOCK_EX)
		if got || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the lock %s: %w", f.Name(), ctx.Err())
		case <-time.After(lockPoll):
		}
	}
}
