package main

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A screen is as much of a terminal as a reporter needs, and complains about the
// rest. Rows scroll into an endless history.
type screen struct {
	mu         sync.Mutex
	rows, cols int
	reflows    bool // a resize wraps lines anew, as tmux and VTE do; else cuts them
	lines      []screenRow
	top        int // first row of lines on the screen
	y, x       int // cursor: index into lines, cell
	noWrap     bool
	faults     []string
	pending    string // an escape sequence not yet whole
}

type screenRow struct {
	cells   []rune // 0 is the right half of a wide character
	wrapped bool   // goes on in the next row
}

func newScreen(rows, cols int) *screen {
	return &screen{rows: rows, cols: cols, reflows: true, lines: make([]screenRow, 1)}
}

func (s *screen) fault(format string, args ...any) {
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range string(b) {
		s.put(r)
	}
	return len(b), nil
}

func (s *screen) put(r rune) {
	switch {
	case s.pending != "":
		s.pending += string(r)
		if len(s.pending) > 2 && r >= '@' && r <= '~' {
			s.escape(s.pending)
			s.pending = ""
		}
	case r == '\x1b':
		s.pending = "\x1b"
	case r == '\r':
		s.x = 0
	case r == '\n':
		s.down(false)
	case r == '\t':
		s.x = min((s.x/8+1)*8, s.cols-1)
	case r < ' ' || r >= 0x7f && r < 0xa0:
		s.fault("control character %q", r)
	default:
		s.char(r)
	}
}

func (s *screen) char(r rune) {
	n := cellsOf(r)
	if s.x+n > s.cols {
		if s.noWrap {
			s.fault("%q does not fit into %d columns", r, s.cols)
			return
		}
		s.down(true)
		s.x = 0
	}
	row := &s.lines[s.y]
	for len(row.cells) < s.x+n {
		row.cells = append(row.cells, ' ')
	}
	copy(row.cells[s.x:], append([]rune{r}, make([]rune, n-1)...))
	s.x += n
}

func (s *screen) down(wrapped bool) {
	s.lines[s.y].wrapped = wrapped
	s.y++
	if s.y == len(s.lines) {
		s.lines = append(s.lines, screenRow{})
	}
	s.top = max(s.top, s.y-s.rows+1)
}

func (s *screen) escape(seq string) {
	row := &s.lines[s.y]
	switch last := seq[len(seq)-1]; {
	case seq == "\x1b[?7l", seq == "\x1b[?7h":
		s.noWrap = last == 'l'
	case seq == "\x1b[K", seq == "\x1b[J":
		if s.x >= s.cols {
			s.fault("erased with the cursor behind the last column")
		}
		row.cells = row.cells[:min(s.x, len(row.cells))]
		row.wrapped = false
		if last == 'J' {
			s.lines = s.lines[:s.y+1]
		}
	case last == 'A':
		n, err := strconv.Atoi(seq[2 : len(seq)-1])
		if err != nil || s.y-n < s.top {
			s.fault("%q goes above the screen", seq)
		}
		s.y = max(s.y-n, s.top)
	case last == 'm':
	default:
		s.fault("unknown sequence %q", seq)
	}
}

// width is for reportOptions.
func (s *screen) width() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cols
}

// resize changes the width, as terminals of the two kinds do.
func (s *screen) resize(cols int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cols = cols
	if !s.reflows {
		for i := range s.lines {
			s.lines[i].cells = s.lines[i].cells[:min(cols, len(s.lines[i].cells))]
		}
		return
	}
	var lines []screenRow
	y := 0
	for i := 0; i < len(s.lines); i++ {
		if i == s.y {
			y = len(lines)
		}
		cells := s.lines[i].cells
		for s.lines[i].wrapped && i+1 < len(s.lines) {
			i++
			cells = append(cells, s.lines[i].cells...)
		}
		for len(cells) > cols {
			lines = append(lines, screenRow{append([]rune(nil), cells[:cols]...), true})
			cells = cells[cols:]
		}
		lines = append(lines, screenRow{append([]rune(nil), cells...), false})
	}
	s.lines, s.y = lines, y
	s.top = max(0, len(lines)-s.rows)
	if s.y < s.top {
		s.fault("the cursor's row is scrolled away")
	}
}

// text returns history and screen, and marks the cursor's row.
func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for i, row := range s.lines {
		mark := "  "
		if i == s.y {
			mark = "> "
		}
		line := strings.ReplaceAll(string(row.cells), "\x00", "")
		b.WriteString(strings.TrimRight(mark+line, " ") + "\n")
	}
	return b.String()
}

// check fails the test for whatever a terminal should not have been sent.
func (s *screen) check(t *testing.T) {
	t.Helper()
	for _, f := range s.faults {
		t.Errorf("screen of %d columns: %s", s.cols, f)
	}
	if s.pending != "" || s.noWrap {
		t.Errorf("screen of %d columns: left with pending %q, autowrap off: %t", s.cols, s.pending, s.noWrap)
	}
}
