package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

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
// there is one already.
func (w *workspace) unpackEmulator(ctx context.Context) error {
	_, cache := w.privileges.Dirs()
	e := w.inputs.emulator
	installed, ok := w.installedEmulator(e.Package)
	if !ok {
		deb, err := os.Open(e.File)
		if err != nil {
			return err
		}
		defer deb.Close()
		// As the rest of the cache, it is the next caller's, too.
		if err := os.MkdirAll(filepath.Join(emulatorDir(cache), e.SHA256), 0o775); err != nil {
			return err
		}
		if installed, err = qemu.Install(ctx, e.Package, deb, emulatorDir(cache)); err != nil {
			return err
		}
	}
	var err error
	w.emulator, err = os.Open(installed.Path)
	return err
}
