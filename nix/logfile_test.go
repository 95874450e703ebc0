package nix

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"nixsd-native/internal/explain"
)

func readFailure(t *testing.T, log string) *BuildError {
	t.Helper()
	e, err := ReadFailure(strings.NewReader(log))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func table(t testing.TB, pattern string) map[string]string {
	t.Helper()
	names, err := filepath.Glob("../internal/explain/testdata/" + pattern)
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	logs := map[string]string{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		logs[filepath.Base(name)] = string(data)
	}
	return logs
}

// asJSON is a log as Nix has it with --log-format internal-json.
func asJSON(t *testing.T, log string) string {
	t.Helper()
	text, err := json.Marshal(strings.TrimRight(log, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("@nix {\"action\":\"msg\",\"level\":0,\"msg\":%s,\"raw_msg\":\"x\"}\n", text)
}

// Each log of the table is read in every form that people have it in, and is of the same
// row in all of them.
func TestReadFailureForms(t *testing.T) {
	forms := map[string]func(string) string{
		"as it is": func(s string) string { return s },
		"Windows":  func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
		"terminal": func(s string) string {
			return "\x1b[34mfetching\x1b[0m 10%\rfetching 20%\r" + strings.ReplaceAll(s, "error:", "\x1b[31;1merror:\x1b[0m")
		},
		"docker-compose": func(s string) string { return before("build-nixos_1   | ", s) },
		"BuildKit":       func(s string) string { return before("#9 21.70 ", s) },
		"GitHub":         func(s string) string { return before("2026-07-01T00:20:38.5060000Z ", s) },
		"journal":        func(s string) string { return before("Nov 23 14:39:42 pi nix-daemon[954]: ", s) },
		"JSON":           func(s string) string { return asJSON(t, s) },
	}
	for name, log := range table(t, "logs/*.log") {
		want := readFailure(t, log).Findings()
		if len(want) == 0 {
			t.Errorf("%s: nothing is known", name)
			continue
		}
		for form, make := range forms {
			got := readFailure(t, make(log)).Findings()
			if len(got) == 0 || got[0] != want[0] {
				t.Errorf("%s, %s: Findings = %+v; want %+v", name, form, got, want)
			}
		}
	}
	for name, log := range table(t, "unknown/*.log") {
		for form, make := range forms {
			if got := readFailure(t, make(log)).Findings(); got != nil {
				t.Errorf("%s, %s: Findings = %+v; want none", name, form, got)
			}
		}
	}
}

// before puts a prefix before each line.
func before(prefix, s string) string {
	return prefix + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n"+prefix) + "\n"
}

// What failed, and its last lines, are found in the words of Nix's versions.
func TestReadFailureDerivation(t *testing.T) {
	const drv = "/nix/store/q2xbhd3a85zk7nnr8qmhmsr2kn757k8r-broken-1.0.drv"
	for _, tt := range []struct {
		name, log, derivation string
		last                  []string
	}{
		{"2.3", "these derivations will be built:\n  " + drv + "\nbuilding '" + drv + "'...\none\ntwo\nbuilder for '" + drv + "' failed with exit code 1\nerror: build of '" + drv + "' failed\n",
			drv, []string{"one", "two"}},
		{"1.11", "building path(s) ‘/nix/store/x’\none\nbuilder for ‘" + drv + "’ failed with exit code 1\n", drv, []string{"one"}},
		{"2.26", "error: builder for '" + drv + "' failed with exit code 1;\n       last 2 log lines:\n       > one\n       >\n       > two\n       For full logs, run 'nix log " + drv + "'.\n",
			drv, []string{"one", "", "two"}},
		{"2.30", "error: Cannot build '" + drv + "'.\n       Reason: builder failed with exit code 1.\n       Output paths:\n         /nix/store/x\n       Last 1 log lines:\n       > one\n       For full logs, run:\n",
			drv, []string{"one"}},
		{"2.30, a dependency first", "error: Cannot build '/nix/store/a.drv'.\n       Reason: 1 dependency failed.\nerror: Cannot build '" + drv + "'.\n       Reason: builder failed with exit code 1.\n       Last 1 log lines:\n       > one\n",
			drv, []string{"one"}},
		{"-L", "other> noise\nbroken-1.0> one\nother> No space left on device\nbroken-1.0> two\nerror: builder for '" + drv + "' failed with exit code 1\n",
			drv, []string{"one", "two"}},
		{"a hash", "trying it\nerror: hash mismatch in fixed-output derivation '" + drv + "':\n", drv, []string{"trying it"}},
		{"silent", "building '" + drv + "'...\nerror: builder for '" + drv + "' failed with exit code 1\n", drv, nil},
		{"a builder's own", "one\ntwo\n", "", []string{"one", "two"}},
	} {
		e := readFailure(t, tt.log)
		if e.Derivation != tt.derivation || !slices.Equal(e.LastLines(), tt.last) {
			t.Errorf("%s: ReadFailure = %q, %q; want %q, %q", tt.name, e.Derivation, e.LastLines(), tt.derivation, tt.last)
		}
		if found := e.Findings(); tt.name == "-L" && found != nil {
			t.Errorf("the words of another builder are taken for the reason: %+v", found)
		}
	}
	e, err := ReadFailure(bytes.NewReader(golden(t, "fail.log")))
	if err != nil || e.Derivation != drv || len(e.LastLines()) != lastUnknown {
		t.Errorf("ReadFailure(fail.log) = %+v, %v; want what TestFailure has", e, err)
	}
}

// A log has no bound, what is kept of it has.
func TestReadFailureBounds(t *testing.T) {
	noise := strings.Repeat(strings.Repeat("x", 100)+"\n", 10*windowLines)
	long := strings.Repeat("y", 100*windowLine)
	e := readFailure(t, noise+long+"\nerror: stack overflow; max-call-depth exceeded\n"+noise[:101*100])
	if len(e.Findings()) != 1 || len(e.Output) > windowLines*101+windowLine || len(e.Log) > tailLines {
		t.Errorf("ReadFailure keeps %d bytes, %d lines; %+v", len(e.Output), len(e.Log), e.Findings())
	}
	if e := readFailure(t, "error: stack overflow\n"+noise); e.Findings() != nil {
		t.Errorf("what stands %d lines before the end is told: %+v", 10*windowLines, e.Findings())
	}
	broken := errors.New("broken")
	if _, err := ReadFailure(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("ReadFailure = %v; want %v", err, broken)
	}
}

// What is at fault is decided by Nix's own words, whatever a builder prints.
func TestOfHost(t *testing.T) {
	nix := &BuildError{Output: "error: unable to load seccomp BPF program: Invalid argument"}
	builder := &BuildError{Output: "error: builder for '/nix/store/x.drv' failed with exit code 1", Log: []string{"unable to load seccomp BPF program"}}
	if !nix.OfHost() || builder.OfHost() || len(builder.Findings()) != 1 {
		t.Errorf("OfHost = %v, of a builder %v; want true, false", nix.OfHost(), builder.OfHost())
	}
	warned := Tracker{}
	for _, line := range []string{
		`{"action":"msg","level":0,"msg":"cannot build on 'ssh-ng://b': error: failed to start SSH connection to 'b'"}`,
		`{"action":"msg","level":0,"msg":"trace: Disk quota exceeded"}`,
		`{"action":"msg","level":0,"raw_msg":"x","msg":"error: a 'aarch64-linux' with features {} is required to build '/nix/store/x.drv'"}`,
	} {
		e, _ := ParseEvent([]byte("@nix " + line))
		warned.Apply(e)
	}
	if found := warned.Failure(1).Findings(); len(found) != 2 || !strings.Contains(found[1].Cause, "ssh-ng://b") {
		t.Errorf("Findings = %+v; want the missing emulation, and the builder that was not reached", found)
	}
}

// Whatever is in a log, what is kept of it is bounded and without control characters.
func FuzzReadFailure(f *testing.F) {
	for _, log := range table(f, "*/*.log") {
		f.Add([]byte(log))
	}
	f.Add([]byte("@nix {\"action\":\"msg\",\"level\":0,\"msg\":\"error: x\",\"raw_msg\":\"x\"}\r\n"))
	f.Fuzz(func(t *testing.T, log []byte) {
		e, err := ReadFailure(bytes.NewReader(log))
		if err != nil {
			t.Fatal(err)
		}
		if len(e.Log) > tailLines || len(e.LastLines()) > lastUnknown {
			t.Errorf("%d lines", len(e.Log))
		}
		for _, line := range e.Log {
			if line != clean(line) || strings.Contains(line, "\n") {
				t.Errorf("the line %q", line)
			}
		}
		var _ []explain.Finding = e.Findings()
	})
}
