package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Control sequences that every terminal in use knows: ECMA-48 CUU, EL, ED, and
// DEC's private mode 7 (autowrap). Erasing begins in the second column: tmux puts what is
// erased from the first cell of the screen on into its history.
const (
	cursorUp  = "\x1b[%dA"
	eraseLine = "\x1b[K"
	eraseDown = "\r \x1b[J\r"
	wrapOff   = "\x1b[?7l"
	wrapOn    = "\x1b[?7h"
)

// maxColumns bounds the drawn lines; longer bars are hard to read.
const maxColumns = 120

// Bounds of the bars, and of the running derivations, that are drawn at once.
const (
	maxBars    = 4
	maxRunning = 6
)

// fewColumns is the width below which words are left out.
const fewColumns = 34

// settle is how long a width must last before bars are drawn again: while a
// window's edge is dragged, long lines would wrap at every step and push what is
// above them out of sight.
const settle = 400 * time.Millisecond

// A terminalView draws a status line and the bars below the lines that stay.
// Between two drawings the cursor rests at the start of the first drawn line:
// wherever a resize moves that line, everything below it can be erased. Each
// drawing is one write and leaves the terminal as it found it, so that a killed
// process leaves no hidden cursor or the like.
//
// pb's own pool is not used: it needs a controlling terminal, turns echo off,
// asks for the width of /dev/tty and counts rows upwards, which fails on resize.
type terminalView struct {
	w             io.Writer
	p             *progress
	width, height func() int
	color         bool

	drawn    []string // the lines on the screen
	drawnFor int      // and the width they were made for
	drawnAt  time.Time
	resized  time.Time // when the width last changed
}

func newTerminalView(w io.Writer, o reportOptions, p *progress) *terminalView {
	return &terminalView{w: w, p: p, width: o.Width, height: o.Height, color: o.Color}
}

func (v *terminalView) began()             { v.draw(nil) }
func (v *terminalView) building()          {}
func (v *terminalView) say(m message)      { v.draw(m.lines(v.color)) }
func (v *terminalView) log(name, l string) { v.draw([]string{logLine(name, l)}) }
func (v *terminalView) tick()              { v.draw(nil) }

func (v *terminalView) leaving() {
	if lines := v.p.summary(columns(v.width)); len(lines) > 0 {
		v.draw(lines)
	}
}

func (v *terminalView) moved(it *item) {
	if it.ended {
		v.p.count(it, it.notable())
		if it.notable() {
			v.draw([]string{it.result(columns(v.width))})
		}
	}
}

func (v *terminalView) finish(ok bool) {
	var table []string
	if ok {
		table = phaseTable(v.p.times(), v.p.total())
	}
	v.draw(table)
}

// draw writes lines that stay, and the area anew if it is time or they displace
// it.
func (v *terminalView) draw(stay []string) {
	now, w := v.p.now(), columns(v.width)
	area := v.drawn
	resized := w != v.drawnFor && len(v.drawn) > 0
	if resized {
		v.resized = now
	}
	if w != v.drawnFor || v.p.phase == "" || now.Sub(v.drawnAt) >= redrawEvery {
		area = v.area(w)
		v.drawnAt = now
	}
	if len(stay) == 0 && !resized && equalLines(area, v.drawn) {
		v.drawnFor = w
		return
	}
	var b strings.Builder
	if len(v.drawn) > 0 && (len(stay) > 0 || resized || len(area) == 0) {
		b.WriteString(eraseDown)
	}
	for _, line := range stay {
		b.WriteString(line + "\r\n")
	}
	frame(&b, area)
	io.WriteString(v.w, b.String())
	v.drawn, v.drawnFor = area, w
}

func equalLines(a, b []string) bool { return strings.Join(a, "\n") == strings.Join(b, "\n") }

// frame draws over the lines at the cursor and comes back to it.
func frame(b *strings.Builder, area []string) {
	if len(area) == 0 {
		return
	}
	b.WriteString(wrapOff + "\r" + strings.Join(area, eraseLine+"\r\n") + "\x1b[J\r")
	if up := len(area) - 1; up > 0 {
		fmt.Fprintf(b, cursorUp, up)
	}
	b.WriteString(wrapOn)
}

// columns returns how wide a drawn line may be: the last column stays free, for
// terminals that wrap as soon as it is written.
func columns(width func() int) int {
	w := 80
	if width != nil {
		if n := width(); n > 0 {
			w = n
		}
	}
	return max(min(w-1, maxColumns), 1)
}

