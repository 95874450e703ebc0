package binfmt

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nixsd-native/internal/testenv"

	"golang.org/x/sys/unix"
)

// wantReason checks that err is a *ProofError with the reason, or nil for "".
func wantReason(t *testing.T, what string, err error, want ProofReason) {
	t.Helper()
	var proof *ProofError
	switch {
	case want == "" && err != nil:
		t.Errorf("%s: Prove() = %v; want nil", what, err)
	case want != "" && (!errors.As(err, &proof) || proof.Reason != want):
		t.Errorf("%s: Prove() = %v; want %q", what, err, want)
	}
}

// wantEmpty checks that nothing of a proof run is left.
func wantEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 0 {
		t.Errorf("left in the folder: %v, %v", left, err)
	}
}

func TestProve(t *testing.T) {
	inNamespaces(t, ownNamespaces, func(t *testing.T) {
		dir, room := privateInstance(t), t.TempDir()
		host := &Host{Dir: dir}
		ctx := context.Background()
		wantReason(t, "no handler", Prove(ctx, room), ProofNoHandler)
		for kind, want := range map[string]ProofReason{
			"ok": "", "wrong": ProofOutput, "status": ProofStatus, "crash": ProofCrash,
		} {
			if err := host.Register(ctx, AArch64(Name, fake(t, kind), FlagsKeepArgv0)); err != nil {
				t.Fatal(err)
			}
			wantReason(t, kind, Prove(ctx, room), want)
		}
		for _, kind := range []string{"hang", "noisy"} {
			if err := host.Register(ctx, AArch64(Name, fake(t, kind), FlagsPlain)); err != nil {
				t.Fatal(err)
			}
			wantReason(t, kind, prove(ctx, room, 300*time.Millisecond), ProofTimeout)
		}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if err := Prove(ended, room); !errors.Is(err, context.Canceled) {
			t.Errorf("Prove() after the end of its context = %v", err)
		}
		wantEmpty(t, room)
	})
}

// TestProveDenied has handlers of others that lead nowhere, and a folder
// where nothing may be executed.
func TestProveDenied(t *testing.T) {
	inNamespaces(t, ownNamespaces, func(t *testing.T) {
		dir, room := privateInstance(t), t.TempDir()
		ctx := context.Background()
		missing := filepath.Join(room, "missing")
		plant(t, dir, `:missing:M:1:ELF\x02\x01\x01::`+missing+":")
		wantReason(t, "missing emulator", Prove(ctx, room), ProofNoFile)
		plain := filepath.Join(t.TempDir(), "plain")
		if err := os.WriteFile(plain, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		plant(t, dir, `:plain:M:1:ELF\x02\x01\x01::`+plain+":")
		wantReason(t, "emulator without x", Prove(ctx, room), ProofDenied)
		wantEmpty(t, room)

		noexec := mountPoint(t)
		if err := unix.Mount("tmpfs", noexec, "tmpfs", unix.MS_NOEXEC, ""); err != nil {
			t.Fatal(err)
		}
		wantReason(t, "noexec", Prove(ctx, noexec), ProofNoExec)
		wantEmpty(t, noexec)
		if err := Prove(ctx, missing); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("Prove() in a missing folder = %v", err)
		}
	})
}

func TestProveRelative(t *testing.T) {
	for _, dir := range []string{"", "."} {
		if err := Prove(context.Background(), dir); err == nil || !strings.Contains(err.Error(), "absolute") {
			t.Errorf("Prove(%q) = %v; want a refusal", dir, err)
		}
	}
}

func TestBoundedOutput(t *testing.T) {
	var b bounded
	for range 3 {
		if n, err := b.Write(make([]byte, 3000)); n != 3000 || err != nil {
			t.Errorf("Write() = %d, %v; want all taken", n, err)
		}
	}
	if len(b.kept) != maxProofOutput {
		t.Errorf("kept %d bytes; want %d", len(b.kept), maxProofOutput)
	}
}

// TestProveQEMU runs the probe under a real QEMU: the one that the variable
// names, else the host's.
func TestProveQEMU(t *testing.T) {
	qemu := os.Getenv("NIXSD_TEST_QEMU_AARCH64")
	for _, name := range []string{"qemu-aarch64-static", "qemu-aarch64"} {
		if path, err := exec.LookPath(name); qemu == "" && err == nil {
			qemu = path
		}
	}
	if qemu == "" {
		testenv.Need(t, "QEMU", errors.New("install qemu-user-static, or set NIXSD_TEST_QEMU_AARCH64"))
	}
	inNamespaces(t, ownNamespaces, func(t *testing.T) {
		dir, room := privateInstance(t), t.TempDir()
		for _, flags := range []Flags{FlagsKeepArgv0, FlagsPlain} {
			if err := (&Host{Dir: dir}).Register(context.Background(), AArch64(Name, qemu, flags)); err != nil {
				t.Fatal(err)
			}
			wantReason(t, "QEMU with "+string(flags), Prove(context.Background(), room), "")
		}
		wantEmpty(t, room)
	})
}

func TestIsInitialMap(t *testing.T) {
	for text, want := range map[string]bool{
		"         0          0 4294967295\n":                                   true,
		"         0          0 4294967294\n":                                   false,
		"         0          0          1\n         1          1 4294967294\n": false,
		"         0     100000      65536\n":                                   false,
		"":                                                                     false,
	} {
		if got := isInitialMap(text); got != want {
			t.Errorf("isInitialMap(%q) = %v; want %v", strings.Fields(text), got, want)
		}
	}
}
