package binfmt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A rig is a private binfmt_misc, not yet mounted, and a shared folder.
type rig struct {
	*testing.T
	ctx    context.Context
	host   *Host
	dir    string // shared folder
	emu    string // emulator
	mounts string // the mount table as it was
}

// newRig is for use in namespaces of one's own.
func newRig(t *testing.T) *rig {
	privateInstance(t) // or skip
	b := &rig{T: t, ctx: context.Background(), host: &Host{Dir: mountPoint(t)},
		dir: filepath.Join(t.TempDir(), "run"), emu: fake(t, "ok")}
	b.mounts = mountTable(t)
	return b
}

func (b *rig) want(sha string) Want {
	return Want{Entry: AArch64(Name, b.emu, FlagsPlain), EmulatorSHA256: sha}
}

func (b *rig) acquire(sha string) *Lease {
	b.Helper()
	lease, err := Acquire(b.ctx, b.dir, b.host, b.want(sha))
	if err != nil {
		b.Fatalf("Acquire() = %v", err)
	}
	b.registered()
	return lease
}

func (b *rig) release(l *Lease) {
	b.Helper()
	if err := l.Release(b.ctx); err != nil {
		b.Errorf("Release() = %v", err)
	}
}

func (b *rig) hold(args ...string) *holder {
	b.Helper()
	return hold(b.T, "held", b.dir, append([]string{b.host.Dir, b.emu}, args...)...)
}

// registered checks that the handler is there.
func (b *rig) registered() {
	b.Helper()
	if got := entries(b.T, b.host.Dir); !strings.Contains(got+" ", Name+" ") {
		b.Errorf("handlers: %q; want %s among them", got, Name)
	}
}

// asBefore checks that handler, mount and journal are gone.
func (b *rig) asBefore() {
	b.Helper()
	if got := mountTable(b.T); got != b.mounts {
		b.Errorf("mounts: %s; want %s", got, b.mounts)
	}
	for _, name := range []string{journalFile, journalTemp} {
		if _, err := os.Stat(filepath.Join(b.dir, name)); !errors.Is(err, os.ErrNotExist) {
			b.Errorf("%s is still there: %v", name, err)
		}
	}
}

func (b *rig) status() Status {
	b.Helper()
	st, err := ReadStatus(b.ctx, b.dir, b.host)
	if err != nil {
		b.Errorf("ReadStatus() = %v", err)
	}
	return st
}

func TestLease(t *testing.T) {
	inNamespaces(t, ownNamespaces, func(t *testing.T) {
		b := newRig(t)
		lease := b.acquire(shaA)
		if st := b.status(); !st.Mounted || !st.Enabled || st.Handler == nil || st.Usage != UsageSome ||
			st.Journal == nil || st.Journal.EmulatorSHA256 != shaA || st.Journal.PID != os.Getpid() {
			t.Errorf("status of a lease: %+v", st)
		}
		if err := Prove(b.ctx, t.TempDir()); err != nil {
			t.Error(err)
		}
		other := b.hold(shaA)
		b.release(lease)
		b.release(lease) // does nothing
		b.registered()
		other.release(t)
		b.asBefore()
		if st := b.status(); st.Mounted || st.Handler != nil || st.Usage != UsageNone || st.Journal != nil {
			t.Errorf("status afterwards: %+v", st)
		}
	})
}

// TestLeaseLeavesOthers has a mount and a handler that were there before.
func TestLeaseLeavesOthers(t *testing.T) {
	inNamespaces(t, ownNamespaces, func(t *testing.T) {
		b := newRig(t)
		if _, err := b.host.Mount(b.ctx); err != nil {
			t.Fatal(err)
		}
		debian, err := AArch64("qemu-aarch64", b.emu, FlagsPlain).Line()
		if err != nil {
			t.Fatal(err)
		}
		plant(t, b.host.Dir, string(debian))
		b.mounts = mountTable(t)
		lease := b.acquire(shaA)
		if st := b.status(); len(st.Foreign) != 1 || st.Foreign[0].Name != "qemu-aarch64" {
			t.Errorf("Foreign = %+v; want qemu-aarch64", st.Foreign)
		}
		b.release(lease)
		b.asBefore()
		if got := entries(t, b.host.Dir); got != "qemu-aarch64" {
			t.Errorf("left: %q; want qemu-aarch64", got)
		}
	})
}

