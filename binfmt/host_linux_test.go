package binfmt

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// isError says whether err is or wraps a T.
func isError[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}

func TestKernelFlags(t *testing.T) {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := KernelFlags(), FlagsFor(string(release)); got != want {
		t.Errorf("KernelFlags() = %q; want %q for %s", got, want, release)
	}
}

func TestRegisterAt(t *testing.T) {
	inNamespaces(t, ownNamespaces, func(t *testing.T) {
		dir := privateInstance(t)
		if got := entries(t, dir); got != "" {
			t.Fatalf("the private instance is not fresh: %q", got)
		}
		plant(t, dir, ":WSLInterop:M::MZ::/bin/true:PF")
		e := AArch64(Name, "/bin/true", FlagsKeepArgv0)
		if err := RegisterAt(dir, e); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(dir, Name))
		if want := kernelText(t, Name); err != nil || string(got) != string(want) {
			t.Errorf("registered: %q, %v; want %q", got, err, want)
		}
		if err := RegisterAt(dir, e); !isError[*ExistsError](err) {
			t.Errorf("RegisterAt() a second time = %v; want *ExistsError", err)
		}
		host := &Host{Dir: dir}
		e.Interpreter, e.Flags = "/bin/false", FlagsPlain
		if err := host.Register(context.Background(), e); err != nil {
			t.Errorf("Register() in its own place = %v", err)
		}
		if all, err := host.List(); err != nil || len(all) != 2 || !all[1].Matches(e) {
			t.Errorf("List() = %+v, %v", all, err)
		}
		for range 2 {
			if err := host.Unregister(Name); err != nil {
				t.Errorf("Unregister() = %v", err)
			}
		}
		if got := entries(t, dir); got != "WSLInterop" {
			t.Errorf("left: %q; want WSLInterop", got)
		}
	})
}

func TestRegisterErrors(t *testing.T) {
	inNamespaces(t, ownNamespaces, func(t *testing.T) {
		dir, files := privateInstance(t), t.TempDir()
		host, ctx := &Host{Dir: dir}, context.Background()
		plain := filepath.Join(files, "plain")
		busy, err := os.OpenFile(plain+"-busy", os.O_CREATE|os.O_WRONLY, 0o755)
		if err != nil {
			t.Fatal(err)
		}
		defer busy.Close()
		if err := os.WriteFile(plain, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		for what, interpreter := range map[string]string{
			"missing": plain + "-missing", "not executable": plain, "a folder": files, "being written": busy.Name(),
			"below a file": plain + "/x",
		} {
			if err := host.Register(ctx, AArch64(Name, interpreter, FlagsPlain)); !isError[*InterpreterError](err) {
				t.Errorf("Register() of an emulator that is %s = %v; want *InterpreterError", what, err)
			}
		}
		for _, name := range []string{"qemu-aarch64", "status", "WSLInterop"} {
			if err := host.Register(ctx, AArch64(name, "/bin/true", FlagsPlain)); !isError[*EntryError](err) {
				t.Errorf("Register(%q) = %v; want *EntryError", name, err)
			}
			if err := host.Unregister(name); !isError[*EntryError](err) {
				t.Errorf("Unregister(%q) = %v; want *EntryError", name, err)
			}
			if err := RegisterAt(dir, AArch64(name, "/bin/true", FlagsPlain)); !isError[*EntryError](err) {
				t.Errorf("RegisterAt(%q) = %v; want *EntryError", name, err)
			}
		}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if err := host.Register(ended, AArch64(Name, "/bin/true", FlagsPlain)); !errors.Is(err, context.Canceled) {
			t.Errorf("Register() after the end of its context = %v", err)
		}
		plant(t, dir, ":qemu-aarch64:M::MZ::/bin/true:")
		if err := writeControl(dir, "status", []byte("0")); err != nil {
			t.Fatal(err)
		}
		if err := host.Register(ctx, AArch64(Name, "/bin/true", FlagsPlain)); !isError[*DisabledError](err) {
			t.Errorf("Register() while all is off = %v; want *DisabledError", err)
		}
		if got := entries(t, dir); got != "qemu-aarch64" {
			t.Errorf("left after errors: %q; want qemu-aarch64", got)
		}
	})
}

// TestRegisterElsewhere has folders that are not, or not quite, binfmt_misc.
func TestRegisterElsewhere(t *testing.T) {
	inNamespaces(t, ownNamespaces, func(t *testing.T) {
		e, ctx := AArch64(Name, "/bin/true", FlagsPlain), context.Background()
		dir := t.TempDir()
		if err := RegisterAt(dir, e); !isError[*UnavailableError](err) {
			t.Errorf("RegisterAt() in an empty folder = %v; want *UnavailableError", err)
		}
		for _, name := range []string{"register", Name} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("precious"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := RegisterAt(dir, e); !isError[*UnavailableError](err) {
			t.Errorf("RegisterAt() among ordinary files = %v; want *UnavailableError", err)
		}
		if err := (&Host{Dir: dir}).Unregister(Name); err != nil {
			t.Errorf("Unregister() where nothing is mounted = %v", err)
		}
		for _, name := range []string{"register", Name} {
			if got, err := os.ReadFile(filepath.Join(dir, name)); string(got) != "precious" {
				t.Errorf("the ordinary file %s was written to: %q, %v", name, got, err)
			}
		}
		if all, err := (&Host{Dir: dir}).List(); all != nil || err != nil {
			t.Errorf("List() where nothing is mounted = %v, %v", all, err)
		}
		readOnly := privateInstance(t)
		if err := unix.Mount("", readOnly, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		if err := (&Host{Dir: readOnly}).Register(ctx, e); !isError[*ReadOnlyError](err) {
			t.Errorf("Register() on a read-only mount = %v; want *ReadOnlyError", err)
		}
	})
}
