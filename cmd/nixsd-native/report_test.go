package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
)

var update = flag.Bool("update", false, "write testdata/report, or share, anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "report", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got:\n%s\nwant:\n%s", file, got, want)
	}
}

// A story is a command's life, told to a reporter inside a synctest bubble, where
// time.Now and time.Sleep are synthetic and exact (pb's clock is time.Now).
type story struct {
	*reporter
	shot func(label string)
}

// wait lets d pass. Stories are told between two ticks of the reporter.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

const mib = 1 << 20

// download moves total bytes of name at a rate.
func (s story) download(name string, from, to, total int64, perSecond float64) {
	const step = 200 * time.Millisecond
	for done := float64(from); done < float64(to); done += perSecond * step.Seconds() {
		s.Bytes(name, int64(done), total)
		wait(step)
	}
	s.Bytes(name, to, total)
}

const (
	qemuDeb    = "qemu-user_10.0.13+ds-0+deb13u1_amd64.deb"
	nixTarball = "unpacking nix-2.35.2-x86_64-linux.tar.xz"
)

// tell is one build from start to end, with what goes wrong on the way.
func (s story) tell() {
	wait(50 * time.Millisecond)
	s.Phase("inputs")
	for i := range 3 {
		s.Bytes(fmt.Sprintf("lib%d.deb", i), 0, 300<<10)
		wait(200 * time.Millisecond)
		s.Bytes(fmt.Sprintf("lib%d.deb", i), 300<<10, 300<<10)
	}
	s.download(qemuDeb, 0, 20*mib, 67*mib+mib*4/5, 5*mib)
	s.Bytes("nixexprs.tar.xz", 3*mib, 0)
	s.Bytes("nix-2.35.2-x86_64-linux.tar.xz", mib/2, 28*mib)
	wait(time.Second)
	s.Bytes("nixexprs.tar.xz", 4*mib, 0)
	s.shot("three downloads")
	s.Warn("%s: connection reset, trying again", "mirror.example.org")
	s.Bytes("nixexprs.tar.xz", 5*mib, 5*mib)
	s.Bytes("nix-2.35.2-x86_64-linux.tar.xz", 28*mib, 28*mib)
	wait(300 * time.Millisecond)
	s.shot("a warning, and two are done")
	s.download(qemuDeb, 20*mib, 67*mib+mib*4/5, 67*mib+mib*4/5, 8*mib)
	s.Phase("handler")
	wait(100 * time.Millisecond)
	s.Phase("bootstrap")
	s.download(nixTarball, 0, 40*mib, 40*mib, 20*mib)
	s.Phase("evaluate")
	wait(31 * time.Second)
	s.shot("evaluation")
	s.build()
	s.Phase("deliver")
	wait(1500 * time.Millisecond)
	s.Note("image: %s", "nixos-sd.img")
	s.Close(true)
	s.shot("closed")
}

func (s story) build() {
	s.Phase("build")
	s.Building(buildStatus{Expected: 40})
	wait(time.Second)
	s.Building(buildStatus{Running: []string{"linux-6.12"}, Done: 12, Expected: 40, Copy: 50, Fetch: 100 * mib})
	s.LogLine("linux-6.12", "  CC      init/main.o")
	wait(2 * time.Second)
	s.Building(buildStatus{Running: []string{"linux-6.12"}, Done: 12, Expected: 40, Copied: 12, Copy: 50, Fetched: 30 * mib, Fetch: 100 * mib})
	wait(1500 * time.Millisecond)
	s.Building(buildStatus{Running: []string{"linux-6.12", "initrd-module-shrunk-linux-6.12"}, Done: 13, Expected: 40, Copied: 33, Copy: 60, Fetched: 60 * mib, Fetch: 120 * mib})
	s.LogLine("linux-6.12", "warning: \x1b[31mred\x1b[0m\nand more")
	wait(time.Second)
	s.shot("two derivations run")
	s.Building(buildStatus{Running: []string{"linux-6.12"}, Done: 14, Expected: 40, Copied: 60, Copy: 60, Fetched: 120 * mib, Fetch: 120 * mib})
	wait(75 * time.Second)
	s.shot("a long one")
	s.Building(buildStatus{Done: 40, Expected: 40, Copied: 60, Copy: 60, Fetched: 120 * mib, Fetch: 120 * mib})
}

// run tells a story to a reporter and returns what it wrote.
func run(t *testing.T, o reportOptions, tell func(story)) string {
	var out bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		s := story{newReporter(&out, o), func(string) {}}
		tell(s)
		s.Close(true)
	})
	return out.String()
}

