package sandbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"nixsd-native/internal/wire"
)

// parentMain starts a sandbox in which something runs, tells its process id, and
// waits to be killed.
func parentMain() int {
	ours, theirs, err := wire.Pair()
	if err != nil {
		return 1
	}
	mounts := []Mount{{Source: os.Args[2], Target: "/bin/inside", IsFile: true, Exec: true}}
	p, err := Start(Options{Spec: Spec{Root: os.Args[1], Mounts: mounts}, Users: users()}, theirs)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	conn, err := wire.NewConn(ours)
	if err != nil {
		return 1
	}
	s, err := Attach(conn)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	r, w, err := os.Pipe()
	if err != nil {
		return 1
	}
	go s.Run(context.Background(), Command{Argv: []string{"/bin/inside", "leave", "stubborn"}}, nil, w, nil)
	bufio.NewReader(r).ReadString('\n')
	fmt.Println(p.process.Pid)
	time.Sleep(time.Minute)
	return 0
}

// gone waits for the end of a sandbox: of process 1, as the kernel ends the others
// of its namespace before it.
func gone(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); alive(pid); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("process 1 of the sandbox, %d, is alive", pid)
		}
	}
}

func TestParentKilled(t *testing.T) {
	if !in(t, asUser) {
		return
	}
	launch(t, Options{Users: users()}) // or the test is skipped
	cmd := exec.Command("/proc/self/exe", t.TempDir(), program(t))
	cmd.Args[0] = parentArg0
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	line, _ := bufio.NewReader(out).ReadString('\n')
	if _, err := fmt.Sscan(line, &pid); err != nil || !alive(pid) {
		t.Fatalf("the parent said %q", line)
	}
	cmd.Process.Kill()
	cmd.Wait()
	gone(t, pid)
}

// started runs a command inside that prints a line when it is ready, and returns
// what Run will say.
func started(t *testing.T, ctx context.Context, s *Session, c Command) <-chan error {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	result := make(chan error, 1)
	go func() {
		exit, err := s.Run(ctx, c, nil, w, nil)
		if err == nil {
			err = fmt.Errorf("ended with %+v", exit)
		}
		result <- err
	}()
	if line, err := bufio.NewReader(r).ReadString('\n'); err != nil {
		t.Fatalf("%q said %q, %v", c.Argv, line, err)
	}
	w.Close()
	return result
}

// Who reads what a command says may open a file before the command has ended.
func TestOpenMeanwhile(t *testing.T) {
	if !in(t, asUser) {
		return
	}
	s, _ := launch(t, Options{Users: users()})
	s.killAfter = time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	result := started(t, ctx, s, Command{Argv: []string{"/bin/inside", "stubborn"}})
	opened := make(chan error, 2)
	for _, name := range []string{"/bin/inside", "/etc"} {
		go func() {
			f, err := s.Open(name)
			if err == nil {
				f.Close()
			}
			opened <- err
		}()
	}
	failed := 0
	for range cap(opened) {
		select {
		case err := <-opened:
			if err != nil {
				failed++
			}
		case <-time.After(10 * time.Second):
			t.Fatal("Open waits for the end of the command")
		}
	}
	if failed != 1 {
		t.Errorf("%d of 2 files could not be opened; want 1, the folder", failed)
	}
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v; want that it was cancelled", err)
	}
	if f, err := s.Open("/bin/inside"); err != nil {
		t.Errorf("after it: %v", err)
	} else {
		f.Close()
	}
}

func TestSessionClosed(t *testing.T) {
	if !in(t, asUser) {
		return
	}
	s, p := launch(t, Options{Users: users()})
	result := started(t, t.Context(), s, Command{Argv: []string{"/bin/inside", "stubborn"}})
	s.Close()
	if err := <-result; err == nil {
		t.Error("Run ended well although the session was closed")
	}
	gone(t, p.process.Pid)
	<-p.done
}

