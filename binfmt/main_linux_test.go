package binfmt

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"nixsd-native/internal/testenv"

	"golang.org/x/sys/unix"
)

// The test binary also plays the emulator and other builds: started under a
// name of this form it does what the rest of the name says.
const (
	fakePrefix = "nixsd-fake-"
	holderName = "nixsd-lease-holder"
	childEnv   = "NIXSD_BINFMT_CHILD" // names the test that runs in a namespace
)

func TestMain(m *testing.M) {
	name := filepath.Base(os.Args[0])
	if kind, ok := strings.CutPrefix(name, fakePrefix); ok {
		os.Exit(fakeEmulator(kind))
	}
	if name == holderName {
		os.Exit(holdLease(os.Args[1:]))
	}
	os.Exit(m.Run())
}

func fakeEmulator(kind string) int {
	switch kind {
	case "ok":
		fmt.Print(ProbeText)
	case "wrong":
		fmt.Print("x86_64 ok\n")
	case "status":
		fmt.Print(ProbeText)
		return 42
	case "crash":
		fmt.Fprintln(os.Stderr, "about to fall")
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "hang":
		time.Sleep(time.Minute)
	case "noisy":
		for {
			fmt.Println("endless")
		}
	}
	return 0
}

// fake is the path of an emulator of the given kind.
func fake(t *testing.T, kind string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), fakePrefix+kind)
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// inNamespaces runs the rest of a test as root of new user and mount
// namespaces (or of a mount namespace alone), in another process, so that the
// host's mounts and handlers stay out of reach.
func inNamespaces(t *testing.T, flags uintptr, test func(t *testing.T)) {
	t.Helper()
	if os.Getenv(childEnv) == t.Name() {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Fatal(err)
		}
		test(t)
		return
	}
	if runtime.GOARCH == "arm64" {
		testenv.Need(t, "machine of another kind", errors.New("a handler for aarch64 would take the test program itself"))
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), childEnv+"="+t.Name(), "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	if flags&syscall.CLONE_NEWUSER != 0 {
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EINVAL):
		testenv.Need(t, "new namespaces here", err)
	case err != nil:
		t.Fatalf("in new namespaces: %v\n%s", err, out)
	case bytes.Contains(out, []byte("--- SKIP")):
		testenv.Need(t, "way to test in new namespaces", errors.New(string(out)))
	}
}

const ownNamespaces = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS

// mountPoint is a new folder whose mounts are gone before it is removed.
func mountPoint(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "mnt")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for unix.Unmount(dir, unix.MNT_DETACH) == nil {
		}
	})
	return dir
}

// privateInstance mounts a binfmt_misc of one's own.
func privateInstance(t *testing.T) string {
	t.Helper()
	dir := mountPoint(t)
	err := MountPrivate(dir)
	var unsupported *UnsupportedError
	var unavailable *UnavailableError
	if errors.As(err, &unsupported) || errors.As(err, &unavailable) {
		testenv.Need(t, "private binfmt_misc", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// entries are the names of the handlers at dir, nil if nothing is mounted.
func entries(t *testing.T, dir string) string {
	t.Helper()
	there, err := isMounted(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !there {
		return "(not mounted)"
	}
	names, err := entryNames(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}

func mountTable(t *testing.T) string {
	t.Helper()
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return string(table)
}

// plant registers something foreign by a raw line.
func plant(t *testing.T, dir, line string) {
	t.Helper()
	if err := writeControl(dir, "register", []byte(line)); err != nil {
		t.Fatal(err)
	}
}

// holdLease is another build: it acquires a lease, says so, and releases it at
// the end of its input. With "stuck" it stops in the middle of Acquire.
func holdLease(args []string) int {
	dir, host := args[0], &Host{Dir: args[1]}
	want := Want{Entry: AArch64(Name, args[2], FlagsPlain), EmulatorSHA256: args[3]}
	if len(args) > 4 && args[4] == "stuck" {
		host.Modprobe = func(context.Context) error {
			fmt.Println("stuck")
			time.Sleep(time.Minute)
			return nil
		}
	}
	lease, err := Acquire(context.Background(), dir, host, want)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("held")
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := lease.Release(context.Background()); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// A holder is a running [holdLease].
type holder struct {
	cmd   *exec.Cmd
	stdin io.Closer
}

// hold starts one and waits until it says what is expected.
func hold(t *testing.T, expected, dir string, args ...string) *holder {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = append([]string{holderName, dir}, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h := &holder{cmd: cmd, stdin: stdin}
	t.Cleanup(func() { h.kill() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if strings.TrimSpace(line) != expected {
		t.Fatalf("the other build says %q, %v; want %q", line, err, expected)
	}
	return h
}

// kill is kill -9.
func (h *holder) kill() {
	_ = h.cmd.Process.Kill()
	_ = h.cmd.Wait()
}

// release lets it end in order.
func (h *holder) release(t *testing.T) {
	t.Helper()
	h.stdin.Close()
	if err := h.cmd.Wait(); err != nil {
		t.Fatalf("the other build: %v", err)
	}
}
