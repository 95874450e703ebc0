package nix

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
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

// tailLines is how many lines of each running builder are kept for the case that it
// fails; Nix itself shows 25.
const tailLines = 25

// A Tracker follows the events of one run of Nix. Its zero value is ready.
type Tracker struct {
	builds map[uint64]*builder // running, by activity
	order  []uint64
	counts counts
	types  map[uint64]ActivityType
	ended  map[string][]string // last lines of finished builders, by derivation
	errors []string
	said   []string // of the level of errors, but not surely Nix's own
}

type builder struct {
	name string
	drv  string
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
		if e.Fatal {
			t.errors = append(t.errors, e.Text)
		} else if e.Level == LevelError && strings.HasPrefix(e.Text, "error: ") {
			t.said = append(t.said, e.Text)
		}
	}
	return ""
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
	t.builds[e.ID] = &builder{name: DerivationName(e.Path), drv: e.Path}
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

// DerivationName cuts a derivation's store path to what people call it.
func DerivationName(drv string) string {
	name := strings.TrimSuffix(path.Base(drv), ".drv")
	if len(name) > 33 && name[32] == '-' {
		name = name[33:]
	}
	return name
}

var (
	// With a trace, the error itself is the last of several lines that begin so.
	errorLine = regexp.MustCompile(`(?m)^\s*error: (.+)$`)
	failedDrv = regexp.MustCompile(`builder for '(/nix/store/[^']*\.drv)'|Cannot build '(/nix/store/[^']*\.drv)'`)
	// The first line of newer versions says only what cannot be built.
	dependencyFailed = regexp.MustCompile(`(?m)\d+ dependenc(y|ies)( of derivation .*)? failed`)
	reasonLine       = regexp.MustCompile(`(?m)^\s*Reason: (.+?)\.?$`)
	sourceOfText     = regexp.MustCompile(`at (/[^\s:]+:\d+:\d+):`)
	// How a builder ends that got SIGKILL, or one of whose programs did, in a shell's words.
	killed = regexp.MustCompile(`failed due to signal 9\b|failed with exit code 137\b`)
)

// Failures makes an error of each derivation whose own build failed, which may be
// several when Nix keeps going.
func (t *Tracker) Failures() []*BuildError {
	var all []*BuildError
	for _, text := range t.errors {
		one := Tracker{errors: []string{text}, ended: t.ended}
		if f := one.Failure(0); f.Derivation != "" && !isDependency(f) {
			all = append(all, f)
		}
	}
	return all
}

// isDependency reports whether a derivation failed only because another one did.
func isDependency(f *BuildError) bool { return dependencyFailed.MatchString(f.Output) }

// Failure makes an error of what Nix said, for a run that ended with status.
func (t *Tracker) Failure(status int) *BuildError {
	texts := t.errors
	if len(texts) == 0 {
		texts = t.said // out of memory, interrupted
	}
	e := &BuildError{Status: status, Output: strings.Join(texts, "\n")}
	if len(texts) == 0 {
		e.Summary = fmt.Sprintf("nix ended with status %d and said no more", status)
		return e
	}
	if m := failedDrv.FindStringSubmatch(e.Output); m != nil {
		e.Derivation = m[1] + m[2]
		e.Log = t.ended[e.Derivation]
	}
	first := texts[0]
	e.Summary = strings.SplitN(first, "\n", 2)[0]
	if all := errorLine.FindAllStringSubmatchIndex(first, -1); all != nil {
		last := all[len(all)-1]
		e.Summary, first = first[last[2]:last[3]], first[last[1]:]
	}
	if m := reasonLine.FindStringSubmatch(first); m != nil && e.Derivation != "" {
		e.Summary = m[1]
	}
	e.Summary = strings.TrimRight(e.Summary, ";:")
	if killed.MatchString(e.Summary) {
		e.Summary += ": it was killed, most likely because memory ran out"
	}
	if m := sourceOfText.FindStringSubmatch(first); m != nil {
		e.Place = m[1]
	}
	return e
}

// A BuildError says that Nix could not evaluate or build what it was given.
type BuildError struct {
	Status     int
	Summary    string   // one line, Nix's own words
	Place      string   // file:line:column inside the sandbox that Nix named, or ""
	Derivation string   // store path of what failed to build, or ""
	Log        []string // the last lines that its builder printed
	Output     string   // all that Nix said of errors
}

// MoreMemory is what helps where memory ran out.
const MoreMemory = "look for \"Out of memory\" in the kernel's log: dmesg | tail; build with --max-jobs 1 --cores 2, or with more memory or swap"

// Hints has what helps against what is no fault of the build.
func (e *BuildError) Hints() []string {
	if killed.MatchString(e.Summary) || e.Summary == "out of memory" {
		return []string{MoreMemory}
	}
	return nil
}

func (e *BuildError) Error() string {
	switch {
	case e.Place != "":
		return e.Summary + " at " + e.Place
	case e.Derivation != "":
		return "the build of " + DerivationName(e.Derivation) + " failed: " + e.Summary
	}
	return e.Summary
}