func TestReportGolden(t *testing.T) {
	for name, o := range map[string]reportOptions{
		"plain":         {Format: reportAuto},
		"plain-verbose": {Format: reportPlain, Terminal: true, Verbose: true},
		"json":          {Format: reportJSON, Terminal: true, Color: true},
		"raw":           {Format: reportRaw, Terminal: true},
		"quiet":         {Terminal: true, Quiet: true},
		"quiet-json":    {Format: reportJSON, Quiet: true},
		"color":         {Color: true},
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, run(t, o, story.tell)) })
	}
}

// Four downloads in parallel share one line a second, and each has its turn.
func TestReportPlainThrottle(t *testing.T) {
	stamps := &stampWriter{}
	synctest.Test(t, func(t *testing.T) {
		r := newReporter(stamps, reportOptions{})
		r.Phase("inputs")
		wait(50 * time.Millisecond)
		for i := range int64(300) {
			for k := range 4 {
				r.Bytes(fmt.Sprint("file", k), i*mib/10, 30*mib)
			}
			wait(100 * time.Millisecond)
		}
		for k := range 4 {
			r.Bytes(fmt.Sprint("file", k), 30*mib, 30*mib)
		}
		wait(10 * time.Second)
		r.Close(false)
	})
	turns := map[string]int{}
	for i, l := range stamps.lines[1:] {
		if f := strings.Fields(l); len(f) > 1 {
			turns[strings.TrimSuffix(f[1], ":")]++
		}
		if i > 0 && stamps.at[i+1].Sub(stamps.at[i]) < time.Second {
			t.Errorf("%q comes %v after %q", l, stamps.at[i+1].Sub(stamps.at[i]), stamps.lines[i])
		}
	}
	if n := len(stamps.lines); n < 20 || n > 45 {
		t.Errorf("%d lines in 40 s; want 20 to 45", n)
	}
	for k := range 4 {
		if n := turns[fmt.Sprint("file", k)]; n < 4 {
			t.Errorf("file%d had %d lines; want at least 4", k, n)
		}
	}
}

// A stampWriter keeps lines and when they came.
type stampWriter struct {
	lines []string
	at    []time.Time
}

func (s *stampWriter) Write(b []byte) (int, error) {
	s.lines = append(s.lines, strings.TrimSuffix(string(b), "\n"))
	s.at = append(s.at, time.Now())
	return len(b), nil
}

func TestReportHeartbeat(t *testing.T) {
	for name, tell := range map[string]func(story){
		"one runs":  func(s story) { s.Building(buildStatus{Running: []string{"linux-6.12"}, Expected: 2}) },
		"three run": func(s story) { s.Building(buildStatus{Running: []string{"a", "b", "c"}}) },
		"a download": func(s story) {
			s.Bytes("qemu.deb", 3*mib, 9*mib)
			wait(5 * time.Second)
			s.Bytes("qemu.deb", 4*mib, 9*mib)
		},
		"nothing": func(s story) {},
	} {
		tell := func(s story) {
			wait(50 * time.Millisecond)
			s.Phase("evaluate")
			wait(3 * time.Second)
			tell(s)
			wait(70 * time.Second)
		}
		for _, format := range []reportFormat{reportPlain, reportJSON, reportRaw} {
			golden(t, strings.ReplaceAll("heartbeat "+name+" "+string(format), " ", "-"),
				run(t, reportOptions{Format: format}, tell))
		}
	}
}

// Whatever foreign text says, no control character arrives but those we send.
func TestReportControlCharacters(t *testing.T) {
	var evil strings.Builder
	for r := rune(0); r < 0xa0; r++ {
		evil.WriteString("a" + string(r))
	}
	evil.WriteString("\x1b]0;title\x07\x1b[2J\x1bP1$q\x1b\\\x9b31m\xff\u202e\u2066\u200b\u2028\x1b")
	tell := func(s story) {
		s.Phase(evil.String())
		s.Bytes(evil.String(), 1, 100)
		s.Building(buildStatus{Running: []string{evil.String()}, Expected: 3})
		s.LogLine(evil.String(), evil.String())
		s.Note("%s", evil.String())
		s.Warn("%s", evil.String())
		s.Error(evil.String(), evil.String())
		wait(2 * time.Minute)
		s.Phase("build")
		s.Bytes(evil.String(), 50*mib, 50*mib)
		wait(2 * time.Second)
	}
	for _, format := range []reportFormat{reportPlain, reportJSON, reportRaw} {
		for _, r := range run(t, reportOptions{Format: format, Verbose: true}, tell) {
			if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
				t.Errorf("%s writes %q", format, r)
			}
		}
	}
	s := newScreen(24, 80)
	synctest.Test(t, func(t *testing.T) {
		r := newReporter(s, reportOptions{Terminal: true, Verbose: true})
		tell(story{reporter: r})
		r.Close(true)
	})
	s.check(t)
}

