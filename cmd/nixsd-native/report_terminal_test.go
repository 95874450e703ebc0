package main

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestReportScreens(t *testing.T) {
	for _, cols := range []int{40, 60, 80, 200} {
		var shots strings.Builder
		s := newScreen(24, cols)
		o := reportOptions{Terminal: true, Verbose: true, Width: func() int { return cols }}
		synctest.Test(t, func(t *testing.T) {
			st := story{reporter: newReporter(s, o)}
			st.shot = func(label string) {
				fmt.Fprintf(&shots, "--- %s\n%s", label, s.text())
			}
			st.tell()
		})
		s.check(t)
		golden(t, fmt.Sprintf("screen-%d", cols), shots.String())
	}
}

// At every width nothing wraps, whatever the names.
func TestReportNeverWraps(t *testing.T) {
	for cols := 2; cols <= 140; cols += 1 + cols/20 {
		s := newScreen(24, cols)
		o := reportOptions{Terminal: true, Color: cols%2 == 0, Width: func() int { return cols }}
		synctest.Test(t, func(t *testing.T) {
			r := newReporter(s, o)
			r.Phase("build")
			running := []string{strings.Repeat("漢字", 30), "b", "c"}
			r.Building(buildStatus{Running: running, Done: 1234, Expected: 56789, Failed: 3})
			for i := range 7 {
				r.Bytes(fmt.Sprintf("%d-%s", i, strings.Repeat("é漢", 30)), 1000*mib, int64(i)*1023*mib)
			}
			wait(2 * time.Second)
			r.Bytes("0-x", 5, 0)
			wait(time.Second)
			if got := strings.Count(s.text(), "\n"); got > 9 {
				t.Errorf("%d columns: %d rows; want at most 9:\n%s", cols, got, s.text())
			}
			r.Building(buildStatus{})
			r.Close(false)
		})
		s.check(t)
		if got, want := s.text(), ">\n"; got != want {
			t.Errorf("%d columns: after Close(false) the screen is %q; want %q", cols, got, want)
		}
	}
}

func TestReportResize(t *testing.T) {
	for _, reflows := range []bool{true, false} {
		s := newScreen(40, 120)
		s.reflows = reflows
		var cols atomic.Int64 // what the reporter knows
		cols.Store(120)
		o := reportOptions{Terminal: true, Width: func() int { return int(cols.Load()) }}
		synctest.Test(t, func(t *testing.T) {
			r := newReporter(s, o)
			r.Phase("build")
			r.Note("first")
			r.Building(buildStatus{Running: []string{strings.Repeat("n", 150)}, Expected: 1})
			for i := range 5 {
				r.Bytes(fmt.Sprint("file", i), mib, 10*mib)
			}
			wait(550 * time.Millisecond)
			for i, n := range []int{60, 41, 100, 25, 200, 30, 80} {
				s.resize(n)
				if i%2 == 0 {
					wait(500 * time.Millisecond) // a tick sees the new width
				}
				cols.Store(int64(n))
				r.Note("now %d", n)
				wait(500 * time.Millisecond)
			}
			r.Close(false)
		})
		if got, want := s.text(), "  first\n  now 60\n  now 41\n  now 100\n  now 25\n  now 200\n  now 30\n  now 80\n>\n"; got != want {
			t.Errorf("reflowing %t: screen is\n%s\nwant\n%s", reflows, got, want)
		}
	}
}

// Dragging a window's edge leaves nothing behind, in the history either.
func TestReportDrag(t *testing.T) {
	s := newScreen(24, 120)
	o := reportOptions{Terminal: true, Width: s.width}
	var want strings.Builder
	synctest.Test(t, func(t *testing.T) {
		r := newReporter(s, o)
		r.Phase("build")
		for i := range 30 {
			r.Note("note %d", i)
			fmt.Fprintf(&want, "  note %d\n", i)
		}
		for i := range 4 {
			r.Bytes(fmt.Sprint("file", i), mib, 10*mib)
		}
		wait(550 * time.Millisecond)
		for _, to := range []int{40, 110, 50} {
			for s.width() != to {
				s.resize(s.width() + max(min(to-s.width(), 3), -3))
				wait(20 * time.Millisecond)
			}
			wait(time.Second)
			if n := strings.Count(s.text(), "file"); n != 4 {
				t.Errorf("%d columns: %d bars; want 4:\n%s", to, n, s.text())
			}
		}
		r.Close(false)
	})
	s.check(t)
	if got := s.text(); got != want.String()+">\n" {
		t.Errorf("screen is\n%s\nwant\n%s>", got, want.String())
	}
}

// Few rows mean few bars: the area must never be higher than the screen.
func TestReportHeight(t *testing.T) {
	for rows := 2; rows < 9; rows++ {
		s := newScreen(rows, 80)
		o := reportOptions{Terminal: true, Height: func() int { return rows }}
		synctest.Test(t, func(t *testing.T) {
			r := newReporter(s, o)
			r.Phase("inputs")
			for i := range 9 {
				r.Bytes(fmt.Sprint("file", i), mib, 10*mib)
				wait(150 * time.Millisecond)
			}
			r.Close(true)
		})
		s.check(t)
		if got := strings.Count(s.text(), "inputs"); got != 1 {
			t.Errorf("%d rows: %d times inputs; want 1 (the table's):\n%s", rows, got, s.text())
		}
	}
}

// No drawing more often than ten times a second, and none that changes nothing.
func TestReportRedraws(t *testing.T) {
	count := &countWriter{}
	synctest.Test(t, func(t *testing.T) {
		r := newReporter(count, reportOptions{Terminal: true})
		r.Phase("inputs")
		for i := range int64(10_000) {
			r.Bytes("file", i*1000, 10_000_000)
			wait(time.Millisecond)
		}
		if n := count.n.Load(); n < 50 || n > 101 {
			t.Errorf("%d drawings in 10 s; want 50 to 101", n)
		}
		r.Phase("evaluate")
		wait(time.Second)
		count.n.Store(0)
		wait(10 * time.Second)
		if n := count.n.Load(); n > 10 {
			t.Errorf("%d drawings in 10 s of nothing but time; want 10", n)
		}
		r.Close(true)
	})
}

type countWriter struct{ n atomic.Int64 }

func (c *countWriter) Write(b []byte) (int, error) { c.n.Add(1); return len(b), nil }