func TestKilled(t *testing.T) {
	if !in(t, asUser) {
		return
	}
	s, p := launch(t, Options{Users: users()})
	result := started(t, t.Context(), s, Command{Argv: []string{"/bin/inside", "sleep"}})
	p.Kill()
	p.Kill() // the second finds nobody, least of all another process of that number
	if err := <-result; !errors.Is(err, ErrGone) {
		t.Errorf("Run = %v; want ErrGone", err)
	}
	if _, err := s.Open("/etc/passwd"); !errors.Is(err, ErrGone) {
		t.Errorf("Open = %v; want ErrGone", err)
	}
}

// A command is asked to end, and made to if it does not.
func TestCancel(t *testing.T) {
	if !in(t, asUser) {
		return
	}
	s, _ := launch(t, Options{Users: users()})
	because := errors.New("because")
	for _, test := range []struct {
		command   Command
		killAfter time.Duration
		fast      bool
	}{
		{Command{Argv: []string{"/bin/inside", "polite"}}, time.Hour, true},
		{Command{Self: true, Argv: []string{"wait"}}, time.Hour, true},
		{Command{Argv: []string{"/bin/inside", "stubborn"}}, 200 * time.Millisecond, false},
	} {
		s.killAfter = test.killAfter
		ctx, cancel := context.WithCancelCause(t.Context())
		result := started(t, ctx, s, test.command)
		begin := time.Now()
		cancel(because)
		if err := <-result; !errors.Is(err, because) {
			t.Errorf("%q: Run = %v; want the cause of the context", test.command.Argv, err)
		}
		if took := time.Since(begin); !test.fast && took < test.killAfter {
			t.Errorf("%q was killed after %v", test.command.Argv, took)
		}
		if pids, _ := inside(t, s, "pids"); !strings.HasPrefix(pids, "[1 ") || strings.Count(pids, " ") != 1 {
			t.Errorf("after %q the processes %s are left", test.command.Argv, pids)
		}
	}
	if _, err := s.Run(canceled(because), Command{Argv: []string{"/bin/inside", "exit", "0"}}, nil, nil, nil); !errors.Is(err, because) {
		t.Errorf("Run with an ended context = %v; want its cause", err)
	}
}

func canceled(cause error) context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	return ctx
}

// What a command leaves running ends with it, though it is in another session and
// keeps the streams open; orphans that end are buried.
func TestLeftovers(t *testing.T) {
	if !in(t, asUser) {
		return
	}
	s, _ := launch(t, Options{Users: users()})
	for _, what := range []string{"sleep", "stubborn"} {
		if out, exit := inside(t, s, "leave", what); !strings.Contains(out, "<nil>") || exit != (Exit{}) {
			t.Errorf("leave %s = %q, %+v", what, out, exit)
		}
		if pids, _ := inside(t, s, "pids"); strings.Count(pids, " ") != 1 {
			t.Errorf("after leave %s the processes %s are left", what, pids)
		}
	}
	if out, _ := inside(t, s, "zombies"); out != "0" {
		t.Errorf("%s zombies are left", out)
	}
}

func TestExits(t *testing.T) {
	if !in(t, asUser) {
		return
	}
	s, _ := launch(t, Options{Users: users()})
	for _, test := range []struct {
		args []string
		want Exit
	}{
		{[]string{"exit", "0"}, Exit{}},
		{[]string{"exit", "1"}, Exit{Status: 1}},
		{[]string{"exit", "255"}, Exit{Status: 255}},
		{[]string{"die", "9"}, Exit{Signal: 9}},
		{[]string{"die", "15"}, Exit{Signal: 15}},
	} {
		if _, got := inside(t, s, test.args...); got != test.want {
			t.Errorf("%q ended with %+v; want %+v", test.args, got, test.want)
		}
	}
	for _, c := range []Command{{Argv: []string{"/bin/absent"}}, {Argv: []string{"/etc"}}, {}, {Self: true}, {Argv: []string{"/bin/inside"}, Dir: "/absent"}} {
		_, err := s.Run(t.Context(), c, nil, nil, nil)
		if f := (*Failure)(nil); !errors.As(err, &f) {
			t.Errorf("Run(%+v) = %v; want a *Failure", c, err)
		}
	}
}

