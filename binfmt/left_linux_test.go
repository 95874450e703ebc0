package binfmt

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func (b *rig) wantLeft(when string, want bool) {
	b.Helper()
	if left, err := Left(b.dir, b.host); left != want || err != nil {
		b.Errorf("Left() %s = %v, %v; want %v", when, left, err, want)
	}
}

// What a killed build left is told from what a build uses and from what is to stay.
func TestLeft(t *testing.T) {
	inNamespaces(t, ownNamespaces, func(t *testing.T) {
		b := newRig(t)
		b.wantLeft("before any build", false)
		first, second := b.hold(shaA), b.hold(shaA)
		b.wantLeft("during builds", false)
		first.kill()
		b.wantLeft("during a build, with another killed", false)
		second.kill()
		b.wantLeft("after the last was killed", true)
		stuck := hold(t, "stuck", b.dir, b.host.Dir+"/none", b.emu, shaB, "stuck")
		b.wantLeft("while one comes", false)
		stuck.kill()
		b.release(b.acquire(shaA))
		b.wantLeft("after a build", false)
		b.register(shaA)
		b.wantLeft("with one that is to stay", false)
		b.unregister(false)
		b.asBefore()
	})
}

// A killed build's mount may be gone with its namespace, and its handler, before Linux
// 6.7, not.
func TestRecoverUnmounted(t *testing.T) {
	inNamespaces(t, ownNamespaces, func(t *testing.T) {
		b := newRig(t)
		b.hold(shaA).kill()
		if err := unix.Unmount(b.host.Dir, 0); err != nil {
			t.Fatal(err)
		}
		looked := false
		b.host.Modprobe = func(ctx context.Context) error { looked = true; return nil }
		if removed, err := Recover(b.ctx, b.dir, b.host); !removed || err != nil || !looked {
			t.Errorf("Recover() = %v, %v; mounted to look: %v; want that it did, and removed", removed, err, looked)
		}
		b.asBefore()
	})
}

// What a killed build was about to start holds its lock for a moment; another build
// holds its own for longer.
func TestInherit(t *testing.T) {
	inNamespaces(t, ownNamespaces, func(t *testing.T) {
		b := newRig(t)
		if err := Inherit(b.ctx, b.dir, b.host); err != nil {
			t.Error(err)
		}
		build := b.hold(shaA)
		child, err := os.Open(filepath.Join(b.dir, usersFile))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := tryLock(child, unix.LOCK_SH); !got || err != nil {
			t.Fatal(got, err)
		}
		build.kill()
		short, cancel := context.WithTimeout(b.ctx, 5*lockPoll)
		defer cancel()
		if err := Inherit(short, b.dir, b.host); err != nil {
			t.Error(err)
		}
		b.registered()
		time.AfterFunc(5*lockPoll, func() { child.Close() })
		if err := Inherit(b.ctx, b.dir, b.host); err != nil {
			t.Error(err)
		}
		b.asBefore()
	})
}