func TestLeaseBusy(t *testing.T) {
	inNamespaces(t, ownNamespaces, func(t *testing.T) {
		b := newRig(t)
		other := b.hold(shaB)
		_, err := Acquire(b.ctx, b.dir, b.host, b.want(shaA))
		var busy *BusyError
		if !errors.As(err, &busy) || busy.Persistent || busy.Holder.PID != other.cmd.Process.Pid ||
			!strings.Contains(strings.Join(busy.Hints(), "\n"), "--emulation private") {
			t.Errorf("Acquire() with another emulator = %v; want *BusyError naming process %d", err, other.cmd.Process.Pid)
		}
		if err := RegisterPersistent(b.ctx, b.dir, b.host, b.want(shaA)); !isError[*BusyError](err) {
			t.Errorf("RegisterPersistent() with another emulator = %v; want *BusyError", err)
		}
		b.registered()
		// The refused one is no user: it keeps the last one from nothing.
		other.release(t)
		b.asBefore()
		b.release(b.acquire(shaA))
		b.asBefore()
	})
}

func TestLeaseKilled(t *testing.T) {
	inNamespaces(t, ownNamespaces, func(t *testing.T) {
		b := newRig(t)
		b.hold(shaA).kill()
		b.registered()
		if removed, err := Recover(b.ctx, b.dir, b.host); !removed || err != nil {
			t.Errorf("Recover() after kill -9 = %v, %v; want true", removed, err)
		}
		b.asBefore()
		if removed, err := Recover(b.ctx, b.dir, b.host); removed || err != nil {
			t.Errorf("Recover() with nothing left = %v, %v; want false", removed, err)
		}

		b.hold(shaA).kill()
		b.release(b.acquire(shaB)) // another emulator: what was left is nobody's
		b.asBefore()

		first := b.hold(shaA)
		lease := b.acquire(shaA)
		first.kill()
		if removed, err := Recover(b.ctx, b.dir, b.host); removed || err != nil {
			t.Errorf("Recover() under a build = %v, %v; want false", removed, err)
		}
		b.registered()
		b.release(lease)
		b.asBefore()
	})
}

// TestLeaseKilledInside kills a build that holds the gate, with the journal
// written and nothing mounted yet.
func TestLeaseKilledInside(t *testing.T) {
	inNamespaces(t, ownNamespaces, func(t *testing.T) {
		b := newRig(t)
		stuck := hold(t, "stuck", b.dir, b.host.Dir, b.emu, shaB, "stuck")
		ctx, cancel := context.WithTimeout(b.ctx, 50*time.Millisecond)
		defer cancel()
		if _, err := Acquire(ctx, b.dir, b.host, b.want(shaA)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Acquire() before a closed gate = %v; want the end of its context", err)
		}
		stuck.kill()
		if _, err := os.Stat(filepath.Join(b.dir, journalFile)); err != nil {
			t.Errorf("no journal before mounting: %v", err)
		}
		b.release(b.acquire(shaA))
		b.asBefore()
	})
}

