package monitor

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"nixsd-native/internal/testenv"
)

// nobody is an identity of ids that no host gives away.
var nobody = Identity{UID: 54321, GID: 54322, Group: 54323}

// startT starts a part as a worker and returns what it writes to resultFD.
func startT(t *testing.T, as Identity, env []string, args ...string) (*Worker, *bufio.Reader) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	defer w.Close()
	if err := r.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	worker, err := Start(Command{Args: args, Env: env, Files: []*os.File{w}, As: as})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { worker.Signal(syscall.SIGKILL); worker.Wait() })
	return worker, bufio.NewReader(r)
}

// A worker of root is who it shall be, has no capabilities, gets the arguments,
// variables and files that it is given and no others, and finds no way back to root.
func TestWorkerHasNoPrivileges(t *testing.T) {
	testenv.NeedRoot(t)
	args, env := []string{"monitor-test-tell", "two words", ""}, []string{"LANG=C", "X="}
	worker, result := startT(t, nobody, env, args...)
	var me told
	if err := json.NewDecoder(result).Decode(&me); err != nil {
		t.Fatal(err)
	}
	if status, signal := worker.Wait(); status != 0 || signal != 0 {
		t.Errorf("Wait() = %d, %v; want 0 and no signal", status, signal)
	}
	if !slices.Equal(me.Args, args) || !slices.Equal(me.Env, env) {
		t.Errorf("the worker has arguments %q, variables %q; want %q, %q", me.Args, me.Env, args, env)
	}
	if me.UIDs != [3]int{nobody.UID, nobody.UID, nobody.UID} || me.GIDs != [3]int{nobody.GID, nobody.GID, nobody.GID} || !slices.Equal(me.Groups, []int{nobody.Group}) {
		t.Errorf("the worker is %v, of group %v and %v; want %+v", me.UIDs, me.GIDs, me.Groups, nobody)
	}
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
		if want := set + ":\t" + strings.Repeat("0", 16); !slices.Contains(me.Capabilities, want) {
			t.Errorf("the worker's capabilities are %q; want %q", me.Capabilities, want)
		}
	}
	if me.Proved != "" || len(me.Back) > 0 {
		t.Errorf("ProveDropped() = %q, and these worked: %q; want none", me.Proved, me.Back)
	}
}

// The ways back are ways for root: a worker that is still root finds them.
func TestWorkerThatIsRoot(t *testing.T) {
	testenv.NeedRoot(t)
	_, result := startT(t, Identity{}, nil, "monitor-test-tell")
	var me told
	if err := json.NewDecoder(result).Decode(&me); err != nil {
		t.Fatal(err)
	}
	if me.Proved != "the worker is still root" {
		t.Errorf("ProveDropped() of root = %q", me.Proved)
	}
	for _, name := range []string{"setuid", "setgid", "setgroups", "kill"} {
		if !slices.Contains(me.Back, name) {
			t.Errorf("root could do %q; want %s among them", me.Back, name)
		}
	}
}

// Dropping by halves is found out.
func TestProveDropped(t *testing.T) {
	testenv.NeedRoot(t)
	for way, want := range map[string]string{
		"none":               "the worker is still root",
		"effective":          "the worker is still root",
		"real and effective": "the worker could become root again",
		"capabilities":       "the worker still has capabilities",
		"ids":                "the worker could gain privileges by a set-uid program (0, <nil>)",
		"all":                "<nil>",
	} {
		cmd := &exec.Cmd{Path: "/proc/self/exe", Args: []string{"monitor-test-prove", way}}
		if out, err := cmd.Output(); err != nil || string(out) != want {
			t.Errorf("ProveDropped() after dropping %s = %q, %v; want %q", way, out, err, want)
		}
	}
}

// A worker's end is told as it was: by a status, or by a signal, passed on or not.
func TestWorkerEnds(t *testing.T) {
	testenv.NeedRoot(t)
	for _, tt := range []struct {
		part   string
		send   os.Signal
		status int
		signal syscall.Signal
	}{
		{"0", nil, 0, 0},
		{"7", nil, 7, 0},
		{"catch", syscall.SIGTERM, 9, 0},
		{"wait", syscall.SIGTERM, -1, syscall.SIGTERM},
		{"wait", os.Kill, -1, syscall.SIGKILL},
	} {
		worker, result := startT(t, nobody, nil, "monitor-test-exit", tt.part)
		if line, err := result.ReadString('\n'); line != "ready\n" {
			t.Fatalf("%s: %q, %v", tt.part, line, err)
		}
		if tt.send != nil {
			worker.Signal(tt.send)
		}
		for range 2 { // it may be asked again
			if status, signal := worker.Wait(); status != tt.status || signal != tt.signal {
				t.Errorf("%s, sent %v: Wait() = %d, %v; want %d, %v", tt.part, tt.send, status, signal, tt.status, tt.signal)
			}
		}
		worker.Signal(os.Kill) // hits nobody
	}
}

// A worker does not outlive the process that started it, however that ends.
func TestWorkerDiesWithItsParent(t *testing.T) {
	testenv.NeedRoot(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	parent := &exec.Cmd{Path: "/proc/self/exe", Args: []string{"monitor-test-parent"}, ExtraFiles: []*os.File{w}}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close() // parent and worker have it now
	if err := r.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(r).ReadString('\n')
	parent.Process.Kill()
	parent.Wait()
	if line != "ready\n" {
		t.Fatalf("the worker says %q, %v", line, err)
	}
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		t.Errorf("after its parent, the worker: %q, %v; want its end", rest, err)
	}
}

// What cannot be started is an error, and no worker.
func TestStartErrors(t *testing.T) {
	for name, c := range map[string]Command{
		"variable with a NUL": {Args: []string{"monitor-test-exit", "0"}, Env: []string{"A=\x00"}, As: Identity{os.Getuid(), os.Getgid(), os.Getgid()}},
		"argument with a NUL": {Args: []string{"monitor-test-exit", "\x00"}, As: Identity{os.Getuid(), os.Getgid(), os.Getgid()}},
		"id that is none":     {Args: []string{"monitor-test-exit", "0"}, As: Identity{1<<32 - 1, 1<<32 - 1, 0}},
	} {
		w, err := Start(c)
		if err == nil || w != nil || !strings.HasPrefix(err.Error(), "start the worker: ") {
			t.Errorf("Start(%s) = %v, %v; want an error", name, w, err)
		}
	}
}
