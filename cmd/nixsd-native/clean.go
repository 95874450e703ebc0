package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"nixsd-native/internal/bundle"
	"nixsd-native/internal/fetch"
	"nixsd-native/internal/monitor"
	"nixsd-native/nix"
)

// A cleanJob is the command clean with its flags.
type cleanJob struct {
	commonFlags
	store, downloads, all bool
}

func cleanCommand() command {
	return command{
		name:    "clean",
		summary: "free disk space, and remove what a killed build left",
		help: `Without flags, a handler that a killed build left on the host is removed, and
what is left of broken-off downloads. No build may be running on the same
folders.`,
		new: func(fs *pflag.FlagSet) job {
			j := new(cleanJob)
			fs.BoolVar(&j.downloads, "cache", false, "remove all downloads")
			fs.BoolVar(&j.store, "store", false, "remove the Nix store")
			fs.BoolVar(&j.all, "all", false, "remove both, and the folders themselves")
			j.commonFlags.register(fs)
			return j
		},
	}
}

func (j *cleanJob) check(args []string) error {
	return firstError(noArguments(args), j.commonFlags.check())
}

func (j *cleanJob) needs() needs {
	return needs{state: j.state, cache: j.cache, offline: true, looks: true}
}

func (j *cleanJob) run(ctx context.Context, a *app) error {
	w := newWorkspace(a, &j.commonFlags, &sourceFlags{offline: true}, &emulationFlags{mode: emulationNone})
	err := j.clean(ctx, &w)
	w.close()
	return w.finish(err)
}

func (j *cleanJob) clean(ctx context.Context, w *workspace) error {
	removed, err := w.privileges.Recover(ctx)
	if err != nil {
		return err
	}
	if removed {
		w.rep.Note(leftRemoved)
	}
	if err := w.privileges.TryLock(); err != nil {
		return err
	}
	state, cache := w.privileges.Dirs()
	for _, dir := range []string{state, cache} {
		if isMissing(dir) {
			w.rep.Note("nothing to clean: %s is not there", dir)
		}
	}
	release, err := claimCache(cache)
	if err != nil {
		return err
	}
	defer release()
	var freed int64
	if j.store || j.all {
		n, err := w.wipeStore(ctx, state)
		if err != nil {
			return err
		}
		freed += n
	}
	n, err := cleanCache(cache, j.downloads || j.all)
	if err != nil {
		return err
	}
	freed += n
	if j.all {
		if err := w.privileges.RemoveFolders(); err != nil {
			return err
		}
	}
	w.rep.Note("freed %s", size(freed))
	if j.json {
		return json.NewEncoder(w.out).Encode(map[string]any{"freed_bytes": freed, "removed_handler": removed})
	}
	return nil
}

// claimCache fails if builds with whatever state folder use the cache.
func claimCache(dir string) (release func(), err error) {
	if isMissing(dir) {
		return func() {}, nil
	}
	cache, err := fetch.OpenCache(dir)
	if err != nil {
		return nil, err
	}
	claimed, release, err := cache.Claim()
	if err == nil && !claimed {
		err = &monitor.BusyError{Lock: filepath.Join(dir, "lock")}
	}
	return release, err
}

// wipeStore empties /nix from inside a sandbox, whose root owns all of it.
func (w *workspace) wipeStore(ctx context.Context, state string) (int64, error) {
	if isMissing(filepath.Dir(nixDir(state))) {
		return 0, nil
	}
	if err := w.startSandboxWith(ctx); err != nil {
		return 0, err
	}
	last, err := w.insideStep(ctx, "removing the store", nil, nix.StepWipe)
	return last.Done, err
}

// cacheParts are the folders of a cache besides its files.
var cacheParts = []string{".partial", ".lock", "demo", "emulator"}

// cleanCache removes broken-off downloads, or everything that is ours in a cache.
func cleanCache(dir string, everything bool) (freed int64, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		name := e.Name()
		if !everything && name != ".partial" && !isScratch(name) {
			continue
		}
		if everything && !isOurs(e) {
			continue
		}
		path := filepath.Join(dir, name)
		freed += treeSize(path)
		if err := os.RemoveAll(path); err != nil {
			return freed, err
		}
	}
	return freed, nil
}

// isScratch recognises the working folder of a demo that was being made, and of a bundle
// that was being unpacked.
func isScratch(name string) bool {
	demo, _ := filepath.Match(".demo-*", name)
	unpacking, _ := filepath.Match(bundle.TempPattern, name)
	return demo || unpacking
}

// isOurs recognises what this program puts into a cache, so that nothing else goes
// with it if somebody names the wrong folder.
func isOurs(e fs.DirEntry) bool {
	name := e.Name()
	for _, part := range cacheParts {
		if name == part {
			return true
		}
	}
	if id, ok := strings.CutPrefix(name, bundlePrefix); ok {
		return hexSHA256.MatchString(id)
	}
	return isScratch(name) || len(name) >= 64 && hexSHA256.MatchString(name[:64])
}

// treeSize returns the bytes that the regular files of a tree take.
func treeSize(dir string) (total int64) {
	filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				total += info.Size()
			}
		}
		return nil
	})
	return total
}