func TestLeaseFails(t *testing.T) {
	inNamespaces(t, ownNamespaces, func(t *testing.T) {
		b := newRig(t)
		want := b.want(shaA)
		want.Entry.Interpreter += "-missing"
		if _, err := Acquire(b.ctx, b.dir, b.host, want); !isError[*InterpreterError](err) {
			t.Errorf("Acquire() without an emulator = %v; want *InterpreterError", err)
		}
		b.asBefore()
		for what, change := range map[string]func(*Want){
			"foreign name":   func(w *Want) { w.Entry.Name = "qemu-aarch64" },
			"foreign magic":  func(w *Want) { w.Entry.Magic = []byte("MZ"); w.Entry.Mask = nil },
			"no sha256":      func(w *Want) { w.EmulatorSHA256 = "" },
			"no interpreter": func(w *Want) { w.Entry.Interpreter = "" },
		} {
			want := b.want(shaA)
			change(&want)
			if _, err := Acquire(b.ctx, b.dir, b.host, want); !isError[*EntryError](err) {
				t.Errorf("Acquire() with %s = %v; want *EntryError", what, err)
			}
		}
		b.asBefore()
		if err := os.Chmod(b.dir, 0o777); err != nil {
			t.Fatal(err)
		}
		if _, err := Acquire(b.ctx, b.dir, b.host, b.want(shaA)); !isError[*FolderError](err) {
			t.Errorf("Acquire() in a folder open to all = %v; want *FolderError", err)
		}
	})
}

// TestLeaseJournals has journals that cannot be trusted, beside a handler
// that is really there.
func TestLeaseJournals(t *testing.T) {
	inNamespaces(t, ownNamespaces, func(t *testing.T) {
		b := newRig(t)
		stale := testJournal() // of another boot, and persistent
		stale.Persistent = true
		staleText, err := stale.encode()
		if err != nil {
			t.Fatal(err)
		}
		for what, text := range map[string]string{"torn": `{"version": 1, "na`, "empty": "", "stale": string(staleText)} {
			if _, err := b.host.Mount(b.ctx); err != nil {
				t.Fatal(err)
			}
			b.mounts = mountTable(t) // whose mount it is cannot be known
			if err := b.host.Register(b.ctx, b.want(shaA).Entry); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(b.dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(b.dir, journalFile), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			if st := b.status(); st.Journal != nil {
				t.Errorf("%s journal: status shows %+v", what, st.Journal)
			}
			b.release(b.acquire(shaB))
			b.asBefore()
			if got := entries(t, b.host.Dir); got != "" {
				t.Errorf("%s journal: left %q", what, got)
			}
		}
	})
}

// TestLeaseLostHandler has somebody remove the handler under a build, as a
// restart of systemd-binfmt does (systemd issue 30892).
func TestLeaseLostHandler(t *testing.T) {
	inNamespaces(t, ownNamespaces, func(t *testing.T) {
		b := newRig(t)
		first := b.acquire(shaA)
		if err := b.host.Unregister(Name); err != nil {
			t.Fatal(err)
		}
		if _, err := Acquire(b.ctx, b.dir, b.host, b.want(shaB)); !isError[*BusyError](err) {
			t.Errorf("Acquire() with another emulator = %v; want *BusyError", err)
		}
		second := b.acquire(shaA)
		b.release(first)
		b.registered()
		b.release(second)
		b.asBefore()
	})
}

// TestLeaseCrowd has many come and go at once: whoever holds a lease must
// find the handler, and after the last nothing is left.
func TestLeaseCrowd(t *testing.T) {
	inNamespaces(t, ownNamespaces, func(t *testing.T) {
		b := newRig(t)
		var wg sync.WaitGroup
		errs := make(chan error, 6)
		for range 6 {
			wg.Go(func() { errs <- b.comeAndGo(8) })
		}
		for range 3 {
			b.hold(shaA).kill()
		}
		wg.Wait()
		for range 6 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		if _, err := Recover(b.ctx, b.dir, b.host); err != nil {
			t.Error(err)
		}
		b.asBefore()
	})
}

func (b *rig) comeAndGo(times int) error {
	for range times {
		lease, err := Acquire(b.ctx, b.dir, b.host, b.want(shaA))
		if err != nil {
			return err
		}
		r, err := readEntry(os.DirFS(b.host.Dir), Name)
		if err != nil || !r.Matches(b.want(shaA).Entry) {
			return fmt.Errorf("under a lease the handler is %+v, %v", r, err)
		}
		if err := lease.Release(b.ctx); err != nil {
			return err
		}
	}
	return nil
}
