package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nixsd-native/internal/testenv"
	"nixsd-native/internal/tmux"
	"nixsd-native/nix"
	"nixsd-native/sandbox"
)

// openScreen starts a command in a terminal.
func openScreen(t *testing.T, cols, rows int, env []string, command ...string) *tmux.Terminal {
	t.Helper()
	s, err := tmux.Open(tmux.Config{
		Program: testenv.NeedProgram(t, "tmux"), Columns: cols, Rows: rows, Env: env, Command: command,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// A tty is a terminal that a reporter of this process writes to.
type tty struct {
	*tmux.Terminal
	file *os.File
}

// openTTY opens a terminal of rows enough for all that a test shows.
func openTTY(t *testing.T, cols, rows int) tty {
	t.Helper()
	s := openScreen(t, cols, rows, nil, testenv.NeedProgram(t, "sleep"), "600")
	f, err := s.TTY()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return tty{s, f}
}

// text returns what stands in the terminal.
func (s tty) text(t *testing.T) string {
	t.Helper()
	if err := s.Terminal.Sync(s.file); err != nil {
		t.Fatal(err)
	}
	text, err := s.Text()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// resize also waits until the kernel tells the new size.
func (s tty) resize(t *testing.T, cols, rows int) {
	t.Helper()
	if err := s.Resize(cols, rows); err != nil {
		t.Fatal(err)
	}
	width := terminalOptions(s.file, nil).Width
	for range 1000 {
		if width() == cols {
			return
		}
		s.Text() // takes some milliseconds of real time
	}
	t.Fatalf("the terminal has %d columns; want %d", width(), cols)
}

// A recording is Nix's standard error with the milliseconds at which each line came. It
// is read at that pace, see testdata/nix/README.md.
type recording struct {
	lines *bufio.Scanner
	begun time.Time
	rest  []byte
	at    func(time.Duration) error // called before a line comes; an error ends the reading
}

func openRecording(t *testing.T, name string, at func(time.Duration) error) *recording {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "nix", name))
	if err != nil {
		t.Fatal(err)
	}
	return &recording{lines: bufio.NewScanner(bytes.NewReader(data)), begun: time.Now(), at: at}
}

func (r *recording) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if !r.lines.Scan() {
			return 0, io.EOF
		}
		stamp, line, _ := strings.Cut(r.lines.Text(), " ")
		ms, err := strconv.Atoi(stamp)
		if err != nil {
			return 0, err
		}
		due := time.Duration(ms) * time.Millisecond
		if err := r.at(due); err != nil {
			return 0, err
		}
		wait(due - time.Since(r.begun))
		r.rest = []byte(line + "\n")
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// A replay is a recorded run of Nix, told by the real reader and reporter to a terminal.
type replay struct {
	recording string
	env       environment
	status    int                      // Nix's
	shots     []time.Duration          // when shot is called
	shot      func(r *reporter, i int) // may tell r things
	cause     error                    // ends it after the last shot, if not nil
}

// play plays it inside a synctest bubble.
func (p replay) play(t *testing.T, s tty) {
	o := terminalOptions(s.file, p.env)
	local, err := newLocal(needs{state: t.TempDir(), cache: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(s.file, "$ nixsd-native build\n")
	synctest.Test(t, func(t *testing.T) {
		w := &workspace{app: &app{privileges: local}, rep: newReporter(s.file, o), warned: new(sync.Map)}
		wait(50 * time.Millisecond) // between two ticks
		w.rep.Phase("build")
		track, taken := new(nix.Tracker), 0
		begun := time.Now()
		rec := openRecording(t, p.recording, func(due time.Duration) error {
			for taken < len(p.shots) && p.shots[taken] <= due {
				wait(p.shots[taken] - time.Since(begun))
				p.shot(w.rep, taken)
				taken++
			}
			if taken == len(p.shots) {
				return p.cause
			}
			return nil
		})
		err := nix.ReadLog(rec, func(e nix.Event) { w.nixEvent(track, e) })
		if err == nil {
			err = w.nixFailure(sandbox.Exit{Status: p.status}, track)
		}
		if err == nil {
			w.rep.Phase("deliver")
			wait(1500 * time.Millisecond)
		}
		w.finish(err)
	})
}

// The shots of a replay: while paths are fetched and builds run, when one is left, and
// what remains.
var shotTimes = []time.Duration{1500 * time.Millisecond, 4500 * time.Millisecond, 8 * time.Second}

// Screens of a real terminal while a recorded run of Nix is told, and what remains after
// success, failure and an interruption.
func TestScreens(t *testing.T) {
	for _, cols := range []int{60, 80, 200} {
		for _, tt := range []struct {
			name string
			replay
		}{
			{"built", replay{recording: "built.log", shots: shotTimes}},
			{"failed", replay{recording: "failed.log", status: 1, shots: shotTimes[:1]}},
			{"interrupted", replay{recording: "built.log", shots: shotTimes[:2], cause: errInterrupted}},
		} {
			t.Run(fmt.Sprintf("%s-%d", tt.name, cols), func(t *testing.T) {
				s := openTTY(t, cols, 24)
				var all strings.Builder
				tt.env = environment{"TERM": "xterm-256color", "NO_COLOR": "1"}
				tt.shot = func(_ *reporter, i int) {
					fmt.Fprintf(&all, "--- after %v\n%s", tt.shots[i], s.text(t))
				}
				tt.play(t, s)
				fmt.Fprintf(&all, "--- what remains\n%s", s.text(t))
				golden(t, fmt.Sprintf("tmux-%s-%d", tt.name, cols), all.String())
			})
		}
	}
}

// A window that changes its size while builds run has no rest of an earlier drawing in it.
// Where the shell has been in use, so that the screen is full, none has scrolled away either;
// in a window just opened, tmux scrolls by as many rows as wrap, whoever drew them.
func TestScreenResizes(t *testing.T) {
	t.Run("full", func(t *testing.T) { resizes(t, strings.Repeat("$\n", 40), (*tmux.Terminal).Text) })
	t.Run("fresh", func(t *testing.T) { resizes(t, "", (*tmux.Terminal).Visible) })
}

func resizes(t *testing.T, before string, read func(*tmux.Terminal) (string, error)) {
	s := openTTY(t, 200, 30)
	fmt.Fprint(s.file, before)
	sizes := [][2]int{{60, 30}, {61, 30}, {80, 20}, {79, 20}, {40, 20}, {120, 30}, {200, 30}}
	var shots []time.Duration
	for i := range sizes {
		shots = append(shots, time.Second+time.Duration(i)*800*time.Millisecond)
	}
	check := func(about string, wants map[string]int) {
		s.text(t)
		text, err := read(s.Terminal)
		if err != nil {
			t.Fatal(err)
		}
		for words, want := range wants {
			if got := strings.Count(text, words); got != want {
				t.Errorf("%s: %q is %d times on the screen; want %d:\n%s", about, words, got, want, text)
			}
		}
	}
	replay{recording: "built.log", env: environment{"TERM": "xterm"}, shots: shots, shot: func(r *reporter, i int) {
		s.resize(t, sizes[i][0], sizes[i][1])
		r.Note("note %d", i)
		wait(700 * time.Millisecond)
		check(fmt.Sprint(sizes[i]), map[string]int{" built  0:": 1, " paths  ": 1, fmt.Sprint("note ", i): 1, " linux-6.12.93": 1})
	}}.play(t, s)
	check("at the end", map[string]int{" built  0:": 0, "]": 0, " linux-6.12.93": 0, "\nfetched 8 store paths": 1, "\ntotal ": 1})
}

// Wide characters and names longer than any screen take one row each.
func TestScreenWide(t *testing.T) {
	for _, cols := range []int{20, 60, 80} {
		s := openTTY(t, cols, 24)
		fmt.Fprint(s.file, "$\n")
		var text string
		synctest.Test(t, func(t *testing.T) {
			r := newReporter(s.file, terminalOptions(s.file, environment{"TERM": "xterm"}))
			r.Phase("build")
			r.Building(buildStatus{Running: []string{strings.Repeat("漢字", 100), strings.Repeat("é", 200), "short"}, Expected: 3})
			r.Bytes(strings.Repeat("写", 100), 5*mib, 10*mib)
			wait(time.Second + 50*time.Millisecond)
			text = s.text(t)
			r.Close(false)
		})
		if got := strings.Count(text, "\n"); got != 6 || !strings.Contains(text, "漢") || !strings.Contains(text, "写") {
			t.Errorf("%d columns: %d rows; want 6 with the names:\n%s", cols, got, text)
		}
		if text := s.text(t); text != "$\n" {
			t.Errorf("%d columns: there remains %q; want the first line", cols, text)
		}
	}
}

// What may be written depends on the terminal, and on what people and CI systems say.
func TestTerminalOptions(t *testing.T) {
	s := openTTY(t, 80, 24)
	pipe, end, err := os.Pipe() // as of ssh without -t, cron, and most CI systems
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	defer end.Close()
	for _, tt := range []struct {
		file        *os.File
		env         environment
		bars, color bool
	}{
		{s.file, environment{"TERM": "xterm"}, true, true},
		{s.file, environment{"TERM": "xterm", "NO_COLOR": ""}, true, true},
		{s.file, environment{"TERM": "xterm", "NO_COLOR": "1"}, true, false},
		{s.file, environment{"TERM": "dumb"}, false, false},
		{s.file, environment{}, false, false},
		{s.file, environment{"TERM": "xterm", "CI": "true"}, false, true},
		{s.file, environment{"TERM": "xterm", "CI": "false"}, true, true},
		{end, environment{"TERM": "xterm"}, false, false},
	} {
		o := terminalOptions(tt.file, tt.env)
		if o.Terminal != tt.bars || o.Color != tt.color {
			t.Errorf("terminalOptions(%s, %v): bars %t, colour %t; want %t, %t", tt.file.Name(), tt.env, o.Terminal, o.Color, tt.bars, tt.color)
		}
	}
	o := terminalOptions(s.file, nil)
	if o.Width() != 80 || o.Height() != 24 {
		t.Errorf("the terminal has %d columns and %d rows; want 80 and 24", o.Width(), o.Height())
	}
}
