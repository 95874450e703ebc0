package nix

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"nixsd-native/internal/explain"
)

var (
	// With a trace, the error itself is the last of several lines that begin so.
	errorLine = regexp.MustCompile(`(?m)^\s*error: (.+)$`)
	failedDrv = regexp.MustCompile(`builder for '(/nix/store/[^']*\.drv)'|Cannot build '(/nix/store/[^']*\.drv)'`)
	// The first line of newer versions says only what cannot be built.
	dependencyFailed = regexp.MustCompile(`(?m)\d+ dependenc(y|ies)( of derivation .*)? failed`)
	reasonLine       = regexp.MustCompile(`(?m)^\s*Reason: (.+?)\.?$`)
	sourceOfText     = regexp.MustCompile(`at (/[^\s:]+:\d+:\d+):`)
)

// Failures makes an error of each derivation whose own build failed, which may be
// several when Nix keeps going.
func (t *Tracker) Failures() []*BuildError {
	var all []*BuildError
	for _, text := range t.errors {
		one := Tracker{errors: []string{text}, ended: t.ended, heard: t.heard}
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
	e := &BuildError{Status: status, Output: strings.Join(texts, "\n"), Heard: strings.Join(t.heard, "\n")}
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
	Heard      string   // what else it said that may tell why
	Dir        string   // how commands name the folder of what is built; empty means "."
}

// Findings returns what is known of the failure.
func (e *BuildError) Findings() []explain.Finding {
	said := quoteMark.ReplaceAllString(e.Output, "")
	return explain.Find(strings.Join([]string{said, strings.Join(e.Log, "\n"), e.Heard}, "\n"), cmp.Or(e.Dir, "."))
}

// quoteMark precedes what Nix quotes of a builder's log.
var quoteMark = regexp.MustCompile(`(?m)^[ \t]*> ?`)

// Hints has the lines of what is known of the failure.
func (e *BuildError) Hints() (lines []string) {
	for _, f := range e.Findings() {
		lines = append(lines, f.Lines()...)
	}
	return lines
}

// OfHost reports whether it is the host that is at fault, by Nix's own words: what builders
// print decides nothing.
func (e *BuildError) OfHost() bool {
	found := explain.Find(e.Output, ".")
	return len(found) > 0 && found[0].Host
}

// How many of a builder's last lines are shown: where they are all that is known, as many
// as Nix shows.
const (
	lastKnown   = 10
	lastUnknown = 25
)

// LastLines returns the end of what the failed builder printed, as it is shown.
func (e *BuildError) LastLines() []string {
	n := lastUnknown
	if len(e.Findings()) > 0 {
		n = lastKnown
	}
	return e.Log[max(0, len(e.Log)-n):]
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
