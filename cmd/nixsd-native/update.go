package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"nixsd-native/nix"
)

// An updateJob is the command update with its flags.
type updateJob struct {
	commonFlags
	sourceFlags
	nixosFlags
	configs []string
}

func updateCommand() command {
	return command{
		name:    "update",
		args:    "[CONFIG…]",
		summary: "find the newest channel, QEMU and Nix for the lock file",
		help: `Builds obey ` + nix.LockName + ` bit for bit; this command changes it and tells what
changed. Without flags everything is resolved from what the lock was made with.

Example:
  nixsd-native update --nixos-release ` + nix.DefaultRelease,
		new: func(fs *pflag.FlagSet) job {
			j := new(updateJob)
			j.nixosFlags.inputs(fs)
			fs.StringArrayVar(&j.flakes, "flake", nil, "the lock file is that of the flake `REF`")
			j.sourceFlags.emulator(fs)
			j.commonFlags.register(fs)
			return j
		},
	}
}

func (j *updateJob) check(args []string) error {
	if j.nixpkgsIsFolder() {
		return usageErrorf("name a folder with build only; a lock pins tarballs", "--nixpkgs %s is a folder, whose content no lock can pin", j.nixpkgs)
	}
	j.configs = j.orDefault(args)
	return firstError(mustExist(args), j.commonFlags.check(), j.sourceFlags.check(), j.nixosFlags.check(false))
}

func (j *updateJob) needs() needs {
	return needs{
		state: j.state, cache: j.cache, files: append(j.namedFiles(), j.nixosFlags.files()...),
		lockFile: j.lockPath(j.configs),
	}
}

func (j *updateJob) run(ctx context.Context, a *app) error {
	w := newWorkspace(a, &j.commonFlags, &j.sourceFlags, &emulationFlags{mode: emulationNone})
	w.nixos = &j.nixosFlags
	var old, now nix.Lock
	err := w.steps(ctx, []step{
		{"preflight", w.lockState},
		{"inputs", func(ctx context.Context) (err error) {
			old, now, err = w.update(ctx)
			return err
		}},
	})
	if err = w.finish(err); err != nil {
		return err
	}
	return printChanges(&w, j.json, old, now)
}

// update replaces the lock, whatever is wrong with the old one but that it is a newer
// program's.
func (w *workspace) update(ctx context.Context) (old, now nix.Lock, err error) {
	l, err := w.readLock()
	if bad := (*nix.LockError)(nil); errors.As(err, &bad) && !bad.Newer {
		w.rep.Warn("%v; making it anew", bad)
	} else if err != nil {
		return old, now, err
	} else if l != nil {
		old = *l
		w.nixos.setAsked(w.sources, old.Flags)
	}
	if err := w.openCache(); err != nil {
		return old, now, err
	}
	if err := w.fetchNixOS(ctx); err != nil {
		return old, now, err
	}
	if asked := w.sources.qemu; asked.Deb != "" || asked.Suite != "" || asked.SHA256 != "" {
		if err := w.resolveEmulator(ctx); err != nil {
			return old, now, err
		}
	}
	now, err = w.saveLock()
	return old, now, err
}

// printChanges tells what is new in a lock.
func printChanges(w *workspace, asJSON bool, old, now nix.Lock) error {
	changes := now.Changes(old)
	if asJSON {
		if changes == nil {
			changes = []string{}
		}
		return json.NewEncoder(w.out).Encode(map[string]any{"changes": changes, "lock": now})
	}
	if len(changes) == 0 {
		changes = []string{"nothing changed"}
	}
	for _, line := range changes {
		fmt.Fprintln(w.out, line)
	}
	return nil
}
