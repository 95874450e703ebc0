package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/cheggaaa/pb/v3"
)

// phaseWords are the phases, and what "still …" says of them.
var phaseWords = map[string]string{
	"preflight": "checking flags and folders",
	"inputs":    "getting the inputs",
	"handler":   "setting up emulation",
	"sandbox":   "setting up the sandbox",
	"bootstrap": "installing Nix in the sandbox",
	"evaluate":  "evaluating the configuration",
	"forecast":  "looking at what there is to do",
	"build":     "building the image",
	"deliver":   "delivering the image",
	"tools":     "getting the tools that change images",
	"inject":    "putting files into the image",
	"push":      "copying to the binary cache",
	"closure":   "collecting what the build needs",
	"pack":      "writing the bundle",
	"verify":    "verifying the bundle",
	"check":     "verifying the cache",
	"flash":     "writing the card",
	"clean-up":  "cleaning up",
}

// phaseVerbs are the verbs of items that bring none; else it is "downloading".
var phaseVerbs = map[string]string{
	"handler":   "unpacking",
	"bootstrap": "unpacking",
	"deliver":   "copying",
	"inject":    "copying",
	"pack":      "writing",
	"verify":    "checking",
}

// itemVerbs are the verbs an item may start with, and what they become.
var itemVerbs = map[string]string{
	"checking":    "checked",
	"compressing": "compressed",
	"copying":     "copied",
	"downloading": "downloaded",
	"fetching":    "fetched",
	"reading":     "read",
	"removing":    "removed",
	"unpacking":   "unpacked",
	"writing":     "wrote",
}

// doingPhase returns what is done in a phase.
func doingPhase(name string) string {
	if words := phaseWords[name]; words != "" {
		return words
	}
	return "working on " + name
}

var sizeUnits = [...]string{"B", "KiB", "MiB", "GiB", "TiB"}

// sizeUnit returns the unit in which n has at most four digits before the point.
func sizeUnit(n int64) (unit string, bytes float64) {
	bytes = 1
	for _, unit = range sizeUnits {
		if float64(n) < 1023.95*bytes {
			return unit, bytes
		}
		bytes *= 1024
	}
	return unit, bytes / 1024
}

// size returns "67.8 MiB".
func size(n int64) string {
	unit, bytes := sizeUnit(n)
	return inUnit(n, bytes) + " " + unit
}

func inUnit(n int64, bytes float64) string {
	if bytes == 1 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%.1f", float64(n)/bytes)
}

// sizeOf returns "12.3 of 67.8 MiB", or "12.3 MiB" if the total is unknown.
func sizeOf(done, total int64) string {
	if total <= 0 {
		return size(done)
	}
	unit, bytes := sizeUnit(total)
	return inUnit(done, bytes) + " of " + inUnit(total, bytes) + " " + unit
}

// duration returns "0.8 s", "42 s", "3 min 5 s" or "1 h 2 min".
func duration(d time.Duration) string {
	if d = max(d, 0); d.Round(100*time.Millisecond) < 10*time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return wholeSeconds(d)
}

// wholeSeconds is duration without fractions.
func wholeSeconds(d time.Duration) string {
	s := int64(max(d, 0).Round(time.Second) / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return fmt.Sprintf("%d min %d s", s/60, s%60)
	}
	return fmt.Sprintf("%d h %d min", s/3600, s/60%60)
}

// clock returns "0:42" or "1:02:05", for what is redrawn.
func clock(d time.Duration) string {
	s := int64(max(d, 0) / time.Second)
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// plural returns "1 file" or "2 files".
func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// escapes are the control sequences of ECMA-48: CSI, the strings (OSC, DCS, SOS,
// PM, APC) and the short ones.
var escapes = regexp.MustCompile("\x1b(\\[[0-?]*[ -/]*[@-~]|[]PX^_][^\x07\x1b\n]*(\x07|\x1b\\\\)?|[ -/]*[0-~])?")

// clean returns s without control sequences and invisible characters (Cc, Cf and
// the line separators) other than line breaks and tabs. Of what a carriage return
// would have overwritten only the last remains.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && r != '\r' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			return -1
		}
		return r
	}, escapes.ReplaceAllString(s, ""))
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		l = strings.TrimRight(l, "\r")
		lines[i] = l[strings.LastIndexByte(l, '\r')+1:]
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

// cleanLines returns the clean lines of s, at least one.
func cleanLines(s string) []string { return strings.Split(clean(s), "\n") }

// cleanWord is clean for what stands inside a line.
func cleanWord(s string) string { return strings.Join(strings.Fields(clean(s)), " ") }

// ellipsis is plain ASCII: not every console has another one.
const ellipsis = ".."

// cellsOf returns how many cells a rune takes on the screen.
func cellsOf(r rune) int {
	if r < 0x80 {
		return 1
	}
	return pb.CellCount(string(r)) // slow
}

// cells returns how many cells s takes on the screen.
func cells(s string) (n int) {
	for _, r := range s {
		n += cellsOf(r)
	}
	return n
}

// shorten takes out the middle of what is wider than w cells.
func shorten(s string, w int) string {
	if cells(s) <= w {
		return s
	}
	if w < 8 {
		return firstCells(s, w)
	}
	head := firstCells(s, (w-len(ellipsis)+1)/2)
	return head + ellipsis + lastCells(s, w-len(ellipsis)-cells(head))
}

// firstCells returns what of the start of s fits into w cells.
func firstCells(s string, w int) string {
	for i, r := range s {
		if w -= cellsOf(r); w < 0 {
			return s[:i]
		}
	}
	return s
}

// lastCells returns what of the end of s fits into w cells.
func lastCells(s string, w int) string {
	runes := []rune(s)
	i := len(runes)
	for i > 0 && w >= cellsOf(runes[i-1]) {
		i--
		w -= cellsOf(runes[i])
	}
	return string(runes[i:])
}

// The colours (ECMA-48 SGR) that messages and the status line may have.
const (
	bold   = "\x1b[1m"
	red    = "\x1b[1;31m"
	yellow = "\x1b[1;33m"
	normal = "\x1b[0m"
)

// logLine returns a builder's line as people read it; Nix itself has no name.
func logLine(derivation, line string) string {
	if derivation == "" {
		return line
	}
	return derivation + "> " + line
}

// lines returns a message as people read it.
func (m message) lines(color bool) []string {
	lines := strings.Split(m.text, "\n")
	if m.kind == "note" {
		return lines
	}
	mark := m.kind + ":"
	if color {
		mark = map[string]string{"warning": yellow, "error": red}[m.kind] + mark + normal
	}
	lines[0] = mark + " " + lines[0]
	for _, h := range m.hints {
		lines = append(lines, strings.ReplaceAll(hintLine(h), "\n", "\n      "))
	}
	return strings.Split(strings.Join(lines, "\n"), "\n")
}