func TestStreams(t *testing.T) {
	if !in(t, asUser) {
		return
	}
	s, _ := launch(t, Options{Users: users()})
	const size = 5 << 20
	if out, _ := inside(t, s, "big", fmt.Sprint(size)); len(out) != size {
		t.Errorf("%d bytes of %d came", len(out), size)
	}
	text := strings.Repeat("0123456789", 50_000)
	inR, inW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() { io.WriteString(inW, text); inW.Close() }()
	got := make(chan string)
	go func() { data, _ := io.ReadAll(outR); got <- string(data) }()
	exit, err := s.Run(t.Context(), Command{Argv: []string{"/bin/inside", "cat"}}, inR, outW, nil)
	outW.Close()
	inR.Close()
	if out := <-got; err != nil || exit != (Exit{}) || out != text {
		t.Errorf("cat = %d bytes of %d, %+v, %v", len(out), len(text), exit, err)
	}
}

func TestOpen(t *testing.T) {
	if !in(t, asUser) {
		return
	}
	secret := t.TempDir() + "/secret"
	if err := os.WriteFile(secret, []byte("host"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, _ := launch(t, Options{Users: users(), Spec: Spec{
		Files: []File{{Path: "/etc/file", Mode: 0o600, Data: []byte("text")}},
		Links: []Link{{Path: "/etc/link", Target: "file"}, {Path: "/etc/dir", Target: "/etc"}, {Path: "/etc/out", Target: secret}},
	}})
	for _, name := range []string{"/etc/file", "/etc/dir/file"} {
		f, err := s.Open(name)
		if err != nil {
			t.Fatalf("Open(%q) = %v", name, err)
		}
		if data, err := io.ReadAll(f); err != nil || string(data) != "text" {
			t.Errorf("Open(%q) holds %q, %v", name, data, err)
		}
		if _, err := f.Write([]byte("x")); err == nil {
			t.Errorf("Open(%q) can be written", name)
		}
		f.Close()
	}
	for name, want := range map[string]syscall.Errno{
		"/etc/link": syscall.ELOOP, "/etc/out": syscall.ELOOP, "/etc/absent": syscall.ENOENT, secret: syscall.ENOENT,
		"/etc": 0, "/dev/null": 0, "/dev/zero": 0, "../../etc/absent": syscall.ENOENT,
	} {
		_, err := s.Open(name)
		if f := (*Failure)(nil); !errors.As(err, &f) || syscall.Errno(f.Errno) != want {
			t.Errorf("Open(%q) = %v; want a *Failure with errno %d", name, err, want)
		}
	}
}

// Errors of construction come with operation, errno and hints.
func TestFailures(t *testing.T) {
	if !in(t, asUser) {
		return
	}
	launch(t, Options{Users: users()})
	for _, test := range []struct {
		spec  Spec
		op    string
		errno syscall.Errno
		text  string
		hints int
	}{
		{Spec{Root: "/absent"}, "mount tmpfs", syscall.ENOENT, "/absent", 0},
		{Spec{Mounts: []Mount{{Source: "/absent", Target: "/x"}}}, "bind /absent to", syscall.ENOENT, "/x", 0},
		{Spec{Mounts: []Mount{{Source: "/etc", Target: "/proc/x"}}}, "mkdir", syscall.ENOENT, "/proc/x", 0},
		{Spec{Mounts: []Mount{{Source: "etc", Target: "/x"}}}, "", 0, "not absolute", 0},
		{Spec{Prove: true, Emulator: "/q"}, "prove", syscall.ENOEXEC, "/q", 1},
	} {
		_, p, err := tryStart(t, Options{Spec: test.spec, Users: users()})
		f := (*Failure)(nil)
		if !errors.As(err, &f) || f.Op != test.op || syscall.Errno(f.Errno) != test.errno || !strings.Contains(f.Error(), test.text) || len(f.Hints()) != test.hints {
			t.Errorf("%+v: %+v (%v)", test.spec, f, err)
		}
		if p != nil {
			<-p.done
		}
	}
}
