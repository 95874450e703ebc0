package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"syscall"

	"nixsd-native/internal/hostinfo"
	"nixsd-native/sandbox"
)

// tryInside is a trial, inside a sandbox; its arguments are the folder, if any,
// and "many" if there are many ids.
func tryInside(c sandbox.Command, stdout io.Writer) int {
	if len(c.Argv) != 3 {
		return exitInternal
	}
	if json.NewEncoder(stdout).Encode(sandbox.Try(c.Argv[1], c.Argv[2] == manyIDs)) != nil {
		return exitInternal
	}
	return exitOK
}

const manyIDs, oneID = "many", "one"

// tryIn runs the trial in the sandbox that is up.
func (w *workspace) tryIn(ctx context.Context, dir string) (t sandbox.Trial, err error) {
	ids := oneID
	if w.info.ManyUsers {
		ids = manyIDs
	}
	var bad error
	exit, err := w.runInSandbox(ctx, sandbox.Command{Self: true, Argv: []string{sandbox.TrialArg0, dir, ids}, Dir: "/"}, nil,
		func(r io.Reader) { bad = json.NewDecoder(r).Decode(&t) }, nil)
	if err == nil && (bad != nil || exit != sandbox.Exit{}) {
		err = fmt.Errorf("the trial in the sandbox ended with %+v, %v", exit, bad)
	}
	return t, err
}

// tryStore does in the store's folder what Nix does there. Where a file system keeps no modes,
// Nix would say nothing, and the image be another one. A full disk is for others to tell.
func (w *workspace) tryStore(ctx context.Context) error {
	t, err := w.tryIn(ctx, "/nix")
	if err != nil || t.Folder == nil || isDiskFull(syscall.Errno(t.Folder.Errno)) {
		return err
	}
	state, _ := w.privileges.Dirs()
	return noStore(state, hostinfo.MountOf(os.DirFS("/"), existing(state)), t.Folder)
}

// noStore says why no store can be in a state folder.
func noStore(state string, on hostinfo.Mount, f *sandbox.Failure) error {
	why := f.Message
	if f.Op != "" && f.Errno != 0 {
		why = fmt.Sprintf("%s: %v", f.Op, syscall.Errno(f.Errno))
	}
	return &codedError{exitHost, fmt.Sprintf("no store can be in %s (%s): %s", state, described(on), why), mountFix(on, state, "--state-dir DIR")}
}
