package main

import (
	"strings"
	"testing"
	"time"
)

// A stall is told once, of what this machine builds, and only if neither something was
// said nor processor time used.
func TestStallWatch(t *testing.T) {
	begin := time.Now()
	var told []string
	s := &stallWatch{after: time.Minute, warn: func(text string) { told = append(told, text) }, since: begin, base: -1}
	look := func(after, used time.Duration) int {
		s.look(begin.Add(after), used)
		return len(told)
	}
	s.heard([]string{"image", "kernel"}, 1)
	for i, step := range []struct {
		after, used time.Duration
		want        int
	}{
		{10 * time.Second, time.Hour, 0}, // from here on time counts
		{50 * time.Second, time.Hour + 10*time.Millisecond, 0},
		{70 * time.Second, time.Hour + 20*time.Millisecond, 1},
		{200 * time.Second, time.Hour + 20*time.Millisecond, 1}, // once is enough
		{201 * time.Second, time.Hour + time.Second, 1},         // it works again
		{250 * time.Second, time.Hour + time.Second, 1},
		{262 * time.Second, time.Hour + time.Second, 2},
		{300 * time.Second, time.Minute, 2}, // less than before: another sandbox
		{350 * time.Second, time.Minute, 2},
	} {
		if n := look(step.after, step.used); n != step.want {
			t.Fatalf("step %d: told %d times; want %d: %q", i, n, step.want, told)
		}
	}
	if !strings.Contains(told[0], ": image, kernel; it may hang") || !strings.Contains(told[0], "--builder") {
		t.Errorf("told %q; want the derivations and what to do", told[0])
	}
	s.heard(nil, 1)
	if s.look(begin.Add(time.Hour), 0); look(2*time.Hour, 0) != 2 {
		t.Errorf("of a remote builder: %q", told)
	}
	s.heard(nil, 0)
	if s.look(begin.Add(time.Hour), 0); look(2*time.Hour, 0) != 3 || !strings.Contains(told[2], "network") {
		t.Errorf("without a build: %q", told)
	}
	off := (&workspace{}).watchStall()
	off.heard([]string{"x"}, 0)
	off.stop()
}
