package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAttributes(t *testing.T) {
	const always = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS
	own := fmt.Sprintf("[{0 %d 1}]", os.Getuid())
	for _, test := range []struct {
		o         Options
		flags     uintptr
		uids      string
		setgroups bool
		credent   bool
		many      bool
	}{
		{Options{}, always | unix.CLONE_NEWNET, own, false, false, false},
		{Options{Network: true}, always, own, false, false, false},
		{Options{Users: Users{Range: Range{70000, 65536}}}, always | unix.CLONE_NEWNET, "[{0 70000 65536}]", true, true, true},
		{Options{Users: Users{SubUID: Range{1, 65535}, SubGID: Range{2, 65535}}}, always | unix.CLONE_NEWNET, "[]", false, false, true},
	} {
		a := attributes(test.o)
		if a.Cloneflags != test.flags || fmt.Sprint(a.UidMappings) != test.uids || a.GidMappingsEnableSetgroups != test.setgroups ||
			(a.Credential != nil) != test.credent || a.Pdeathsig != syscall.SIGKILL || !a.Setsid || test.o.Users.Many() != test.many {
			t.Errorf("attributes(%+v) = %+v; want %+v", test.o, a, test)
		}
	}
}

// The program that the sandbox runs cannot be changed through its descriptor.
func TestExecutable(t *testing.T) {
	f, err := executable()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Fd() < 100 {
		t.Errorf("the descriptor is %d; want 100 or more", f.Fd())
	}
	if _, err := f.WriteAt([]byte("x"), 0); !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.EBADF) {
		t.Errorf("writing the executable = %v; want not permitted", err)
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if copied, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<62)); err != nil || string(copied) != string(self) {
		t.Errorf("the executable has %d bytes, %v; want %d", len(copied), err, len(self))
	}
}

// A refusal is told with its errno.
func TestStartError(t *testing.T) {
	err := error(&StartError{Op: "clone", Err: unwrapStart(&os.PathError{Op: "fork/exec", Path: "/proc/self/fd/100", Err: syscall.EPERM})})
	if !errors.Is(err, syscall.EPERM) || err.Error() != "start the sandbox: clone: operation not permitted" {
		t.Errorf("StartError = %v", err)
	}
}

// newuidmap refuses ids that are not the caller's.
func TestForeignSubordinate(t *testing.T) {
	if !in(t, asUser) {
		return
	}
	u := modes["subordinate"].users(t)
	u.SubUID.First++
	_, _, err := tryStart(t, Options{Users: u})
	if e := (*StartError)(nil); !errors.As(err, &e) || e.Op != "newuidmap" {
		t.Errorf("Start with ids of others = %v; want a *StartError of newuidmap", err)
	}
}

func TestLimit(t *testing.T) {
	if !in(t, asUser) {
		return
	}
	if err := limit(); err != nil {
		t.Fatal(err)
	}
	for resource, want := range map[int]uint64{unix.RLIMIT_NOFILE: maxFiles, unix.RLIMIT_CORE: 0} {
		var l unix.Rlimit
		if err := unix.Getrlimit(resource, &l); err != nil || l.Cur != min(want, l.Max) {
			t.Errorf("limit %d is %+v, %v; want %d", resource, l, err, want)
		}
	}
}
