package main

import (
	"context"
	"errors"
	"syscall"

	"nixsd-native/internal/fetch"
	"nixsd-native/nix"
	"nixsd-native/sandbox"
)

// beginStore makes sure that the store is whole before anything uses it.
func (w *workspace) beginStore(ctx context.Context) error {
	_, err := w.insideStep(ctx, "reading the store", nil, nix.StepBegin)
	w.begun = err == nil
	return err
}

// endStore flushes the store to disk, however the run went. If that fails, the next run
// will look at the store.
func (w *workspace) endStore() {
	if !w.begun || w.doubt {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), cleanUpTime)
	defer cancel()
	w.insideStep(ctx, "", nil, nix.StepEnd)
}

// doubtStore lets the next run look at the store: it lacks what it should have, as
// somebody may have removed a part of it.
func (w *workspace) doubtStore() {
	if !w.doubt {
		w.rep.Note("the store may be damaged: run the command again, it will look at all of it and mend it")
	}
	w.doubt = true
}

// isMissing reports whether there is nothing at a path in the sandbox. Folders are not
// opened, but are there.
func (w *workspace) isMissing(path string) bool {
	_, err := w.session.Open(path)
	failure := (*sandbox.Failure)(nil)
	return errors.As(err, &failure) && failure.Errno == int(syscall.ENOENT)
}

// tarball returns the file of an input. When inputs were looked for, it was of no use if
// the store had it; by now, the store may be made anew.
func (w *workspace) tarball(ctx context.Context, in input) (string, error) {
	if in.path != "" {
		return in.path, nil
	}
	file, err := w.client.Cache.Find(ctx, in.SHA256, 0)
	if is[*fetch.NotCachedError](err) {
		_, cache := w.privileges.Dirs()
		err = &fetch.OfflineError{Dir: cache, Missing: []fetch.Missing{{Name: in.Name, SHA256: in.SHA256}}, Command: w.fetchLine()}
	}
	return file, err
}
