package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"nixsd-native/nix"
)

// A reportFormat is how a reporter writes; the values of --log-format.
type reportFormat string

const (
	reportAuto  reportFormat = "auto"  // bars on a terminal, else plain
	reportPlain reportFormat = "plain" // whole lines, no cursor movement
	reportJSON  reportFormat = "json"  // one object a line
	reportRaw   reportFormat = "raw"   // builders' words as they come
)

// reportOptions says how a reporter writes. Its zero value is plain lines.
type reportOptions struct {
	Format    reportFormat     // empty means "auto"
	Terminal  bool             // the writer is a terminal that moves its cursor ("auto" then means bars)
	Width     func() int       // columns, asked anew at each draw; nil or 0 = 80
	Height    func() int       // rows, likewise; nil or 0 = 24
	Color     bool             // escape sequences for colour may be written, except in JSON
	Verbose   bool             // show builders' lines too
	Quiet     bool             // only warnings and errors, and nothing else
	Now       func() time.Time // nil = time.Now; pb's speeds follow time.Now in any case
	Heartbeat time.Duration    // longest silence outside a terminal; 0 = 30 s
}

// defaultHeartbeat is what issue 2 asks for; CI systems give a silent job
// minutes.
const defaultHeartbeat = 30 * time.Second

// redrawEvery is the shortest time between two drawings of the bars.
const redrawEvery = 100 * time.Millisecond

// A buildStatus is where Nix is.
type buildStatus nix.Status

// A message is a note, a warning or an error.
type message struct {
	kind  string // "note", "warning", "error"
	text  string
	hints []string
}

// A view writes what a reporter has been told. Its methods are called one at a
// time, with text that is clean already.
type view interface {
	began()                      // a phase has begun
	leaving()                    // the phase is about to end
	moved(it *item)              // bytes have moved; the last time it.ended is set
	building()                   // the build's status has changed
	log(derivation, line string) // a builder has printed a line
	say(m message)
	tick()          // a tenth of a second has passed
	finish(ok bool) // nothing will follow
}

// A reporter tells people on stderr what a command does. Its methods may be
// called by several goroutines at once. Text from outside loses its control
// characters here.
type reporter struct {
	o       reportOptions
	stop    chan struct{}
	stopped chan struct{}

	mu     sync.Mutex
	p      *progress
	view   view
	closed bool
}

// newReporter returns a reporter that writes to w until Close. Errors of w are
// ignored: a lost terminal is no reason to lose a build.
func newReporter(w io.Writer, o reportOptions) *reporter {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = defaultHeartbeat
	}
	p := newProgress(o.Now)
	r := &reporter{
		o: o, p: p, view: newView(w, o, p),
		stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	go r.run()
	return r
}

func newView(w io.Writer, o reportOptions, p *progress) view {
	switch {
	case o.Format == reportJSON:
		return newJSONView(w, o, p)
	case o.Terminal && !o.Quiet && (o.Format == reportAuto || o.Format == ""):
		return newTerminalView(w, o, p)
	}
	return newPlainView(w, o, p)
}

// run makes the view tick until Close.
func (r *reporter) run() {
	defer close(r.stopped)
	ticker := time.NewTicker(redrawEvery)
	defer ticker.Stop()
	for {
		select {
		case <-r.stop:
			return
		case <-ticker.C:
			r.unlessQuiet(r.view.tick)
		}
	}
}

// Phase tells that a phase begins and the one before ends. The known names are
// those of phaseWords. A phase that comes back goes on counting.
func (r *reporter) Phase(name string) {
	r.unlessClosed(func() {
		name = cleanWord(name)
		if name == r.p.phase {
			return
		}
		r.leave()
		r.p.begin(name)
		if !r.o.Quiet {
			r.view.began()
		}
	})
}

// leave ends the phase.
func (r *reporter) leave() {
	if !r.o.Quiet {
		r.view.leaving()
	}
	r.p.leave()
}

// Bytes tells how much of a download, an unpacking or a copy is done. total is 0
// while unknown; an item ends with done == total > 0, or with its phase. done may
// go backwards: then the item has begun anew. An item may start with one of
// itemVerbs ("unpacking nix.tar.xz"), else the phase gives the verb.
func (r *reporter) Bytes(item string, done, total int64) {
	r.unlessQuiet(func() {
		if it := r.p.move(item, done, total); it != nil {
			r.view.moved(it)
		}
	})
}

// Building tells where Nix is.
func (r *reporter) Building(s buildStatus) {
	r.unlessQuiet(func() {
		r.p.setBuild(s)
		r.view.building()
	})
}

// LogLine passes on what a builder printed, or Nix itself if derivation is empty:
// with Verbose, in JSON and raw.
func (r *reporter) LogLine(derivation, line string) {
	if r.o.Format != reportJSON && r.o.Format != reportRaw && !r.o.Verbose {
		return
	}
	r.unlessQuiet(func() {
		derivation = cleanWord(derivation)
		for _, l := range cleanLines(line) {
			r.view.log(derivation, l)
		}
	})
}

// Note says what is worth a line always.
func (r *reporter) Note(format string, args ...any) {
	r.unlessQuiet(func() { r.say("note", fmt.Sprintf(format, args...), nil) })
}

// Warn says what may be wrong.
func (r *reporter) Warn(format string, args ...any) {
	r.unlessClosed(func() { r.say("warning", fmt.Sprintf(format, args...), nil) })
}

// Error ends the phase and says why the command fails, and what to do about it.
func (r *reporter) Error(text string, hints ...string) {
	r.unlessClosed(func() {
		r.leave()
		r.say("error", text, hints)
	})
}

func (r *reporter) say(kind, text string, hints []string) {
	m := message{kind: kind, text: clean(text)}
	for _, h := range hints {
		m.hints = append(m.hints, clean(h))
	}
	r.view.say(m)
}

// sayOnce says something outside of any reporter's life.
func sayOnce(w io.Writer, o reportOptions, m message) {
	if o.Quiet && m.kind == "note" {
		return
	}
	o.Terminal, o.Now = false, time.Now
	m.text = clean(m.text)
	newView(w, o, newProgress(o.Now)).say(m)
}

// Phases returns the time spent in each phase in order of their first begin, the
// running one's so far included.
func (r *reporter) Phases() []phaseTime {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.p.times()
}

// Close takes the bars away and, if the command did its job, prints the closing
// table. Later calls of any method print nothing.
func (r *reporter) Close(ok bool) {
	r.unlessClosed(func() {
		r.leave()
		if !r.o.Quiet {
			r.view.finish(ok)
		}
		r.closed = true
		close(r.stop)
	})
	<-r.stopped
}

// unlessClosed calls f, one at a time, as long as Close has not been called.
func (r *reporter) unlessClosed(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		f()
	}
}

// unlessQuiet is unlessClosed for what -q leaves out.
func (r *reporter) unlessQuiet(f func()) {
	if !r.o.Quiet {
		r.unlessClosed(f)
	}
}
