package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// progressEvery is the shortest time between two lines that tell progress, and
// in JSON between two objects about one item.
const progressEvery = time.Second

// slowestProgress bounds how rare the lines about a long item become.
const slowestProgress = 10 * time.Second

// noWidth is the width of lines that need not fit.
const noWidth = math.MaxInt

// A lineWriter writes whole lines and remembers when.
type lineWriter struct {
	w    io.Writer
	now  func() time.Time
	last time.Time
}

func (l *lineWriter) print(line string) {
	l.last = l.now()
	io.WriteString(l.w, line+"\n")
}

// A plainView writes for logs: whole lines, at most one a second that tells
// progress, and a sign of life when there is nothing to tell. A raw one has no
// progress, and builders' lines without prefix.
type plainView struct {
	lineWriter
	p         *progress
	raw       bool
	color     bool
	heartbeat time.Duration

	progressed time.Time // when the last line of progress was written
	ended      []*item   // that wait for their line
	built      string    // the last line about the build
}

func newPlainView(w io.Writer, o reportOptions, p *progress) *plainView {
	return &plainView{
		lineWriter: lineWriter{w: w, now: o.Now, last: o.Now()}, p: p,
		raw: o.Format == reportRaw, color: o.Color, heartbeat: o.Heartbeat,
	}
}

func (v *plainView) began() {
	v.built = ""
	v.print(doingPhase(v.p.phase))
}

func (v *plainView) leaving() {
	if v.raw {
		return
	}
	few := len(v.ended) <= maxNamed
	for _, it := range v.ended {
		v.p.count(it, few)
		if few {
			v.print(it.result(noWidth))
		}
	}
	v.ended = nil
	for _, line := range v.p.summary(noWidth) {
		v.print(line)
	}
}

func (v *plainView) moved(it *item) {
	switch {
	case !it.ended || v.raw:
	case it.notable():
		v.ended = append(v.ended, it)
	default:
		v.p.count(it, false)
	}
}

func (v *plainView) building() {}

func (v *plainView) log(derivation, line string) {
	if !v.raw {
		line = logLine(derivation, line)
	}
	v.print(line)
}

func (v *plainView) say(m message) {
	for _, line := range m.lines(v.color) {
		v.print(line)
	}
}

func (v *plainView) tick() {
	now := v.now()
	for _, it := range v.p.open() {
		it.pace(now) // its average is one of samples
	}
	if !v.raw && now.Sub(v.progressed) >= progressEvery {
		if line := v.news(now); line != "" {
			v.progressed = now
			v.print(line)
		}
	}
	if v.p.phase != "" && now.Sub(v.last) >= v.heartbeat {
		v.print(v.p.still(now))
	}
}

func (v *plainView) finish(ok bool) {
	if !ok {
		return
	}
	for _, line := range phaseTable(v.p.times(), v.p.total()) {
		v.print(line)
	}
}

// news returns the line of progress that is due: an ended item, a change of the
// build, or the open item that has waited longest.
func (v *plainView) news(now time.Time) string {
	if len(v.ended) > 0 {
		it := v.ended[0]
		v.ended = v.ended[1:]
		v.p.count(it, true)
		return it.result(noWidth)
	}
	if key := v.p.buildLine(false); key != v.built && key != "" {
		v.built = key
		line := v.p.buildLine(true)
		if f := v.p.fetch; v.p.fetching() {
			f.shown, f.shownAt = f.done, now
			line += "; fetched " + f.name + ", " + f.amount()
		}
		return line
	}
	var next *item
	for _, it := range v.p.open() {
		if it.due(now) && (next == nil || it.shownAt.Before(next.shownAt)) {
			next = it
		}
	}
	if next == nil {
		return ""
	}
	next.shown, next.shownAt = next.done, now
	return next.line(now)
}

// due reports whether an item deserves a line: not in its first second, and
// after a while not every second.
func (it *item) due(now time.Time) bool {
	age := now.Sub(it.begun)
	return age >= progressEvery && it.done != it.shown &&
		now.Sub(it.shownAt) >= min(max(age/10, progressEvery), slowestProgress)
}

// line returns "downloading qemu.deb: 12.3 of 67.8 MiB, 5.1 MiB/s, 11 s left".
func (it *item) line(now time.Time) string {
	line := fmt.Sprintf("%s %s: %s", it.doing, it.name, it.amount())
	rate, left := it.pace(now)
	if rate > 0 {
		line += ", " + size(rate) + "/s"
	}
	if left >= 0 {
		line += ", " + wholeSeconds(left) + " left"
	}
	return line
}

// maxNamed is how many of several things are named.
const maxNamed = 3

// buildLine returns "building 12/40: linux-6.12 (1 min 5 s), gcc-14.2", or nothing if no
// derivation runs. Without the times it is the same until something changes.
func (p *progress) buildLine(times bool) string {
	b := p.build
	if len(p.running) == 0 {
		return ""
	}
	line := "building"
	if b.Expected > 0 {
		line += fmt.Sprintf(" %d/%d", b.Done, b.Expected)
	}
	if b.Failed > 0 {
		line += fmt.Sprintf(" (%d failed)", b.Failed)
	}
	return line + ": " + p.runningWords(times)
}

// runningWords returns "linux-6.12 (1 min 5 s), gcc-14.2 and 3 more": those that began
// just now without their time.
func (p *progress) runningWords(times bool) string {
	var named []string
	for _, r := range p.running[:min(len(p.running), maxNamed)] {
		name := r.name
		if ran := p.now().Sub(r.since); times && ran >= time.Second {
			name += " (" + wholeSeconds(ran) + ")"
		}
		named = append(named, name)
	}
	words := strings.Join(named, ", ")
	if more := len(p.running) - len(named); more > 0 {
		words += fmt.Sprintf(" and %d more", more)
	}
	return words
}

// stalled is how long an item that still moves may rest between two calls.
const stalled = 10 * time.Second

// still returns the sign of life: what has been going on for how long.
func (p *progress) still(now time.Time) string {
	if len(p.running) > 0 {
		return "still building " + p.runningWords(true)
	}
	if open := p.open(); len(open) > 0 {
		it := open[0]
		if rest := now.Sub(it.moved); rest >= stalled {
			return fmt.Sprintf("still waiting for %s: %s (nothing new for %s)", it.name, it.amount(), wholeSeconds(rest))
		}
		return "still " + it.line(now)
	}
	return fmt.Sprintf("still %s (%s)", doingPhase(p.phase), wholeSeconds(p.elapsed()))
}
