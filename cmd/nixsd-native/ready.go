package main

import (
	"context"
	"os"
	"time"

	"nixsd-native/binfmt"
	"nixsd-native/nix"
	"nixsd-native/sandbox"
)

// proofTimeout is generous: the proof takes 20 ms on an idle machine.
const proofTimeout = 30 * time.Second

// makeReady runs inside a new sandbox: it registers the emulator in the sandbox's
// own binfmt_misc, if it has one, and proves that aarch64 programs run.
func makeReady(s sandbox.Spec) error {
	if s.Emulator != "" {
		if err := binfmt.MountPrivate(binfmt.DefaultDir); err != nil {
			return err
		}
		entry := binfmt.AArch64(binfmt.Name, s.Emulator, binfmt.KernelFlags())
		if err := binfmt.RegisterAt(binfmt.DefaultDir, entry); err != nil {
			return err
		}
	}
	if !s.Prove {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), proofTimeout)
	defer cancel()
	return binfmt.Prove(ctx, "/tmp")
}

// runInside does package nix's steps, or a trial, inside a sandbox.
func runInside(ctx context.Context, c sandbox.Command, stdin, stdout, _ *os.File) int {
	if c.Argv[0] == sandbox.TrialArg0 {
		return tryInside(c, stdout)
	}
	return nix.InsideMain(ctx, c.Argv[1:], c.Env, stdin, stdout)
}
