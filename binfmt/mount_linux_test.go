package binfmt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"nixsd-native/internal/testenv"

	"golang.org/x/sys/unix"
)

func TestMountAndUnmount(t *testing.T) {
	inNamespaces(t, ownNamespaces, func(t *testing.T) {
		privateInstance(t) // or skip
		dir, before := mountPoint(t), mountTable(t)
		tried := 0
		host := &Host{Dir: dir, Modprobe: func(context.Context) error { tried++; return errors.New("no module") }}
		m, err := host.Mount(context.Background())
		if err != nil || !m.Ours || m.ID == 0 || m.ID != mountID(dir) || tried != 1 {
			t.Fatalf("Mount() = %+v, %v, modprobe tried %d times", m, err, tried)
		}
		if again, err := host.Mount(context.Background()); err != nil || again.Ours || tried != 1 {
			t.Errorf("Mount() of what is mounted = %+v, %v", again, err)
		}
		if err := host.Unmount(Mounted{}); err != nil || entries(t, dir) != "" {
			t.Errorf("Unmount() of what others mounted = %v, left %q", err, entries(t, dir))
		}
		plant(t, dir, ":late:M::MZ::/bin/true:")
		if err := host.Unmount(m); err != nil || entries(t, dir) != "late" {
			t.Errorf("Unmount() under another's new handler = %v, left %q; want it to stay", err, entries(t, dir))
		}
		if err := writeControl(dir, "late", []byte("-1")); err != nil {
			t.Fatal(err)
		}
		other := Mounted{Ours: true, ID: m.ID + 1}
		if err := host.Unmount(other); err != nil || entries(t, dir) != "" {
			t.Errorf("Unmount() of another mount in the same place = %v, left %q", err, entries(t, dir))
		}
		for range 2 {
			if err := host.Unmount(m); err != nil || mountTable(t) != before {
				t.Errorf("Unmount() = %v; mounts %s; want %s", err, mountTable(t), before)
			}
		}
	})
}

// TestMountKnowsOthers has handlers that another mount keeps alive: they do
// not keep ours from going.
func TestMountKnowsOthers(t *testing.T) {
	inNamespaces(t, ownNamespaces, func(t *testing.T) {
		elsewhere, dir := privateInstance(t), mountPoint(t)
		plant(t, elsewhere, ":early:M::MZ::/bin/true:")
		host := &Host{Dir: dir}
		m, err := host.Mount(context.Background())
		if want := []string{"early"}; err != nil || !reflect.DeepEqual(m.Others, want) {
			t.Fatalf("Mount() = %+v, %v; want others %q", m, err, want)
		}
		if err := host.Unmount(m); err != nil || entries(t, dir) != "(not mounted)" || entries(t, elsewhere) != "early" {
			t.Errorf("Unmount() = %v, left %q and %q", err, entries(t, dir), entries(t, elsewhere))
		}
	})
}

func TestMountErrors(t *testing.T) {
	modprobe := errors.New("modprobe: not found")
	tests := []struct {
		errno syscall.Errno
		is    func(error) bool
	}{
		{syscall.ENODEV, isError[*UnavailableError]},
		{syscall.ENOENT, isError[*UnavailableError]},
		{syscall.EPERM, isError[*PermissionError]},
		{syscall.EACCES, isError[*PermissionError]},
		{syscall.ELOOP, isError[*AutofsError]},
		{syscall.EIO, isError[*os.PathError]},
	}
	for _, tt := range tests {
		err := mountError("/dir", tt.errno, modprobe)
		if !tt.is(err) || !errors.Is(err, tt.errno) {
			t.Errorf("mountError(%v) = %T %v", tt.errno, err, err)
		}
	}
	if err := mountError("/dir", syscall.ENODEV, modprobe); !strings.Contains(err.Error(), modprobe.Error()) {
		t.Errorf("mountError() = %v; want modprobe's failure in it", err)
	}
	for _, tt := range []struct {
		errno syscall.Errno
		is    func(error) bool
	}{
		{syscall.ENOMEM, isError[*ResourceError]},
		{syscall.ENOSPC, isError[*ResourceError]},
		{syscall.EPERM, isError[*PermissionError]},
		{syscall.EINVAL, isError[*EntryError]},
	} {
		if err := registerError("/dir", Entry{}, &os.PathError{Err: tt.errno}); !tt.is(err) {
			t.Errorf("registerError(%v) = %T %v", tt.errno, err, err)
		}
	}
	for _, tt := range []struct {
		errno syscall.Errno
		is    func(error) bool
	}{
		{syscall.ELOOP, isError[*AutofsError]},
		{syscall.EACCES, isError[*PermissionError]},
	} {
		if err := controlError("x", "/dir", &os.PathError{Err: tt.errno}); !tt.is(err) {
			t.Errorf("controlError(%v) = %T %v", tt.errno, err, err)
		}
	}
}

