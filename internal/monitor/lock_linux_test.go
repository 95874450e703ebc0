package monitor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func lockT(t *testing.T, file string) *os.File {
	t.Helper()
	f, err := TryLock(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// wantBusy checks that somebody has the lock.
func wantBusy(t *testing.T, file, when string) {
	t.Helper()
	f, err := TryLock(file)
	var busy *BusyError
	if !errors.As(err, &busy) || busy.Lock != file || f != nil {
		t.Errorf("TryLock %s = %v, %v; want a *BusyError", when, f, err)
	}
}

// A free lock is had at once, by one at a time, until its file is closed.
func TestLockFree(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lock")
	for range 2 { // the file is new, then it is there
		f, err := Lock(t.Context(), file, func() { t.Error("Lock waited for a free lock") })
		if err != nil {
			t.Fatal(err)
		}
		wantBusy(t, file, "while Lock has it")
		f.Close()
		f = lockT(t, file)
		wantBusy(t, file, "while TryLock has it")
		f.Close()
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("lock file: %v, %v; want it to stay, for its owner alone", info, err)
	}
}

// Lock tells once that it waits, and has the lock soon after the other is done.
func TestLockWaits(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lock")
	other := lockT(t, file)
	waiting := make(chan bool, 9)
	got := make(chan error)
	go func() {
		f, err := Lock(t.Context(), file, func() { waiting <- true })
		if err == nil {
			err = f.Close()
		}
		got <- err
	}()
	<-waiting
	select {
	case err := <-got:
		t.Fatalf("Lock of a busy folder = %v; want it to wait", err)
	case <-time.After(350 * time.Millisecond): // some of its looks
	}
	other.Close()
	select {
	case err := <-got:
		if err != nil || len(waiting) > 0 {
			t.Errorf("Lock = %v, told %d more times; want success, told once", err, len(waiting))
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Lock did not see that the lock is free")
	}
	lockT(t, file)
}

// Who waits can be interrupted: the cause comes back, and the lock is the other's.
func TestLockCancelled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lock")
	other := lockT(t, file)
	cause := errors.New("a signal")
	ctx, cancel := context.WithCancelCause(t.Context())
	f, err := Lock(ctx, file, func() { cancel(cause) })
	if err != cause || f != nil {
		t.Errorf("Lock = %v, %v; want the cause", f, err)
	}
	late, stop := context.WithTimeout(t.Context(), time.Millisecond)
	defer stop()
	if f, err := Lock(late, file, func() {}); !errors.Is(err, context.DeadlineExceeded) || f != nil {
		t.Errorf("Lock until a deadline = %v, %v; want it to have passed", f, err)
	}
	wantBusy(t, file, "after another gave up")
	other.Close()
	next, err := Lock(t.Context(), file, func() {}) // behind those who gave up
	if err != nil {
		t.Fatal(err)
	}
	next.Close()
}

// Who comes first gets the lock first.
func TestLockQueue(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lock")
	other := lockT(t, file)
	order := make(chan int, 10)
	for i := range cap(order) {
		go func() {
			f, err := Lock(t.Context(), file, func() {})
			if err != nil {
				t.Error(err)
			}
			order <- i
			f.Close()
		}()
		awaitQueue(t, file, i+1)
	}
	other.Close()
	for want := range cap(order) {
		if got := <-order; got != want {
			t.Fatalf("number %d has the lock; want %d", got, want)
		}
	}
}

// Whoever has the lock may remove its file, as "clean --all" does: who waited then has
// the lock that others meet, or learns that there is no folder.
func TestLockRemoved(t *testing.T) {
	for _, folderToo := range []bool{false, true} {
		file := filepath.Join(t.TempDir(), "state", "lock")
		if err := os.Mkdir(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		other := lockT(t, file)
		got := make(chan error)
		go func() {
			f, err := Lock(t.Context(), file, func() {})
			if err == nil {
				wantBusy(t, file, "while who waited has it")
				f.Close()
			}
			got <- err
		}()
		awaitQueue(t, file, 1)
		remove := os.Remove
		if folderToo {
			remove = func(file string) error { return os.RemoveAll(filepath.Dir(file)) }
		}
		if err := remove(file); err != nil {
			t.Fatal(err)
		}
		other.Close()
		if err := <-got; errors.Is(err, fs.ErrNotExist) != folderToo || !folderToo && err != nil {
			t.Errorf("folder removed: %v: Lock = %v", folderToo, err)
		}
	}
}

// awaitQueue waits until n wait for a lock, as proc_locks(5) tells.
func awaitQueue(t *testing.T, file string, n int) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	inode := fmt.Sprintf(":%d ", info.Sys().(*syscall.Stat_t).Ino)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		locks, err := os.ReadFile("/proc/locks")
		if err != nil {
			t.Fatal(err)
		}
		waiting := 0
		for line := range strings.Lines(string(locks)) {
			if strings.Contains(line, "-> FLOCK") && strings.Contains(line, inode) {
				waiting++
			}
		}
		if waiting == n {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d wait for the lock; want %d, in\n%s", waiting, n, locks)
		}
	}
}

// What cannot be a lock file is an error that names it; a link in its place is not
// followed.
func TestLockErrors(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("target", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{
		filepath.Join(dir, "none", "lock"): fs.ErrNotExist,
		filepath.Join(dir, "link"):         unix.ELOOP,
		dir:                                unix.EISDIR,
		filepath.Join(dir, "a\x00b"):       unix.EINVAL,
		"":                                 fs.ErrNotExist,
		filepath.Join(dir, "link", "x"):    fs.ErrNotExist,
		strings.Repeat("x", 300):           unix.ENAMETOOLONG,
	} {
		_, err1 := TryLock(name)
		_, err2 := Lock(t.Context(), name, func() { t.Errorf("Lock(%q) waits", name) })
		for _, err := range []error{err1, err2} {
			if path := (*fs.PathError)(nil); !errors.Is(err, want) || !errors.As(err, &path) || path.Path != name {
				t.Errorf("Lock(%q) = %v; want a path error: %v", name, err, want)
			}
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, "target")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("behind the link: %v; want nothing", err)
	}
}

// The lock of a killed process is free, and no child of a process keeps its lock.
func TestLockEndsWithItsProcess(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lock")
	cmd := &exec.Cmd{Path: "/proc/self/exe", Args: []string{"monitor-test-lock", file}}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "<nil>\n" {
		t.Fatalf("TryLock in another process = %q, %v", line, err)
	}
	wantBusy(t, file, "while another process has it")
	waited := false
	f, err := Lock(t.Context(), file, func() {
		waited = true
		cmd.Process.Kill()
	})
	if err != nil || !waited {
		t.Fatalf("Lock of a killed process's = %v, waited %v", err, waited)
	}
	child := &exec.Cmd{Path: "/proc/self/exe", Args: []string{"monitor-test-exit", "wait"}}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer child.Process.Kill()
	f.Close()
	lockT(t, file)
}
