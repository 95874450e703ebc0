package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"nixsd-native/internal/testenv"
	"nixsd-native/internal/wire"
)

// The test binary is the child side, too. Run again in another place it finds these
// in its environment.
const (
	placeEnv   = "NIXSD_SANDBOX_TEST_PLACE" // asRoot or asUser
	programEnv = "NIXSD_SANDBOX_TEST_INSIDE"
	parentArg0 = "nixsd-test-parent"
)

func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case Arg0:
		os.Exit(Main(testReady, testSelf))
	case HoldArg0:
		os.Exit(HoldMain())
	case parentArg0:
		os.Exit(parentMain())
	}
	if os.Getenv(placeEnv) != "" {
		if os.Getenv(placeEnv) == asUser && os.Geteuid() == 0 {
			os.Exit(becomeUser())
		}
		os.Exit(m.Run())
	}
	status := m.Run()
	if name := os.Getenv(programEnv); name != "" {
		os.RemoveAll(filepath.Dir(name))
	}
	releaseHost()
	os.Exit(status)
}

// releaseHost ends what prepare begins.
var releaseHost = func() {}

// prepare takes the host, whose processes other tests count, until the end of this
// process, and builds the program that is run inside.
var prepare = sync.OnceValues(func() (program string, err error) {
	if name := os.Getenv(programEnv); name != "" { // run again in another place
		return name, nil
	}
	releaseHost = testenv.LockHost()
	dir, err := os.MkdirTemp("", "nixsd-sandbox-*")
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "inside")
	if err := errors.Join(os.Chmod(dir, 0o755), os.Setenv(programEnv, name)); err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-o", name, "./testdata/inside")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %v\n%s", err, out)
	}
	return name, nil
})

// program is the path of the program that is run inside.
func program(t testing.TB) string {
	t.Helper()
	name, err := prepare()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// hinted is an error of a Ready hook.
type hinted struct{ error }

func (hinted) Hints() []string { return []string{"a hint"} }
func (h hinted) Unwrap() error { return h.error }

func testReady(s Spec) error {
	if s.Prove {
		return hinted{&os.PathError{Op: "prove", Path: s.Emulator, Err: syscall.ENOEXEC}}
	}
	return nil
}

// testSelf answers with its environment, waits for its end, or starts a process.
func testSelf(ctx context.Context, c Command, stdin, stdout, _ *os.File) int {
	switch c.Argv[0] {
	case "answer":
		fmt.Fprint(stdout, c.Env)
		return 3
	case "wait":
		fmt.Fprintln(stdout, "ready")
		<-ctx.Done()
		return 4
	case "start":
		cmd := exec.CommandContext(ctx, "/bin/inside", "facts")
		cmd.Env, cmd.Stdin, cmd.Stdout = c.Env, stdin, stdout
		if cmd.Run() != nil {
			return 1
		}
	}
	return 0
}

// Places where tests run.
const (
	asRoot = "root" // root with a mount namespace of its own
	asUser = "user" // an ordinary user, with subordinate ids if root could arrange that
)

// userID and the ids of the ranges are nobody's on the host.
const userID = 59876

var (
	subordinate = Range{0x7100_0000, RangeSize - 1}
	whole       = Range{0x7000_0000, RangeSize}
)

// in reports whether the test is in a place. If not it runs the test there, in a
// process of its own, and tells how it ended.
func in(t *testing.T, place string) bool {
	t.Helper()
	testenv.NeedNamespaces(t)
	program(t)
	if os.Getenv(placeEnv) != "" || os.Geteuid() != 0 && place == asUser {
		return true
	}
	testenv.NeedRoot(t)
	name := "^" + strings.ReplaceAll(t.Name(), "/", "$/^") + "$"
	cmd := exec.Command("/proc/self/exe", "-test.run="+name, "-test.v", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), placeEnv+"="+place, "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, syscall.EPERM):
		testenv.Need(t, "mount namespace", err)
	case err != nil:
		t.Errorf("%s: %v\n%s", place, err, out)
	case strings.Contains(string(out), "--- SKIP"):
		testenv.Need(t, place, errors.New(string(out)))
	}
	return false
}