// area returns the drawn lines, none wider than w cells: a status line, the derivations
// that run, and the bars.
func (v *terminalView) area(w int) []string {
	if v.p.phase == "" {
		return nil
	}
	room := max(v.rows()-3, 0)
	if v.p.now().Sub(v.resized) < settle {
		room = 0
	}
	open := v.p.open()
	bars := min(len(open), maxBars, room)
	runs := min(len(v.p.running), maxRunning, room-bars)
	area := []string{v.status(w, runs == 0)}
	for i, r := range v.p.running[:runs] {
		area = append(area, r.line(v.p.now(), moreWord(len(v.p.running), runs, i), w))
	}
	for _, it := range open[:bars] {
		area = append(area, v.barLine(it, w))
	}
	if more := len(open) - bars; more > 0 && bars > 0 {
		area = append(area, firstCells(fmt.Sprintf(" and %d more", more), w))
	}
	return area
}

func (v *terminalView) rows() int {
	if v.height != nil {
		if n := v.height(); n > 0 {
			return n
		}
	}
	return 24
}

// status returns "build  12/40 built  0:42". If the derivations that run have no lines
// of their own, they are named in it as long as there is room.
func (v *terminalView) status(w int, named bool) string {
	head, tail := v.counts(w), "  "+clock(v.p.elapsed())
	if len(v.p.running) > 0 && named {
		more := moreWord(len(v.p.running), 1, 0)
		room := w - cells(" "+v.p.phase+head+"  "+more+tail)
		if room >= len("gcc") {
			head += "  " + shorten(v.p.running[0].name, room) + more
		}
	}
	line := firstCells(" "+v.p.phase+head+tail, w)
	if v.color {
		line = strings.Replace(line, v.p.phase, bold+v.p.phase+normal, 1)
	}
	return line
}

// counts returns "  12/40 built  3 failed"; where there is little room, "  12/40".
func (v *terminalView) counts(w int) (head string) {
	b := v.p.build
	if b.Expected > 0 {
		head += fmt.Sprintf("  %d/%d", b.Done, b.Expected)
		if w >= fewColumns {
			head += " built"
		}
	}
	if b.Failed > 0 {
		head += fmt.Sprintf("  %d failed", b.Failed)
	}
	return head
}

// moreWord returns what stands behind line i if only so many of all have one: " +3" at
// the last.
func moreWord(all, shown, i int) string {
	if i < shown-1 || all <= shown {
		return ""
	}
	return fmt.Sprintf(" +%d", all-shown)
}

// line returns "    1:20  linux-6.12".
func (r running) line(now time.Time, more string, w int) string {
	time := clock(now.Sub(r.since)) + "  "
	if w >= fewColumns {
		time = fmt.Sprintf("%10s", time)
	}
	return firstCells(time+shorten(r.name, max(w-len(time)-len(more), len("gcc")))+more, w)
}

// A barShape is what of a bar there is room for.
type barShape struct {
	columns  int // at least
	name     int // cells
	template string
}

const pbBar = `{{bar . "[" "=" ">" " " "]"}}`

// The shapes, widest first. amount, rate and left are of fixed widths, so that
// bars stand below one another.
var barShapes = []barShape{
	{100, 42, `{{string . "name"}} ` + pbBar + ` {{string . "amount"}}  {{string . "rate"}}  {{string . "left"}}`},
	{76, 22, `{{string . "name"}} ` + pbBar + ` {{string . "amount"}}  {{string . "rate"}}  {{string . "left"}}`},
	{56, 16, `{{string . "name"}} ` + pbBar + ` {{string . "amount"}}  {{string . "left"}}`},
	{34, 13, `{{string . "name"}} ` + pbBar + ` {{percent . "%3.0f%%"}} {{string . "left"}}`},
	{0, 8, `{{string . "name"}} {{percent . "%3.0f%%"}}`},
}

// endless is the template of an item of unknown size.
const endless = `{{string . "name"}} {{string . "amount"}}`

// barLine returns an item's bar: " qemu-user.deb [==>   ] 12.3 of 67.8 MiB  5.1
// MiB/s  0:11 left".
func (v *terminalView) barLine(it *item, w int) string {
	shape := 0
	for barShapes[shape].columns > w {
		shape++
	}
	name := shorten(it.name, barShapes[shape].name)
	name += strings.Repeat(" ", barShapes[shape].name-cells(name))
	template := barShapes[shape].template
	if it.total <= 0 {
		template = endless
		if w >= 50 {
			template += `  {{string . "rate"}}`
		}
	}
	rate, left := it.pace(v.p.now())
	it.bar.Set("name", " "+name).Set("amount", fmt.Sprintf("%18s", it.amount()))
	it.bar.Set("rate", fmt.Sprintf("%10s", rateWord(rate))).Set("left", fmt.Sprintf("%10s", leftWord(left)))
	line := it.bar.SetTemplateString(template).SetWidth(w).String()
	return strings.TrimRight(firstCells(line, w), " ")
}

func rateWord(rate int64) string {
	if rate <= 0 {
		return ""
	}
	return size(rate) + "/s"
}

func leftWord(left time.Duration) string {
	if left < 0 {
		return ""
	}
	return clock(left) + " left"
}
