package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"nixsd-native/nix"
)

// A progress is what a reporter knows; its views read it.
type progress struct {
	now func() time.Time

	phase string // empty before the first and after the last
	since time.Time
	spent []phaseSpent

	items   []*item          // open, oldest first
	ended   map[string]int64 // total of the items that ended in this phase
	tallies []*tally         // of this phase
	fetch   *item            // Nix's own downloads, nil if none

	build   buildStatus
	running []running // as build.Running
}

// A running derivation.
type running struct {
	drv   string // store path
	name  string
	since time.Time
}

type phaseSpent struct {
	name string
	d    time.Duration
}

// A tally counts ended items of one verb: own had a line of their own, others
// share one at the end of the phase.
type tally struct {
	verb   string
	own    int64
	others []*item
}

func newProgress(now func() time.Time) *progress {
	p := &progress{now: now}
	p.reset()
	return p
}

// reset forgets what belongs to one phase.
func (p *progress) reset() {
	p.items, p.tallies, p.fetch = nil, nil, nil
	p.ended = map[string]int64{}
	p.build, p.running = buildStatus{}, nil
}

func (p *progress) begin(name string) { p.phase, p.since = name, p.now() }

func (p *progress) elapsed() time.Duration {
	if p.phase == "" {
		return 0
	}
	return p.now().Sub(p.since)
}

// leave adds the phase to those spent.
func (p *progress) leave() {
	if p.phase != "" {
		p.spent = p.withRunning()
	}
	p.phase = ""
	p.reset()
}

// withRunning returns the time spent in all phases.
func (p *progress) withRunning() []phaseSpent {
	all := slices.Clone(p.spent)
	i := slices.IndexFunc(all, func(s phaseSpent) bool { return s.name == p.phase })
	switch {
	case i >= 0:
		all[i].d += p.elapsed()
	case p.phase != "":
		all = append(all, phaseSpent{p.phase, p.elapsed()})
	}
	return all
}

// setBuild takes over a status and notes when derivations began.
func (p *progress) setBuild(s buildStatus) {
	before := p.running
	p.build, p.running = s, make([]running, len(s.Running))
	for i, drv := range s.Running {
		at := slices.IndexFunc(before, func(r running) bool { return r.drv == drv })
		if at >= 0 {
			p.running[i] = before[at]
		} else {
			p.running[i] = running{drv, cleanWord(nix.DerivationName(drv)), p.now()}
		}
	}
	done, total := max(s.Fetched, 0), max(s.Fetch, 0) // builders may forge more than a number holds
	if total == 0 && s.Copy == 0 {
		return
	}
	if p.fetch == nil {
		p.fetch = newItem("fetching", "", done, total, p.now())
	}
	p.fetch.name = "store paths"
	if s.Copy > 0 {
		p.fetch.name = fmt.Sprintf("%d/%d paths", s.Copied, s.Copy)
	}
	p.fetch.set(done, total, p.now())
}

// fetching reports whether Nix has something left to fetch.
func (p *progress) fetching() bool {
	return p.fetch != nil && (p.fetch.done < p.fetch.total || p.build.Copied < p.build.Copy)
}

// open returns the items with something left to do.
func (p *progress) open() []*item {
	if p.fetching() {
		return append(slices.Clip(p.items), p.fetch)
	}
	return p.items
}

// move takes over how far an item is and returns it, or nil if that is known.
func (p *progress) move(label string, done, total int64) *item {
	ends := total > 0 && done == total
	i := slices.IndexFunc(p.items, func(it *item) bool { return it.id == label })
	if i < 0 {
		if ends && p.ended[label] == total {
			return nil
		}
		i = len(p.items)
		doing, name := p.verb(cleanWord(label))
		it := newItem(doing, name, done, total, p.now())
		it.id = label
		p.items = append(p.items, it)
	}
	delete(p.ended, label)
	it := p.items[i]
	if !ends {
		it.set(done, total, p.now())
		return it
	}
	it.end(total, p.now())
	p.ended[label] = total
	p.items = slices.Delete(p.items, i, i+1)
	return it
}

// verb splits an item's label.
func (p *progress) verb(label string) (doing, name string) {
	if verb, rest, ok := strings.Cut(label, " "); ok && itemVerbs[verb] != "" {
		return verb, rest
	}
	if verb := phaseVerbs[p.phase]; verb != "" {
		return verb, label
	}
	return "downloading", label
}

// count adds an ended item to its tally; own says that it had a line of its own.
func (p *progress) count(it *item, own bool) {
	verb := itemVerbs[it.doing]
	i := slices.IndexFunc(p.tallies, func(t *tally) bool { return t.verb == verb })
	if i < 0 {
		i = len(p.tallies)
		p.tallies = append(p.tallies, &tally{verb: verb})
	}
	if own {
		p.tallies[i].own++
	} else {
		p.tallies[i].others = append(p.tallies[i].others, it)
	}
}

// summary returns the lines that end a phase: what had none of its own. Names are
// shortened to make them fit into w cells.
func (p *progress) summary(w int) []string {
	var lines []string
	for _, t := range p.tallies {
		lines = append(lines, t.lines(w)...)
	}
	if p.fetch != nil && (p.fetch.done > 0 || p.build.Copied > 0) {
		if p.build.Copied > 0 {
			p.fetch.name = plural(p.build.Copied, "store path")
		}
		lines = append(lines, p.fetch.result(w))
	}
	if b := p.build; b.Done > 0 || b.Failed > 0 {
		line := "built " + plural(b.Done, "derivation")
		if b.Failed > 0 {
			line += fmt.Sprintf(", %d failed", b.Failed)
		}
		lines = append(lines, line+"  "+duration(p.elapsed()))
	}
	return lines
}

func (t *tally) lines(w int) []string {
	switch len(t.others) {
	case 0:
		return nil
	case 1:
		return []string{t.others[0].result(w)}
	}
	noun, sum := " files", int64(0)
	if t.own > 0 {
		noun = " more files"
	}
	for _, it := range t.others {
		sum += it.done
	}
	return []string{fmt.Sprintf("%s %d%s  %s", t.verb, len(t.others), noun, size(sum))}
}