// becomeUser runs the test as an ordinary user with subordinate ids, in this mount
// namespace.
func becomeUser() int {
	if err := arrangeUser(); err != nil {
		fmt.Fprintln(os.Stderr, "arrange a user:", err)
		return 1
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: userID, Gid: userID, Groups: []uint32{userID + 1}}, Pdeathsig: syscall.SIGKILL,
	}
	if err := cmd.Run(); err != nil {
		return 1
	}
	return 0
}

func arrangeUser() error {
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "nixsd-sandbox-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ids := fmt.Sprintf("tester:%d:%d\n", subordinate.First, subordinate.Count)
	for name, text := range map[string]string{
		"passwd": fmt.Sprintf("root:x:0:0::/:/bin/sh\ntester:x:%d:%d::/:/bin/sh\n", userID, userID), "subuid": ids, "subgid": ids,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
		if _, err := os.Stat("/etc/" + name); err != nil {
			continue // then there is no newuidmap either
		}
		if err := unix.Mount(filepath.Join(dir, name), "/etc/"+name, "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	return nil
}

// launch starts a sandbox, or skips the test if that is what this machine forbids.
func launch(t testing.TB, o Options) (*Session, *Process) {
	t.Helper()
	s, p, err := tryStart(t, o)
	if errno := syscall.Errno(0); errors.As(err, &errno) && (errno == syscall.EPERM || errno == syscall.EACCES || errno == syscall.ENOSPC) {
		testenv.Need(t, "user namespaces", err)
	}
	if f := (*Failure)(nil); errors.As(err, &f) && strings.HasPrefix(f.Op, "mount ") && syscall.Errno(f.Errno) == syscall.EPERM {
		testenv.Need(t, "mounts in user namespaces", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s, p
}

func tryStart(t testing.TB, o Options) (*Session, *Process, error) {
	t.Helper()
	o.Stderr = os.Stderr
	if o.Spec.Root == "" {
		o.Spec.Root = publicDir(t)
	}
	o.Spec.Mounts = append(o.Spec.Mounts, Mount{Source: program(t), Target: "/bin/inside", IsFile: true, Exec: true})
	ours, theirs, err := wire.Pair()
	if err != nil {
		t.Fatal(err)
	}
	p, err := Start(o, theirs)
	if err != nil {
		ours.Close()
		return nil, nil, err
	}
	t.Cleanup(p.Kill)
	conn, err := wire.NewConn(ours)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	s, err := Attach(conn)
	if err != nil {
		return nil, p, err
	}
	return s, p, nil
}

// publicDir makes an empty folder that every user can reach.
func publicDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "nixsd-sandbox-*")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// users are ids for a sandbox of the test's own place.
func users() Users {
	if os.Geteuid() == 0 {
		return Users{Range: whole}
	}
	return Users{}
}

// inside runs the program inside and returns what it printed.
func inside(t testing.TB, s *Session, args ...string) (string, Exit) {
	t.Helper()
	return output(t, s, Command{Argv: append([]string{"/bin/inside"}, args...), Env: []string{}, Dir: "/"})
}

// output runs a command and returns what it printed.
func output(t testing.TB, s *Session, c Command) (string, Exit) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	out := make(chan string)
	go func() {
		data, _ := io.ReadAll(r)
		out <- string(data)
	}()
	exit, err := s.Run(t.Context(), c, nil, w, nil)
	w.Close()
	if err != nil {
		t.Fatalf("Run(%q): %v", c.Argv, err)
	}
	return <-out, exit
}

// answer decodes what the program inside printed.
func answer[T any](t testing.TB, s *Session, env []string, args ...string) T {
	t.Helper()
	out, exit := output(t, s, Command{Argv: append([]string{"/bin/inside"}, args...), Env: env, Dir: "/tmp"})
	var v T
	if err := json.Unmarshal([]byte(out), &v); err != nil || exit != (Exit{}) {
		t.Fatalf("%q inside: %v, %+v\n%s", args, err, exit, out)
	}
	return v
}

// alive reports whether a process of the host exists and is no zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	_, rest, _ := strings.Cut(string(stat), ") ")
	return err == nil && !strings.HasPrefix(rest, "Z")
}