// TestMountPrivateOnHost makes sure that no caller outside a user namespace
// gets the host's instance in place of one of its own.
func TestMountPrivateOnHost(t *testing.T) {
	if !inInitialNamespace() {
		testenv.Need(t, "user namespace that is the host's", errors.New("the tests themselves run in another one"))
	}
	dir := t.TempDir()
	if err := MountPrivate(dir); !isError[*UnsupportedError](err) {
		_ = unix.Unmount(dir, unix.MNT_DETACH)
		t.Errorf("MountPrivate() on the host = %v; want *UnsupportedError", err)
	}
}

// TestHostInstance works on the host's own instance, mounted in a mount
// namespace of the test's own, with a magic that nothing else has.
func TestHostInstance(t *testing.T) {
	inNamespaces(t, syscall.CLONE_NEWNS, func(t *testing.T) {
		ctx, dir := context.Background(), mountPoint(t)
		host := &Host{Dir: dir}
		before := mountTable(t)
		m, err := host.Mount(ctx)
		if isError[*PermissionError](err) || isError[*UnavailableError](err) {
			testenv.Need(t, "binfmt_misc of the host", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		e := Entry{Name: Name + "-test", Magic: []byte("\x7fnixsd test"), Interpreter: fake(t, "ok"), Flags: FlagsPlain}
		t.Cleanup(func() { _ = host.Unregister(e.Name) })
		if err := host.Register(ctx, e); err != nil {
			t.Fatal(err)
		}
		program := filepath.Join(t.TempDir(), "program")
		if err := os.WriteFile(program, e.Magic, 0o755); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(program).Output(); string(out) != ProbeText || err != nil {
			t.Errorf("the handler's program said %q, %v", out, err)
		}
		if err := errors.Join(host.Unregister(e.Name), host.Unmount(m)); err != nil {
			t.Error(err)
		}
		if got := mountTable(t); got != before {
			t.Errorf("mounts: %s; want %s", got, before)
		}
	})
}

// TestMountOverAutomount has an automount as systemd makes it: looking at it
// or mounting over it does not wake it.
func TestMountOverAutomount(t *testing.T) {
	inNamespaces(t, syscall.CLONE_NEWNS, func(t *testing.T) {
		dir := mountPoint(t)
		requests := automount(t, dir)
		host := &Host{Dir: dir}
		if magic, err := magicAt(dir); magic != unix.AUTOFS_SUPER_MAGIC || err != nil {
			t.Fatalf("magicAt() = %#x, %v; want the automount's", magic, err)
		}
		if all, err := host.List(); all != nil || err != nil {
			t.Errorf("List() before an automount = %v, %v", all, err)
		}
		m, err := host.Mount(context.Background())
		if isError[*PermissionError](err) || isError[*UnavailableError](err) {
			testenv.Need(t, "binfmt_misc of the host", err)
		}
		if err != nil || !m.Ours {
			t.Fatalf("Mount() over an automount = %+v, %v", m, err)
		}
		if _, err := host.List(); err != nil {
			t.Error(err)
		}
		if err := host.Unmount(m); err != nil {
			t.Error(err)
		}
		if magic, err := magicAt(dir); magic != unix.AUTOFS_SUPER_MAGIC || err != nil {
			t.Errorf("after Unmount() the file system is %#x, %v; want the automount", magic, err)
		}
		if err := requests.SetReadDeadline(time.Now()); err != nil {
			t.Fatal(err)
		}
		if n, err := requests.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the automount was woken: %d, %v", n, err)
		}
	})
}

// automount mounts a direct autofs and returns the pipe with the kernel's
// requests. Another process group plays the daemon's, which never waits.
func automount(t *testing.T, dir string) (requests *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	daemon := exec.Command("/proc/self/exe")
	daemon.Args[0] = fakePrefix + "hang"
	daemon.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = daemon.Process.Kill()
		_ = daemon.Wait()
	})
	options := fmt.Sprintf("fd=%d,pgrp=%d,minproto=5,maxproto=5,direct", w.Fd(), daemon.Process.Pid)
	if err := errors.Join(unix.Mount("test", dir, "autofs", 0, options), w.Close()); err != nil {
		testenv.Need(t, "autofs", err)
	}
	return r
}
