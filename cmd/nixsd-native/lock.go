package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"nixsd-native/internal/fetch"
	"nixsd-native/internal/shell"
	"nixsd-native/nix"
	"nixsd-native/qemu"
)

// readLock reads the lock file, or returns nil if there is none.
func (w *workspace) readLock() (*nix.Lock, error) {
	f, err := w.privileges.OpenLock()
	if err != nil || f == nil {
		return nil, err
	}
	defer f.Close()
	l, err := nix.ReadLock(f)
	if err != nil {
		return nil, err
	}
	return &l, nil
}

// obeyLock takes the lock over, if there is one. A flag that chooses other inputs than
// those that the lock was made with is an error: only update changes a lock. A file may
// be named that has what the lock pins: whether it does, its hash tells later.
func (w *workspace) obeyLock() error {
	l, err := w.readLock()
	if err == nil && w.bundle != nil {
		l, err = w.bundle.obeyed(l)
	}
	if err != nil || l == nil {
		return err
	}
	asked := w.nixos.asked(w.sources)
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		if name == "nixpkgs" && w.nixos.nixpkgsIsFolder() || l.Flags[name] == asked[name] ||
			name == "nixos-release" && l.Nixpkgs.Channel == "nixos-"+asked[name] ||
			name == "qemu-deb" && w.sources.debIsFile() || name == "qemu-sha256" && asked[name] == l.QEMU.SHA256 {
			continue
		}
		return usageErrorf(fmt.Sprintf("leave the flag out, or change the lock: nixsd-native update --%s %s", name, shell.Word(asked[name])),
			"%s was made without --%s %s", nix.LockName, name, asked[name])
	}
	w.lock = l
	return nil
}

// saveLock records what the inputs of this run were resolved to.
func (w *workspace) saveLock() (nix.Lock, error) {
	l := nix.Lock{
		Flags: w.nixos.asked(w.sources), Nixpkgs: w.resolved.nixpkgs, Nix: w.resolved.nix, QEMU: w.lockedEmulator(),
	}
	text, err := l.Text()
	if err != nil {
		return nix.Lock{}, err
	}
	return l, w.privileges.WriteLock(text)
}

// wantedEmulator is the one that the lock, or else the command line, asks for.
func (w *workspace) wantedEmulator() qemu.Want {
	if w.lock == nil {
		return w.sources.qemu
	}
	q := w.lock.QEMU
	if w.sources.debIsFile() {
		return qemu.Want{Deb: w.sources.qemu.Deb, SHA256: q.SHA256}
	}
	if _, ok := qemu.ByHash(q.SHA256); ok {
		return qemu.Want{SHA256: q.SHA256}
	}
	if q.URL == "" {
		return qemu.Want{SHA256: q.SHA256}
	}
	return qemu.Want{Deb: w.withLogin([]string{q.URL})[0], SHA256: q.SHA256}
}

// cachedEmulator is what a lock pins that was made with a file, when no flag names that
// file again.
func (w *workspace) cachedEmulator(ctx context.Context) (qemu.Resolved, error) {
	q := w.lock.QEMU
	file, err := w.cachedFile(ctx, "--qemu-deb", q.Name, q.SHA256)
	return qemu.Resolved{Package: qemu.Package{Name: q.Name, SHA256: q.SHA256}, File: file, Version: q.Version}, err
}

// cachedFile finds a file in the cache that a lock knows by hash alone.
func (w *workspace) cachedFile(ctx context.Context, flag, name, sha256 string) (string, error) {
	file, err := w.client.Cache.Find(ctx, sha256, 0)
	if is[*fetch.NotCachedError](err) {
		return "", usageErrorf(fmt.Sprintf("name the file again: %s %s", flag, name), "%s was made with %s %s, which is not in the cache", nix.LockName, flag, name)
	}
	return file, err
}

// lockedEmulator is what a lock records of an emulator: the resolved one or, on a
// machine that needs none, the default.
func (w *workspace) lockedEmulator() nix.LockedDeb {
	if e := w.inputs.emulator; e != nil {
		return nix.LockedDeb{Name: e.Name, Version: e.Version, SHA256: e.SHA256, URL: withoutLogin(e.URL)}
	}
	pin := qemu.Default()
	return nix.LockedDeb{Name: pin.Name(), Version: pin.Version, SHA256: pin.SHA256}
}

// warnOfEndOfLife warns of a release that gets no security updates, or soon none.
func (w *workspace) warnOfEndOfLife(channel string) {
	if text := nix.EndOfLifeWarning(nix.ReleaseOf(channel), time.Now()); text != "" {
		w.rep.Warn("%s; go on to a newer one: nixsd-native update --nixos-release RELEASE", text)
	}
}
