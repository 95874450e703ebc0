package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"nixsd-native/internal/hostinfo"
)

// What a builder leaves of the state folder's disk to others: a part of it, and no more
// than these bytes and inodes, which keep a host going.
const (
	diskReservePart = 20 // a twentieth, as ext4 keeps for root
	diskReserve     = 1 << 30
	inodeReserve    = 10_000
)

// diskLookEvery is how often the disk is looked at, which takes microseconds. A disk that
// takes 2 GB a second loses less than half of the reserve meanwhile.
const diskLookEvery = 200 * time.Millisecond

// scarce says what a disk has too little of, or "".
func scarce(d hostinfo.Disk) string {
	if least := min(d.Size/diskReservePart, diskReserve); d.Free < least {
		return fmt.Sprintf("%s free, and %s are left to others", size(d.Free), size(least))
	}
	if least := min(d.AllInodes/diskReservePart, inodeReserve); d.Inodes < least { // 0 where they are not counted
		return fmt.Sprintf("%d inodes free, and %d are left to others", d.Inodes, least)
	}
	return ""
}

// watchDisk returns a context that ends when what runs in the sandbox has filled the disk
// of the state folder. stop ends the watch.
func (w *workspace) watchDisk(ctx context.Context) (watched context.Context, stop func()) {
	state, _ := w.privileges.Dirs()
	watched, cancel := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		for tick := time.NewTicker(diskLookEvery); ; {
			if d, err := hostinfo.DiskOf(state); err == nil && scarce(d) != "" {
				cancel(diskError(state, scarce(d)))
			}
			select {
			case <-watched.Done():
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	})
	return watched, func() { cancel(nil); watch.Wait() }
}

// diskError says that something was stopped lest the disk run full.
func diskError(state, why string) error {
	return &codedError{exitOutput, fmt.Sprintf("stopped, as the disk of %s is almost full: %s", state, why), []string{
		"what was being built is removed again; free some space, for example by nixsd-native clean --store, or choose another folder with --state-dir",
	}}
}
