package nix

import (
	"bytes"
	"io"
	"regexp"
	"slices"
	"strings"
)

// Bounds of what is kept of a log that is read for its failure: its last lines, and the
// bytes of each. A trace of an evaluation may have some thousand lines, the error last.
const (
	windowLines = 3000
	windowLine  = 2 << 10
)

// ReadFailure reads a log to its end and returns what it tells of a failure; what it does
// not tell is empty. The log is what Nix printed in any form, as text or with --log-format
// internal-json, perhaps through docker or a journal and for a terminal, or what a single
// builder printed.
func ReadFailure(r io.Reader) (*BuildError, error) {
	var track Tracker
	var w window
	err := ReadLog(lineBreaks{r}, func(e Event) {
		derivation := track.Apply(e)
		switch {
		case e.Kind == LogLine && derivation != "":
			w.add(derivation + "> " + e.Text)
		case e.Kind == LogLine || e.Kind == Message:
			for line := range strings.Lines(e.Text) {
				w.add(strings.TrimRight(line, "\n"))
			}
		}
	})
	if err != nil {
		return nil, err
	}
	if len(track.errors) > 0 {
		return track.Failure(1), nil
	}
	return w.failure(), nil
}

// lineBreaks makes of each carriage return a line break: between what a terminal shows one
// after the other in a line, and, harmlessly, before those of Windows.
type lineBreaks struct{ r io.Reader }

func (l lineBreaks) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	for i := bytes.IndexByte(p[:n], '\r'); i >= 0; i = bytes.IndexByte(p[:n], '\r') {
		p[i] = '\n'
	}
	return n, err
}

// A window has the last lines of a log.
type window struct{ lines []string }

// around is what others put before the lines of a log: docker-compose, BuildKit, GitHub's
// runners, and a journal.
var around = regexp.MustCompile(`^(?:[\w.-]+[_-]\d+ +\| ?|#\d+ \d+\.\d+ ?|\d{4}-\d\d-\d\dT[\d:.]+Z |\w{3} [ \d]\d \d\d:\d\d:\d\d \S+ [\w.-]+\[\d+\]: )`)

func (w *window) add(line string) {
	line = strings.TrimRight(line[:min(len(line), windowLine)], " ")
	line = line[len(around.FindString(line)):]
	if len(w.lines) >= 2*windowLines {
		w.lines = append(w.lines[:0], w.lines[len(w.lines)-windowLines:]...)
	}
	w.lines = append(w.lines, strings.ToValidUTF8(line, ""))
}

var (
	// ownFailure is what Nix says of a derivation whose own build failed, in the words of
	// its versions from 1.11 on.
	ownFailure = regexp.MustCompile(`builder for ['‘](/nix/store/[^'’]+\.drv)['’] failed|hash mismatch in fixed-output derivation ['‘](/nix/store/[^'’]+)['’]|building of ['‘](/nix/store/[^'’]+)['’] timed out`)
	// cannotBuild is of a derivation, the next line tells why.
	cannotBuild = regexp.MustCompile(`Cannot build '(/nix/store/[^']+\.drv)'`)
	// lastLog precedes what Nix shows of a builder's log.
	lastLog = regexp.MustCompile(`(?i)last \d+ log lines:$`)
	// ofBuilder is a line of a builder, with its name.
	ofBuilder = regexp.MustCompile(`^([\w.+?=-]+)> `)
	// ofNix is a line that Nix printed among those of a builder.
	ofNix = regexp.MustCompile(`^\s*(error:|warning:|building '|building path|copying path|fetching path|these \d+|this derivation|cannot build derivation|/nix/store/\S+$)`)
)

// failure finds out what failed, and what its builder printed last.
func (w *window) failure() *BuildError {
	lines := w.lines[max(0, len(w.lines)-windowLines):]
	e := &BuildError{Status: 1}
	at := e.findDerivation(lines)
	if at < 0 {
		at = len(lines)
	}
	e.Log = lastOf(lines, at, DerivationName(e.Derivation))
	e.Log = e.Log[max(0, len(e.Log)-tailLines):]
	var text []string
	for _, line := range lines {
		if m := ofBuilder.FindStringSubmatch(line); m != nil {
			if e.Derivation != "" && m[1] != DerivationName(e.Derivation) {
				continue // another builder's words say nothing of this failure
			}
			line = line[len(m[0]):]
		}
		text = append(text, quoteMark.ReplaceAllString(line, ""))
	}
	e.Output = strings.Join(text, "\n")
	return e
}

// findDerivation finds the first derivation whose own build failed, and returns the line
// that says so, or -1.
func (e *BuildError) findDerivation(lines []string) int {
	for i, line := range lines {
		if m := ownFailure.FindStringSubmatch(line); m != nil {
			e.Derivation, e.Summary = m[1]+m[2]+m[3], strings.TrimSpace(line)
			return i
		}
		if m := cannotBuild.FindStringSubmatch(line); m != nil && i+1 < len(lines) && !dependencyFailed.MatchString(lines[i+1]) {
			e.Derivation, e.Summary = m[1], strings.TrimSpace(lines[i+1])
			return i
		}
	}
	return -1
}

// quoteWithin is how many lines after that of the failure a quote begins at most: reason
// and output paths stand before it.
const quoteWithin = 12

// lastOf returns what a builder printed before it failed, which line at says: as Nix
// quotes it there, or by lines with its name, or what stands before.
func lastOf(lines []string, at int, name string) (log []string) {
	if at == len(lines) { // a builder's own log, or no build failed
		return lines
	}
	if log = quoteAfter(lines[at:min(at+quoteWithin, len(lines))], lines[at:]); len(log) > 0 {
		return log
	}
	for _, line := range lines {
		if rest, ok := strings.CutPrefix(line, name+"> "); ok && name != "." {
			log = append(log, rest)
		}
	}
	if len(log) > 0 {
		return log
	}
	for i := at - 1; i >= 0 && !ofNix.MatchString(lines[i]) && len(log) < tailLines; i-- {
		log = append(log, lines[i])
	}
	slices.Reverse(log)
	return log
}

// quoteAfter returns what is quoted after the line near the failure that announces it.
func quoteAfter(near, all []string) (log []string) {
	i := slices.IndexFunc(near, lastLog.MatchString)
	if i < 0 {
		return nil
	}
	for _, line := range all[i+1:] {
		if !quoteMark.MatchString(line) {
			break
		}
		log = append(log, quoteMark.ReplaceAllString(line, ""))
	}
	return log
}
