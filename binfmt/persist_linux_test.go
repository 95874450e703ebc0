package binfmt

import (
	"errors"
	"strings"
	"testing"
)

func (b *rig) register(sha string) {
	b.Helper()
	if err := RegisterPersistent(b.ctx, b.dir, b.host, b.want(sha)); err != nil {
		b.Fatalf("RegisterPersistent() = %v", err)
	}
	b.registered()
}

func (b *rig) unregister(wantInUse bool) {
	b.Helper()
	if inUse, err := UnregisterPersistent(b.ctx, b.dir, b.host); inUse != wantInUse || err != nil {
		b.Errorf("UnregisterPersistent() = %v, %v; want %v", inUse, err, wantInUse)
	}
}

func TestPersistent(t *testing.T) {
	inNamespaces(t, ownNamespaces, func(t *testing.T) {
		b := newRig(t)
		b.register(shaA)
		if st := b.status(); st.Journal == nil || !st.Journal.Persistent || st.Usage != UsageNone {
			t.Errorf("status: %+v", st)
		}
		b.release(b.acquire(shaA)) // uses it and leaves it
		b.registered()
		b.hold(shaA).kill()
		if removed, err := Recover(b.ctx, b.dir, b.host); removed || err != nil {
			t.Errorf("Recover() = %v, %v; want false", removed, err)
		}
		_, err := Acquire(b.ctx, b.dir, b.host, b.want(shaB))
		var busy *BusyError
		if !errors.As(err, &busy) || !busy.Persistent || !strings.Contains(busy.Hints()[0], "binfmt unregister") {
			t.Errorf("Acquire() with another emulator = %v; want *BusyError, persistent", err)
		}
		b.register(shaB) // asked for: replaces it
		b.release(b.acquire(shaB))
		if err := b.host.Unregister(Name); err != nil { // somebody drops it
			t.Fatal(err)
		}
		b.release(b.acquire(shaB)) // and a build brings it back, to stay
		b.registered()
		b.unregister(false)
		b.asBefore()
		b.unregister(false) // nothing there
	})
}

// TestPersistentUnderBuild registers to stay, and not to, while a build runs.
func TestPersistentUnderBuild(t *testing.T) {
	inNamespaces(t, ownNamespaces, func(t *testing.T) {
		b := newRig(t)
		lease := b.acquire(shaA)
		b.register(shaA)
		b.unregister(true)
		b.register(shaA)
		b.release(lease)
		b.registered()
		lease = b.acquire(shaA)
		b.unregister(true)
		b.registered()
		b.release(lease)
		b.asBefore()
	})
}
