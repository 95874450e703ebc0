package nix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"nixsd-native/internal/decompress"
	"nixsd-native/internal/untar"
)

// InsideArg0 is the argv[0] of a command that InsideMain runs.
const InsideArg0 = "nixsd-native-inside"

// Steps that run inside the sandbox. The argument of the first two is the sha256 of
// the tarball, which is standard input.
const (
	StepInstall = "install"
	StepChannel = "channel"
	StepPatch   = "patch"  // its arguments are the tree's folder and the new one's key
	StepBegin   = "begin"  // of everything that changes the store, see Store.Begin
	StepEnd     = "end"    // likewise, see Store.End
	StepWipe    = "wipe"   // empties /nix
	StepSweep   = "sweep"  // removes what is left of builds
	StepKeep    = "keep"   // its argument is a file's name; standard input goes to OwnFolder
	StepSecret  = "secret" // its argument is a file's path; standard input goes there, for root alone

	StepBundleList   = "bundle-list" // prints a File for each in a bundle's cache
	StepBundleRemove = "bundle-remove"
)

// An InsideMessage is a line of JSON that a step prints on standard output.
type InsideMessage struct {
	Done  int64  // bytes unpacked, or removed, so far
	Error string // why the step failed; the last message
	Bad   bool   // the tarball's fault, or the patch's
	Note  string // what people should know

	File *CacheFile `json:",omitempty"`
}

// InsideMain runs a step inside the sandbox, as args say, and returns the exit
// status. Nix's programs get env.
func InsideMain(ctx context.Context, args, env []string, stdin *os.File, stdout io.Writer) int {
	out := json.NewEncoder(stdout)
	if err := runStep(ctx, args, env, stdin, out); err != nil {
		out.Encode(InsideMessage{Error: err.Error(), Bad: isTarballsFault(err)})
		return 1
	}
	return 0
}

func runStep(ctx context.Context, args, env []string, stdin *os.File, out *json.Encoder) error {
	store := insideStore(env, out)
	switch step := strings.Join(args[:min(len(args), 1)], ""); {
	case len(args) == 1 && step == StepBegin:
		return store.Begin(ctx)
	case len(args) == 1 && step == StepEnd:
		return store.End()
	case len(args) == 1 && step == StepWipe:
		freed, err := Wipe(ctx, "/nix")
		out.Encode(InsideMessage{Done: freed})
		return err
	case len(args) == 1 && step == StepSweep:
		return Sweep(ctx, "/nix")
	case len(args) == 1 && (step == StepBundleList || step == StepBundleRemove):
		return runBundleStep(ctx, step, "/nix", out)
	case len(args) == 3 && step == StepPatch:
		return store.Patch(ctx, args[1], args[2], os.DirFS(PatchDir))
	case len(args) == 2 && step == StepSecret:
		return keepSecret(args[1], stdin)
	case len(args) == 2 && step == StepKeep:
		return store.Keep(args[1], stdin)
	case len(args) != 2:
		return fmt.Errorf("a step and a hash are needed, not %q", args)
	}
	info, err := stdin.Stat()
	if err != nil {
		return err
	}
	switch args[0] {
	case StepInstall:
		return store.Install(ctx, stdin, info.Size(), args[1])
	case StepChannel:
		return store.InstallChannel(ctx, stdin, info.Size(), args[1])
	}
	return fmt.Errorf("no step %q", args[0])
}

// insideStore is the sandbox's store. Nix's programs get env, and messages go to out.
func insideStore(env []string, out *json.Encoder) Store {
	last := time.Now()
	return Store{
		Dir: "/nix", LoadDB: loadDB(env), DumpDB: dumpDB(env), Delete: deletePaths(env), Sync: SyncFS,
		Note: func(text string) { out.Encode(InsideMessage{Note: text}) },
		Progress: func(done int64) {
			if time.Since(last) > 100*time.Millisecond {
				last = time.Now()
				out.Encode(InsideMessage{Done: done})
			}
		},
	}
}

// loadDB registers store paths with the Nix that was just unpacked.
func loadDB(env []string) func(context.Context, string, io.Reader) error {
	return func(ctx context.Context, nixStore string, reginfo io.Reader) error {
		cmd := exec.CommandContext(ctx, nixStore, "--load-db")
		cmd.Env, cmd.Stdin = env, reginfo
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("nix-store --load-db: %v: %.2000s", err, clean(string(out)))
		}
		return nil
	}
}

// dumpDB prints what is registered, and deletePaths removes store paths, whatever they
// are in use for.
func dumpDB(env []string) func(context.Context, string) ([]byte, error) {
	return func(ctx context.Context, nixStore string) ([]byte, error) {
		cmd := exec.CommandContext(ctx, nixStore, "--dump-db")
		cmd.Env = env
		return cmd.Output()
	}
}

func deletePaths(env []string) func(context.Context, string, []string) error {
	return func(ctx context.Context, nixStore string, paths []string) error {
		cmd := exec.CommandContext(ctx, nixStore, append([]string{"--delete", "--ignore-liveness"}, paths...)...)
		cmd.Env = env
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("nix-store --delete: %v: %.2000s", err, clean(string(out)))
		}
		return nil
	}
}

// isTarballsFault tells a bad tarball from trouble of the machine.
func isTarballsFault(err error) bool {
	tarball, format, compression, patch := (*TarballError)(nil), (*untar.FormatError)(nil), (*decompress.FormatError)(nil), (*PatchError)(nil)
	return errors.As(err, &tarball) || errors.As(err, &format) || errors.As(err, &compression) || errors.As(err, &patch)
}
