package main

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// defaultStall is after how long a silent and idle build is told of: the longest that an
// honest one waits for a disk is far below.
const defaultStall = 10 * time.Minute

const (
	// stallLooks is how often it is looked within that time, but stallLookEvery apart at
	// least, as reading all of /proc takes a millisecond or two.
	stallLooks     = 10
	stallLookEvery = 200 * time.Millisecond
	// A build is idle that uses less than this part of the time, beside what timers and
	// Nix's own waiting take: a hung QEMU waits for a lock that nobody will give it.
	idlePart = 1000
	idleTime = 20 * time.Millisecond
)

// A stallWatch tells when a run of Nix neither says nor does anything: as when QEMU hangs
// (tonistiigi/binfmt#240). It ends nothing, as nobody can know.
type stallWatch struct {
	after time.Duration
	used  func() (time.Duration, error) // processor time, so far
	warn  func(text string)
	over  chan struct{}
	ended sync.WaitGroup

	mu    sync.Mutex
	here  []string      // derivations that this machine builds
	away  int           // those of remote builders
	since time.Time     // nothing has happened
	base  time.Duration // processor time then; < 0 while it is not known
	told  bool
}

// watchStall begins to watch a run of Nix. Where nobody wants it, nothing is watched.
func (w *workspace) watchStall() *stallWatch {
	s := &stallWatch{after: w.stallAfter, over: make(chan struct{}), since: time.Now(), base: -1}
	if s.after == 0 {
		return s
	}
	s.used = w.session.CPUTime
	s.warn = func(text string) { w.rep.Warn("%s", text) }
	s.ended.Go(s.watch)
	return s
}

// stop ends the watch.
func (s *stallWatch) stop() {
	close(s.over)
	s.ended.Wait()
}

// heard tells that Nix said something, and what is built.
func (s *stallWatch) heard(here []string, away int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.here, s.away, s.since, s.base, s.told = here, away, time.Now(), -1, false
}

func (s *stallWatch) watch() {
	tick := time.NewTicker(max(s.after/stallLooks, stallLookEvery))
	defer tick.Stop()
	for {
		select {
		case <-s.over:
			return
		case now := <-tick.C:
			if used, err := s.used(); err == nil { // else the sandbox ends
				s.look(now, used)
			}
		}
	}
}

// look compares what was used with what it was when something happened last.
func (s *stallWatch) look(now time.Time, used time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	idle := now.Sub(s.since)
	switch {
	case s.base < 0:
		s.base = used
	case used < s.base || used-s.base > idleTime+idle/idlePart:
		s.since, s.base, s.told = now, used, false
	case idle >= s.after && !s.told && s.ours():
		s.told = true
		s.warn(s.text(idle))
	}
}

// ours reports whether it is this machine that should do something: what a remote builder
// does is not seen.
func (s *stallWatch) ours() bool { return len(s.here) > 0 || s.away == 0 }

// text words a stall.
func (s *stallWatch) text(idle time.Duration) string {
	said := fmt.Sprintf("no output and hardly any processor time for %s: ", duration(idle))
	if len(s.here) == 0 {
		return said + "Nix waits, most likely for the network; Ctrl-C and run the command again: nothing is fetched twice"
	}
	return said + strings.Join(s.here, ", ") + "; it may hang, as QEMU does now and then: Ctrl-C and run the command again, nothing is built twice; " +
		"if it comes back, take another QEMU (--qemu-suite sid) or an aarch64 machine (--builder USER@HOST)"
}
