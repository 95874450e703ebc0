package monitor

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// leftBy starts a process with a lock and a caretaker.
func leftBy(t *testing.T, lock string) (parent *exec.Cmd, caretaker int) {
	t.Helper()
	parent = &exec.Cmd{Path: "/proc/self/exe", Args: []string{"monitor-test-left", lock}}
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { parent.Process.Kill(); parent.Wait() })
	line, _ := bufio.NewReader(out).ReadString('\n')
	if _, err := fmt.Sscan(line, &caretaker); err != nil {
		t.Fatalf("the parent says %q", line)
	}
	return parent, caretaker
}

// A caretaker comes to work when its parent is killed, finds the parent's locks free,
// and minds no signal that ends the parent.
func TestCaretaker(t *testing.T) {
	for i := range 10 {
		lock := filepath.Join(t.TempDir(), "lock")
		parent, caretaker := leftBy(t, lock)
		if i == 0 {
			time.Sleep(100 * time.Millisecond) // until it minds none
			for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
				if err := syscall.Kill(caretaker, s); err != nil {
					t.Error(err)
				}
			}
			time.Sleep(50 * time.Millisecond)
			if _, err := os.Stat(lock + ".told"); err == nil {
				t.Fatal("it works although the parent lives")
			}
		}
		if sid, err := syscall.Getpgid(caretaker); err != nil || sid != caretaker {
			t.Errorf("its process group is %d, %v; want its own", sid, err)
		}
		parent.Process.Kill()
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			told, err := os.ReadFile(lock + ".told")
			if err == nil && string(told) != "<nil>" {
				t.Errorf("TryLock after the parent's death = %s", told)
			}
			if err == nil {
				break
			}
			if time.Now().After(end) {
				t.Fatal("nobody took care")
			}
		}
	}
}

// One that is dismissed is gone, and did nothing.
func TestCaretakerDismissed(t *testing.T) {
	lock := filepath.Join(t.TempDir(), "lock")
	c, err := StartCaretaker("monitor-test-care", lock)
	if err != nil {
		t.Fatal(err)
	}
	c.Dismiss()
	if err := syscall.Kill(c.cmd.Process.Pid, 0); err != syscall.ESRCH {
		t.Errorf("kill(2) finds it: %v", err)
	}
	if _, err := os.Stat(lock + ".told"); err == nil {
		t.Error("it worked although nobody died")
	}
}
