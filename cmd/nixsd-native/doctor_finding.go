package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"
)

// What a check comes to.
const (
	statusOK      = "ok"
	statusWarning = "warning" // a build may work
	statusProblem = "problem" // a build cannot work
	statusSkipped = "skipped" // and why stands beside it
)

// A finding is a line of the doctor's.
type finding struct {
	Group  string   `json:"group"` // host, sandbox, folders, emulation or network
	Name   string   `json:"name"`
	Status string   `json:"status"` // ok, warning, problem or skipped
	Detail string   `json:"detail"`
	Fix    []string `json:"fix"` // what helps, the best first; empty if nothing is amiss
}

// An examination is what doctor --json prints.
type examination struct {
	CanBuild   bool      `json:"can_build"`
	ExitStatus int       `json:"exit_status"`
	Checks     []finding `json:"checks"`
}

// verdict sums up: one problem is enough.
func verdict(all []finding) (canBuild bool, status int) {
	if slices.ContainsFunc(all, func(f finding) bool { return f.Status == statusProblem }) {
		return false, exitHost
	}
	return true, exitOK
}

func newFinding(status, detail string, fix ...string) finding {
	lines := []string{}
	for _, line := range fix {
		lines = append(lines, oneLine(line))
	}
	return finding{Status: status, Detail: oneLine(detail), Fix: lines}
}

func ok(format string, args ...any) []finding {
	return []finding{newFinding(statusOK, fmt.Sprintf(format, args...))}
}

func skipped(why string) []finding { return []finding{newFinding(statusSkipped, why)} }

// warning and problem say why, and what helps: further lines, or else the error's own.
func warning(err error, fix ...string) []finding { return amiss(statusWarning, err, fix) }
func problem(err error, fix ...string) []finding { return amiss(statusProblem, err, fix) }

func amiss(status string, err error, fix []string) []finding {
	if fix == nil {
		_, fix = describe(err)
	}
	return []finding{newFinding(status, err.Error(), fix...)}
}

// named gives findings another name than their check's.
func named(name string, all []finding) []finding {
	for i := range all {
		all[i].Name = name
	}
	return all
}

func firstOf(a, b string) string { return cmp.Or(a, b) }

// colors reports whether standard output shows colours.
func (a *app) colors() bool {
	return term.IsTerminal(int(os.Stdout.Fd())) && a.env["TERM"] != "dumb" && a.env["NO_COLOR"] == ""
}

// statusColors are green, yellow and red, by the numbers of ECMA-48's SGR.
var statusColors = map[string]string{statusOK: "32", statusWarning: "33", statusProblem: "1;31", statusSkipped: "2"}

// withoutFine leaves out what is neither a warning nor a problem.
func (e examination) withoutFine() examination {
	e.Checks = slices.DeleteFunc(slices.Clone(e.Checks), func(f finding) bool { return f.Status == statusOK || f.Status == statusSkipped })
	return e
}

// print writes a line for each check, and below what helps.
func (e examination) print(w io.Writer, asJSON, colors bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(e)
	}
	width := 0
	for _, f := range e.Checks {
		width = max(width, len(f.Name))
	}
	var b strings.Builder
	for _, f := range e.Checks {
		status := fmt.Sprintf("%-7s", f.Status)
		if colors {
			status = "\x1b[" + statusColors[f.Status] + "m" + status + "\x1b[0m"
		}
		fmt.Fprintf(&b, "%s  %-*s  %s\n", status, width, f.Name, f.Detail)
		for _, fix := range f.Fix {
			fmt.Fprintf(&b, "         %s\n", fix)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
