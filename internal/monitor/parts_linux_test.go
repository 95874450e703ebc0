package monitor

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The test binary is other processes, too: by argv[0], and each of these ends by
// itself if its test does not end it.
var parts = map[string]func(args []string) int{
	"monitor-test-lock":   holdLock,
	"monitor-test-tell":   tell,
	"monitor-test-exit":   exitWith,
	"monitor-test-prove":  prove,
	"monitor-test-parent": parentOfSleeper,
	"monitor-test-left":   leave,
	"monitor-test-care":   takeCare,
}

func TestMain(m *testing.M) {
	if part := parts[os.Args[0]]; part != nil {
		os.Exit(part(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// partTime bounds the life of every part.
const partTime = time.Minute

// resultFD is the descriptor that a worker gets to write to.
const resultFD = 3

// holdLock FILE takes a lock, says so, and keeps it.
func holdLock(args []string) int {
	f, err := TryLock(args[0])
	fmt.Println(err)
	time.Sleep(partTime)
	runtime.KeepAlive(f)
	return 0
}

// exitWith says that it is there, and ends with a status of one digit; as "wait" it
// waits for a signal that ends it, as "catch" for one that it survives.
func exitWith(args []string) int {
	signals := make(chan os.Signal, 1)
	if args[0] == "catch" {
		signal.Notify(signals, syscall.SIGTERM)
	}
	fmt.Fprintln(os.NewFile(resultFD, "result"), "ready")
	switch args[0] {
	case "wait":
		time.Sleep(partTime)
	case "catch":
		<-signals
		return 9
	}
	return int(args[0][0] - '0')
}

// parentOfSleeper starts a worker that sleeps, and ends only if it is killed.
func parentOfSleeper([]string) int {
	held := os.NewFile(resultFD, "held")
	if _, err := Start(Command{Args: []string{"monitor-test-exit", "wait"}, Files: []*os.File{held}, As: nobody}); err != nil {
		fmt.Fprintln(held, err)
	}
	time.Sleep(partTime)
	return 0
}

// leave FILE takes a lock, starts a caretaker, tells its process id, and ends only if it
// is killed.
func leave(args []string) int {
	f, err := TryLock(args[0])
	if err != nil {
		return 1
	}
	c, err := StartCaretaker("monitor-test-care", args[0])
	if err != nil {
		return 1
	}
	fmt.Println(c.cmd.Process.Pid)
	time.Sleep(partTime)
	runtime.KeepAlive(f)
	return 0
}

// takeCare FILE tells, in a file beside FILE, whether it can have the lock.
func takeCare(args []string) int {
	err := AwaitParent()
	if err == nil {
		_, err = TryLock(args[0])
	}
	os.WriteFile(args[0]+".new", fmt.Append(nil, err), 0o600)
	os.Rename(args[0]+".new", args[0]+".told")
	return 0
}

// prove WAY gives up root in a way that is not enough, and prints what ProveDropped
// says of that.
func prove(args []string) int {
	runtime.LockOSThread()
	var err error
	switch args[0] {
	case "real and effective":
		err = syscall.Setresuid(nobody.UID, nobody.UID, 0)
	case "effective":
		err = syscall.Setresuid(0, nobody.UID, 0)
	case "capabilities":
		err = errors.Join(unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0), syscall.Setresuid(nobody.UID, nobody.UID, nobody.UID))
	case "ids":
		err = syscall.Setresuid(nobody.UID, nobody.UID, nobody.UID)
	case "all":
		err = errors.Join(unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), syscall.Setgroups(nil), syscall.Setresgid(nobody.GID, nobody.GID, nobody.GID), syscall.Setresuid(nobody.UID, nobody.UID, nobody.UID))
	}
	if err != nil {
		return 1
	}
	fmt.Print(ProveDropped())
	return 0
}

// A told is what a worker tells of itself.
type told struct {
	Args, Env    []string
	UIDs, GIDs   [3]int // real, effective, saved
	Groups       []int
	Capabilities []string // lines of /proc/self/status
	Proved       string   // ProveDropped's error
	Back         []string // ways back to root that worked
}

// tell writes a told. What could change it is tried last.
func tell([]string) int {
	me := told{Args: os.Args, Env: os.Environ()}
	me.UIDs[0], me.UIDs[1], me.UIDs[2] = unix.Getresuid()
	me.GIDs[0], me.GIDs[1], me.GIDs[2] = unix.Getresgid()
	me.Groups, _ = unix.Getgroups()
	status, _ := os.ReadFile("/proc/thread-self/status")
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "Cap") {
			me.Capabilities = append(me.Capabilities, strings.TrimSpace(line))
		}
	}
	if err := ProveDropped(); err != nil {
		me.Proved = err.Error()
	}
	for name, try := range waysBack {
		if try() == nil {
			me.Back = append(me.Back, name)
		}
	}
	if err := json.NewEncoder(os.NewFile(resultFD, "result")).Encode(me); err != nil {
		return 1
	}
	return 0
}

// waysBack are what only root, or who can become root, may do.
var waysBack = map[string]func() error{
	"setuid":         func() error { return syscall.Setuid(0) },
	"setreuid":       func() error { return syscall.Setreuid(-1, 0) },
	"setresuid":      func() error { return syscall.Setresuid(-1, -1, 0) },
	"setgid":         func() error { return syscall.Setgid(0) },
	"setresgid":      func() error { return syscall.Setresgid(0, 0, 0) },
	"setgroups":      func() error { return syscall.Setgroups([]int{0}) },
	"chroot":         func() error { return syscall.Chroot("/") },
	"/etc/shadow":    func() error { return openAndClose("/etc/shadow") },
	"/dev/mem":       func() error { return openAndClose("/dev/mem") },
	"init's program": func() error { return openAndClose("/proc/1/exe") },
	"the monitor's":  func() error { return openAndClose(fmt.Sprintf("/proc/%d/mem", os.Getppid())) },
	"kill":           func() error { return syscall.Kill(os.Getppid(), 0) },
}

func openAndClose(file string) error {
	f, err := os.Open(file)
	if err == nil {
		f.Close()
	}
	return err
}
