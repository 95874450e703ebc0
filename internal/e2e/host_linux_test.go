package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nixsd-native/internal/testenv"
)

// adoptOrphans makes this process the parent of all that its descendants leave, so
// that none can get lost (prctl(2), PR_SET_CHILD_SUBREAPER).
func adoptOrphans() error {
	return os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
}

// A pidSet holds the processes that a test itself waits for.
type pidSet struct {
	mu   sync.Mutex
	pids map[int]bool
}

var started = &pidSet{pids: map[int]bool{}}

func (s *pidSet) add(pid int)      { s.mu.Lock(); defer s.mu.Unlock(); s.pids[pid] = true }
func (s *pidSet) remove(pid int)   { s.mu.Lock(); defer s.mu.Unlock(); delete(s.pids, pid) }
func (s *pidSet) has(pid int) bool { s.mu.Lock(); defer s.mu.Unlock(); return s.pids[pid] }

// A proc is a process as /proc shows it.
type proc struct {
	pid, parent int
	state       string // Z for one that ended and was not waited for
	name        string
	line        string // its arguments
}

func (p proc) String() string {
	return fmt.Sprintf("%d (%s) %s %.200s", p.pid, p.name, p.state, p.line)
}

// processTable lists all processes that can be seen.
func processTable() []proc {
	var all []proc
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		stat, err := os.ReadFile(dir + "/stat")
		open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
		if err != nil || open < 0 || end < open {
			continue
		}
		p := proc{name: string(stat[open+1 : end])}
		fmt.Sscan(string(stat), &p.pid)
		fmt.Sscan(string(stat[end+1:]), &p.state, &p.parent)
		line, _ := os.ReadFile(dir + "/cmdline")
		p.line = string(bytes.ReplaceAll(bytes.TrimRight(line, "\x00"), []byte{0}, []byte(" ")))
		all = append(all, p)
	}
	return all
}

// descendants lists the processes below pid.
func descendants(pid int) []proc {
	table := processTable()
	below := map[int]bool{pid: true}
	var all []proc
	for grown := true; grown; {
		grown = false
		for _, p := range table {
			if below[p.parent] && !below[p.pid] {
				below[p.pid], grown = true, true
				all = append(all, p)
			}
		}
	}
	return all
}

// leftOver lists descendants of this process, after taking leave of those that
// ended as orphans.
func leftOver() []string {
	var all []string
	for _, p := range descendants(os.Getpid()) {
		if p.state == "Z" && p.parent == os.Getpid() && !started.has(p.pid) {
			unix.Wait4(p.pid, nil, unix.WNOHANG, nil)
			continue
		}
		all = append(all, p.String())
	}
	return all
}

// A hostState is what the program must leave as it found it.
type hostState struct{ testenv.Snapshot }

// lookAtHost lists processes first: what the last of them did before it ended is there for
// the rest of the look.
func lookAtHost() hostState {
	processes := leftOver()
	s, err := testenv.Look()
	if err != nil {
		panic(err)
	}
	s.Processes, s.Temp = processes, temporary()
	s.Loops = slices.DeleteFunc(s.Loops, func(loop string) bool { // other tests' of this host
		_, file, _ := strings.Cut(loop, ": ")
		temporary := strings.HasPrefix(file, os.TempDir()+"/") || strings.HasPrefix(file, "/tmp/")
		return temporary && !strings.HasPrefix(file, lab()+"/")
	})
	s.Networks = append(s.Networks, networks()...)
	return hostState{s}
}

// networks lists the network namespaces, besides this process's, that descendants of
// this process have.
func networks() []string {
	var all []string
	for _, d := range descendants(os.Getpid()) {
		if n := namespace(d.pid, "net"); n != "" && n != namespace(os.Getpid(), "net") && !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all
}

// temporary lists what the program could have left in folders for temporary files:
// the one of this run, and what belongs to ids in /tmp that only the program uses.
func temporary() []string {
	var all []string
	for _, dir := range []string{filepath.Join(lab(), "tmp"), "/tmp"} {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			info, err := e.Info()
			if err != nil {
				continue
			}
			if st := info.Sys().(*syscall.Stat_t); dir != "/tmp" || st.Uid >= userID {
				all = append(all, filepath.Join(dir, e.Name()))
			}
		}
	}
	return all
}

