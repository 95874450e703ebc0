package nix

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
)

// ReadLog reads Nix's standard error to its end and calls visit for every event.
// Lines longer than MaxLine are cut.
func ReadLog(r io.Reader, visit func(Event)) error {
	br := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := readLine(br)
		if len(line) > 0 {
			if e, ok := ParseEvent(line); ok {
				visit(e)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func readLine(br *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := br.ReadSlice('\n')
		if len(line)+len(part) <= MaxLine {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return bytes.TrimRight(line, "\r\n"), err
		}
	}
}

const (
	// tailLines is how many lines of each running builder are kept for the case that it
	// fails: what it died of may stand before what its last words were.
	tailLines = 100
	// heardLines is how much is kept of what Nix says beside its errors.
	heardLines = 50
)

// A Tracker follows the events of one run of Nix. Its zero value is ready.
type Tracker struct {
	builds map[uint64]*builder // running, by activity
	order  []uint64
	counts counts
	types  map[uint64]ActivityType
	ended  map[string][]string // last lines of finished builders, by derivation
	errors []string
	said   []string // of the level of errors, but not surely Nix's own
	heard  []string // the last errors and warnings that did not end the run
}

type builder struct {
	name string
	drv  string
	away bool // a remote builder builds it
	tail []string
}

// Apply takes an event in and returns the name of the derivation that it belongs to,
// or "".
func (t *Tracker) Apply(e Event) (derivation string) {
	if t.builds == nil {
		t.builds, t.counts = map[uint64]*builder{}, newCounts()
		t.types, t.ended = map[uint64]ActivityType{}, map[string][]string{}
	}
	switch e.Kind {
	case Start:
		return t.start(e)
	case Stop:
		t.counts.stop(e.ID, t.types[e.ID])
		return t.stop(e.ID)
	case LogLine:
		if b := t.builds[e.ID]; b != nil {
			b.tail = append(b.tail[max(0, len(b.tail)-tailLines+1):], e.Text)
			return b.name
		}
	case Progress:
		t.counts.progress(e, t.types[e.ID])
	case Expect:
		t.counts.expect(e, t.types[e.ID])
	case Message:
		t.hear(e)
	}
	return ""
}

// hear takes a message in.
func (t *Tracker) hear(e Event) {
	switch {
	case e.Fatal:
		t.errors = append(t.errors, e.Text)
	case e.Level == LevelError && strings.HasPrefix(e.Text, "error: "):
		t.said = append(t.said, e.Text)
	case e.Level <= LevelWarn && !strings.HasPrefix(e.Text, "trace: "):
		t.heard = append(t.heard[max(0, len(t.heard)-heardLines+1):], e.Text)
	}
}

// start takes the begin of an activity in. What a remote builder's Nix tells comes along:
// its counts are not ours, and the build that it begins is one that began here.
func (t *Tracker) start(e Event) (derivation string) {
	parent := t.types[e.Parent]
	remote := e.Parent != 0 && parent == Realise
	if t.types[e.ID] = e.Type; !isCounted(e.Type, parent, remote) {
		t.types[e.ID] = 0
	}
	if e.Type != BuildOne {
		return ""
	}
	for _, id := range t.order {
		if b := t.builds[id]; remote && b.drv == e.Path {
			t.builds[e.ID] = b
			return b.name
		}
	}
	t.builds[e.ID] = &builder{name: DerivationName(e.Path), drv: e.Path, away: e.Machine != ""}
	t.order = append(t.order, e.ID)
	return t.builds[e.ID].name
}

func (t *Tracker) stop(id uint64) (derivation string) {
	if b := t.builds[id]; b != nil {
		derivation = b.name
		t.ended[b.drv] = b.tail
		delete(t.builds, id)
		t.order = slices.DeleteFunc(t.order, func(o uint64) bool { return o == id })
	}
	return derivation
}

// Here returns the names of the derivations that this machine builds, oldest first, and
// how many remote builders build.
func (t *Tracker) Here() (names []string, away int) {
	for _, id := range t.order {
		if b := t.builds[id]; b.away {
			away++
		} else {
			names = append(names, b.name)
		}
	}
	return names, away
}

// DerivationName cuts a derivation's store path to what people call it.
func DerivationName(drv string) string {
	name := strings.TrimSuffix(path.Base(drv), ".drv")
	if len(name) > 33 && name[32] == '-' {
		name = name[33:]
	}
	return name
}
