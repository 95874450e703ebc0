package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"nixsd-native/qemu"
)

// registerHandler decides how aarch64 programs are run and, for the host's
// handler, registers it.
func (w *workspace) registerHandler(ctx context.Context) error {
	if !w.emulation.emulates() {
		w.mode = emulationNone
		if w.emulation.mode == emulationNone && runtime.GOARCH != "arm64" && !w.emulation.remote {
			w.rep.Note("no emulation: aarch64 derivations need a handler that is there already")
		}
		return nil
	}
	w.mode = w.emulation.mode
	if w.mode == emulationAuto {
		w.mode = w.preferredMode()
	}
	if w.mode == emulationHost {
		err := w.registerHost(ctx, false)
		if err == nil || w.emulation.mode == emulationHost || !canGoPrivate(err) {
			return err
		}
		w.rep.Note("%v; using a handler of the sandbox's own", err)
		w.mode = emulationPrivate
	}
	return w.unpackEmulator(ctx)
}

// preferredMode is the host's handler for root, whose packages are pinned, else
// one of the sandbox's own.
func (w *workspace) preferredMode() string {
	_, isRoot := w.privileges.(*monitorClient)
	switch {
	case !isRoot:
		return emulationPrivate
	case !w.inputs.emulator.Pinned:
		w.rep.Note("the emulator is not a pinned one, so it is registered in the sandbox only")
		return emulationPrivate
	}
	return emulationHost
}

// canGoPrivate tells failures of the host's binfmt_misc that a private one has no
// part in.
func canGoPrivate(err error) bool {
	var coded *codedError
	return isBinfmtError(err) || errors.As(err, &coded) && coded.Code == exitHost
}

// registerHost makes the emulator the host's handler.
func (w *workspace) registerHost(ctx context.Context, persistent bool) error {
	e := w.inputs.emulator
	if !e.Pinned {
		return &codedError{exitVerify, "the host's handler takes only a pinned emulator", []string{
			fmt.Sprintf("if you trust Debian's signed index, add --qemu-sha256 %s", e.SHA256),
		}}
	}
	if e.File == "" {
		return w.privileges.RegisterHost(ctx, e.Package, nil, persistent)
	}
	deb, err := os.Open(e.File)
	if err != nil {
		return err
	}
	defer deb.Close()
	return w.privileges.RegisterHost(ctx, e.Package, deb, persistent)
}

// installedEmulator finds an emulator that was unpacked before. The host's handler
// takes only what the monitor unpacked, into the state folder.
func (w *workspace) installedEmulator(p qemu.Package) (qemu.Emulator, bool) {
	state, cache := w.privileges.Dirs()
	if e, ok := qemu.Installed(p, emulatorDir(state)); ok {
		return e, true
	}
	_, isRoot := w.privileges.(*monitorClient)
	if isRoot && w.mode != emulationPrivate && w.emulation.mode != emulationPrivate {
		return qemu.Emulator{}, false
	}
	return qemu.Installed(p, emulatorDir(cache))
}

// unpackEmulator puts the emulator of a sandbox's own handler into the cache, unless
// there is one already, or, if the cache is read-only, beside the store.
func (w *workspace) unpackEmulator(ctx context.Context) error {
	state, cache := w.privileges.Dirs()
	installed, ok := w.installedEmulator(w.inputs.emulator.Package)
	if !ok {
		var err error
		installed, err = w.installEmulator(ctx, emulatorDir(cache))
		if errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission) {
			if beside, lack := w.installEmulator(ctx, emulatorDir(state)); lack == nil {
				installed, err = beside, nil
			}
		}
		if err != nil {
			return cacheError(cache, err)
		}
	}
	var err error
	w.emulator, err = os.Open(installed.Path)
	return err
}

// installEmulator unpacks the emulator into a folder. As the rest of the cache, it is the
// next caller's, too.
func (w *workspace) installEmulator(ctx context.Context, dir string) (qemu.Emulator, error) {
	e := w.inputs.emulator
	deb, err := os.Open(e.File)
	if err != nil {
		return qemu.Emulator{}, err
	}
	defer deb.Close()
	if err := os.MkdirAll(filepath.Join(dir, e.SHA256), 0o775); err != nil {
		return qemu.Emulator{}, err
	}
	return qemu.Install(ctx, e.Package, deb, dir)
}