// settled looks again until no process is left, or gives up.
func (s hostState) settled() hostState {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		now := lookAtHost()
		if slices.Equal(now.Processes, s.Processes) || time.Now().After(deadline) {
			return now
		}
	}
}

// mustStay takes the host for this test and returns a function that fails a test if
// the host is not as it was.
func mustStay(t *testing.T) (check func(t *testing.T)) {
	t.Helper()
	testenv.Binary(t) // its processes are not what is looked at
	testenv.HoldHost(t)
	before := lookAtHost()
	return func(t *testing.T) {
		t.Helper()
		if diff := before.settled().Diff(before.Snapshot); diff != "" {
			t.Errorf("the host changed: %s", diff)
		}
	}
}

const binfmtDir = "/proc/sys/fs/binfmt_misc"

// needEmulation skips a test of what an aarch64 machine does not do.
func needEmulation(t *testing.T) {
	t.Helper()
	if runtime.GOARCH == "arm64" {
		testenv.Need(t, "machine that emulates aarch64", errors.New("its own programs are such"))
	}
}

// mountBinfmt mounts the host's binfmt_misc until the test ends, unless it is mounted.
func mountBinfmt(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(binfmtDir + "/register"); err == nil {
		return
	}
	err := unix.Mount("binfmt_misc", binfmtDir, "binfmt_misc", 0, "")
	testenv.Need(t, "binfmt_misc that can be mounted", err)
	t.Cleanup(func() { unix.Unmount(binfmtDir, 0) })
}

// foreignHandler registers a handler of somebody else's until the test ends. If that
// harms nobody, it is one for aarch64 programs, and breaks them.
func foreignHandler(t *testing.T) {
	t.Helper()
	mountBinfmt(t)
	const name = "nixsd-e2e-foreign"
	line := ":" + name + ":E::nixsd-e2e::/bin/false:"
	magic := `\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00`
	mask := `\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff`
	if runtime.GOARCH != "arm64" {
		line = ":" + name + ":M::" + magic + ":" + mask + ":/bin/false:"
	}
	err := os.WriteFile(binfmtDir+"/register", []byte(line), 0)
	testenv.Need(t, "binfmt_misc that can be written to", err)
	t.Cleanup(func() { os.WriteFile(filepath.Join(binfmtDir, name), []byte("-1"), 0) })
}

// ourHandler returns the text of the program's handler on the host, or "".
func ourHandler() string {
	text, _ := os.ReadFile(binfmtDir + "/qemu-aarch64-nixsd")
	return string(text)
}

// startWith starts a command to which files are mounted over others, as nobody else
// sees it.
func startWith(cmd *exec.Cmd, binds map[string]string) error {
	if len(binds) == 0 {
		return cmd.Start()
	}
	failed := make(chan error)
	go onThreadOfItsOwn(func() {
		err := unix.Unshare(unix.CLONE_NEWNS)
		if err == nil {
			err = unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}
		for target, source := range binds {
			err = errors.Join(err, unix.Mount(source, target, "", unix.MS_BIND, ""))
		}
		if err == nil {
			err = cmd.Start()
		}
		failed <- err
	})
	return <-failed
}

// onThreadOfItsOwn runs do on a thread that ends with it, and so not on the main one,
// which cannot, and whose mounts are those that /proc/self shows.
func onThreadOfItsOwn(do func()) {
	runtime.LockOSThread()
	if unix.Gettid() != unix.Getpid() {
		do()
		return
	}
	defer runtime.UnlockOSThread()
	done := make(chan struct{})
	go func() { defer close(done); onThreadOfItsOwn(do) }()
	<-done
}

// childNamed finds a child of pid by its first argument.
func childNamed(t *testing.T, pid int, arg0 string) int {
	t.Helper()
	for _, p := range descendants(pid) {
		if p.parent == pid && strings.HasPrefix(p.line, arg0) {
			return p.pid
		}
	}
	t.Fatalf("process %d has no child %s", pid, arg0)
	return 0
}

// statusOf reads the lines of a thread's or process's status file.
func statusOf(file string) map[string]string {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	m := map[string]string{}
	for line := range strings.Lines(string(data)) {
		name, value, _ := strings.Cut(line, ":")
		m[name] = strings.Join(strings.Fields(value), " ")
	}
	return m
}

// namespace is the identity of a process's namespace.
func namespace(pid int, kind string) string {
	link, _ := os.Readlink("/proc/" + strconv.Itoa(pid) + "/ns/" + kind)
	return link
}
