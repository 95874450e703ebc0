package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"nixsd-native/internal/hostinfo"
	"nixsd-native/nix"
	"nixsd-native/sandbox"
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
		return fmt.Sprintf("%s free, and a build leaves %s to others", size(d.Free), size(least))
	}
	if least := min(d.AllInodes/diskReservePart, inodeReserve); d.Inodes < least { // 0 where they are not counted
		return fmt.Sprintf("%d inodes free, and a build leaves %d to others", d.Inodes, least)
	}
	return ""
}

// watchDisk returns a context that ends when what runs in the sandbox has filled the disk
// of the state folder. stop ends the watch and tells whether that was so.
func (w *workspace) watchDisk(ctx context.Context) (watched context.Context, stop func() (full bool)) {
	state, _ := w.privileges.Dirs()
	watched, cancel := context.WithCancelCause(ctx)
	var full bool
	var watch sync.WaitGroup
	watch.Go(func() {
		tick := time.NewTicker(diskLookEvery)
		defer tick.Stop()
		for {
			select {
			case <-watched.Done():
				return
			case <-tick.C:
			}
			if d, err := hostinfo.DiskOf(state); err == nil && scarce(d) != "" {
				full = true
				cancel(w.diskError(state, scarce(d)))
			}
		}
	})
	return watched, func() bool { cancel(nil); watch.Wait(); return full }
}

// runWatched runs a command of Nix's, or of the user's, that may build. If it filled the
// disk, what it left is removed: Nix itself gets no time for the millions of files that
// may be.
func (w *workspace) runWatched(ctx context.Context, c sandbox.Command, stdin, stdout, stderr *os.File) (sandbox.Exit, error) {
	if c.Self { // ours, which writes but what it is given
		return w.session.Run(ctx, c, stdin, stdout, stderr)
	}
	watched, stop := w.watchDisk(ctx)
	exit, err := w.session.Run(watched, c, stdin, stdout, stderr)
	if stop() {
		err = errors.Join(err, w.sweep(ctx))
	}
	return exit, err
}

// sweep removes what is left of builds.
func (w *workspace) sweep(ctx context.Context) error {
	_, err := w.insideStep(ctx, "", nil, nix.StepSweep)
	return err
}

// diskError says that something was stopped lest the disk run full.
func (w *workspace) diskError(state, why string) error {
	return &codedError{exitOutput, fmt.Sprintf("stopped, as the disk of %s is almost full: %s", state, why), []string{
		"what was being built is removed again; " + w.roomAdvice(),
	}}
}
