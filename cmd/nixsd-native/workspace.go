package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"nixsd-native/internal/fetch"
	"nixsd-native/internal/shell"
	"nixsd-native/nix"
)

func newWorkspace(a *app, c *commonFlags, s *sourceFlags, e *emulationFlags) workspace {
	return workspace{app: a, common: c, sources: s, emulation: e, nixos: &nixosFlags{}, warned: new(sync.Map), system: nativeSystem(), downloads: &ledger{}, rep: a.newReporter(c)}
}

func (a *app) newReporter(c *commonFlags) *reporter { return newReporter(a.errs, a.reportOptions(c)) }

// lockState takes the state folder, and keeps "clean" of another one out of the cache.
func (w *workspace) lockState(ctx context.Context) error {
	state, _ := w.privileges.Dirs()
	return w.takeState(ctx, func() {
		w.rep.Note("another build uses %s; waiting for its end", state)
	})
}

// takeState is lockState that tells by waiting that it waits; without, it does not.
func (w *workspace) takeState(ctx context.Context, waiting func()) error {
	if err := w.privileges.Lock(ctx, waiting); err != nil {
		return err
	}
	_, dir := w.privileges.Dirs()
	cache, err := fetch.OpenCache(dir)
	if err != nil {
		return err
	}
	w.sharing, err = cache.Share(ctx)
	return err
}

// commandLine begins a command line of this program, as its caller starts it.
func (w *workspace) commandLine(name string) string {
	if client, isRoot := w.privileges.(*monitorClient); isRoot && client.hello.BySudo {
		return "sudo nixsd-native " + name
	}
	return "nixsd-native " + name
}

// standardDirs are the folders that are used if no flag names others.
func (w *workspace) standardDirs() (state, cache string) {
	_, isRoot := w.privileges.(*monitorClient)
	return w.env.dirs(isRoot)
}

// cleanLine is the command line that frees room in the folders in use.
func (w *workspace) cleanLine(flag string) string {
	line := w.commandLine("clean") + " " + flag
	state, cache := w.privileges.Dirs()
	standardState, standardCache := w.standardDirs()
	if state != standardState {
		line += " --state-dir " + shell.Word(state)
	}
	if cache != standardCache {
		line += " --cache-dir " + shell.Word(cache)
	}
	return line
}

// roomAdvice is what helps where the disk of the state folder is full.
func (w *workspace) roomAdvice() string {
	return "free some space, for example by " + w.cleanLine("--store") + ", or choose another folder with --state-dir"
}

// mergeOffline joins the errors about what is missing offline, or returns nil if
// there is another error.
func mergeOffline(errs []error) error {
	var all *fetch.OfflineError
	for _, err := range errs {
		var one *fetch.OfflineError
		switch {
		case err == nil:
		case !errors.As(err, &one):
			return nil
		case all == nil:
			all = one
		default:
			all = &fetch.OfflineError{Dir: all.Dir, Missing: append(all.Missing, one.Missing...)}
		}
	}
	if all == nil {
		return nil
	}
	return all
}

func isDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// saysDiskFull looks for ENOSPC and EDQUOT in words of the C library, and of SQLite.
func saysDiskFull(text string) bool {
	text = strings.ToLower(text)
	for _, words := range []string{"no space left on device", "disk quota exceeded", "database or disk is full"} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

// explainDisk tells whose disk is full when something inside the sandbox says that one
// is: the state folder's. If a builder says so, it is perhaps only the image's.
func (w *workspace) explainDisk(err error) error {
	inside, build := (*insideError)(nil), (*nix.BuildError)(nil)
	if err == nil {
		return nil
	}
	state, _ := w.privileges.Dirs()
	advice := []string{w.roomAdvice()}
	switch {
	case errors.As(err, &inside) && saysDiskFull(inside.Error()):
		return &codedError{exitOutput, fmt.Sprintf("the disk of %s is full: %v", state, err), advice}
	case !errors.As(err, &build):
		return err
	case saysDiskFull(build.Summary) && build.Derivation == "":
		return &codedError{exitOutput, fmt.Sprintf("the disk of %s is full: %v", state, err), advice}
	}
	return err
}

// readAllBounded reads an open file of at most limit bytes.
func readAllBounded(f *os.File, name string, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = usageErrorf("name the right file", "%s has more than %d bytes", name, limit)
	}
	return data, err
}

// folderError says that a folder, the "state" or the "cache", cannot be used.
func folderError(what, dir string, err error) error {
	return &codedError{exitOutput, fmt.Sprintf("%s folder %s: %v", what, dir, err), []string{
		fmt.Sprintf("name another folder, with room and that you may write to: --%s-dir DIR", what),
	}}
}

// isMissing tells that a path leads to nothing.
func isMissing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, os.ErrNotExist)
}

// openNamed opens a file that somebody names, without waiting for the writer of a
// pipe that has none.
func openNamed(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// removeFolders removes emptied state and cache folders, but never what is not
// ours.
func removeFolders(state, cache string) error {
	for _, name := range []string{"root/nix", "root/mnt", "root", "emulator", "ids.json", "lock", ""} {
		path := filepath.Join(state, name)
		remove := os.Remove
		if name == "emulator" {
			remove = os.RemoveAll
		}
		if err := remove(path); err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ENOTEMPTY) {
			return err
		}
	}
	if err := os.Remove(cache); err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ENOTEMPTY) {
		return err
	}
	return nil
}