func TestReportJSONLines(t *testing.T) {
	for l := range strings.Lines(run(t, reportOptions{Format: reportJSON}, story.tell)) {
		var head struct{ Time, Type string }
		if err := json.Unmarshal([]byte(l), &head); err != nil {
			t.Errorf("%q: %v", l, err)
		}
		if _, err := time.Parse(time.RFC3339, head.Time); err != nil || head.Type == "" {
			t.Errorf("%q has time %q (%v), type %q", l, head.Time, err, head.Type)
		}
	}
}

func TestReportPhases(t *testing.T) {
	run(t, reportOptions{}, func(s story) {
		for _, name := range []string{"inputs", "build", "inputs", "inputs"} {
			s.Phase(name)
			time.Sleep(1500 * time.Millisecond)
		}
		want := "[{inputs 4.5} {build 1.5}]"
		if got := fmt.Sprint(s.Phases()); got != want {
			t.Errorf("Phases() = %s; want %s", got, want)
		}
		s.Close(true)
		time.Sleep(time.Second)
		if got := fmt.Sprint(s.Phases()); got != want {
			t.Errorf("Phases() after Close = %s; want %s", got, want)
		}
	})
}

func TestReportAfterClose(t *testing.T) {
	for _, o := range []reportOptions{{}, {Terminal: true}, {Format: reportJSON}, {Quiet: true}} {
		var out bytes.Buffer
		r := newReporter(&out, o)
		r.Phase("inputs")
		r.Close(true)
		before := out.String()
		r.Close(false)
		r.Phase("build")
		r.Bytes("x", 1, 2)
		r.Building(buildStatus{Running: []string{"x"}})
		r.LogLine("x", "y")
		r.Note("x")
		r.Warn("x")
		r.Error("x")
		if got := out.String(); got != before {
			t.Errorf("%+v: after Close comes %q", o, strings.TrimPrefix(got, before))
		}
	}
}

// The ends of items: repeated, of another size than was counted, begun anew.
func TestReportItemEnds(t *testing.T) {
	golden(t, "items", run(t, reportOptions{Verbose: true}, func(s story) {
		wait(50 * time.Millisecond)
		s.Phase("bootstrap")
		s.download("nix.tar.xz", 0, 90*mib, 0, 60*mib)
		s.Bytes("nix.tar.xz", 28*mib, 28*mib)
		s.Bytes("nix.tar.xz", 28*mib, 28*mib)
		s.LogLine("", "nix says")
		s.Bytes("removing the store", 0, 0)
		wait(2 * time.Second)
		s.Phase("inputs")
		s.download("a.deb", 0, 20*mib, 40*mib, 10*mib)
		s.download("a.deb", 0, 40*mib, 40*mib, 10*mib)
		s.Bytes("a.deb", 40*mib, 40*mib)
		s.Bytes("b.deb", 30*mib, 20*mib)
		wait(2 * time.Second)
		s.Bytes("tiny.deb", 100, 100)
	}))
}

func TestReportTable(t *testing.T) {
	golden(t, "table", run(t, reportOptions{Heartbeat: 100 * time.Hour}, func(s story) {
		for i, name := range []string{"inputs", "handler", "sandbox", "bootstrap", "evaluate", "build", "deliver", "clean-up", "a-later-phase"} {
			s.Phase(name)
			time.Sleep(time.Duration(i*i*i*i*i) * 321 * time.Millisecond)
		}
	}))
}

// Many goroutines, real time, all views; the race detector looks on.
func TestReportParallel(t *testing.T) {
	for _, o := range []reportOptions{
		{}, {Terminal: true, Verbose: true}, {Format: reportJSON}, {Format: reportRaw}, {Quiet: true},
	} {
		r := newReporter(io.Discard, o)
		var group sync.WaitGroup
		for g := range 8 {
			group.Go(func() {
				for i := range int64(200) {
					r.Phase([]string{"inputs", "build"}[i/100])
					r.Bytes(fmt.Sprint("file", g), i, 199)
					r.Bytes("all", i, 0)
					r.Building(buildStatus{Running: []string{fmt.Sprint(g)}, Done: i, Expected: 200, Fetched: i, Fetch: 300})
					r.LogLine("x", "line")
					r.Note("note %d", i)
					r.Warn("warning %d", i)
					r.Phases()
				}
				r.Close(g%2 == 0)
			})
		}
		group.Wait()
		if got := len(r.Phases()); got != 2 {
			t.Errorf("%+v: %d phases; want 2", o, got)
		}
	}
}
