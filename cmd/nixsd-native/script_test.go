package main

import (
	"encoding/base64"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"nixsd-native/internal/cardtest"
	"nixsd-native/internal/testenv"
	"nixsd-native/sandbox"
)

// TestMain lets the test binary be the program, in each of its parts.
func TestMain(m *testing.M) {
	parts := map[string]func(){}
	for _, name := range []string{module, monitorArg0, workerArg0, readerArg0, sandbox.Arg0, sandbox.HoldArg0} {
		parts[name] = main
	}
	parts[cardtest.Arg0] = func() { os.Exit(cardtest.Main(os.Args[1:])) }
	testscript.Main(m, parts)
}

// The scripts show what people see of the program before it needs a network or a
// sandbox; internal/e2e shows the rest.
func TestScripts(t *testing.T) {
	if os.Geteuid() == 0 {
		testenv.HoldHost(t) // any command of root's removes a handler that a test left
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir+"/home")
			e.Setenv("XDG_STATE_HOME", "")
			e.Setenv("XDG_CACHE_HOME", "")
			if own, err := exec.LookPath(module); err == nil { // the folder of this program alone
				e.Setenv("OWNPATH", filepath.Dir(own))
			}
			return os.Mkdir(e.WorkDir+"/home", 0o755)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fails": fails, "untouched": untouched, "decode": decode, "private": private,
		},
	})
}

// fails STATUS COMMAND… runs a command that ends with the status, prints nothing on
// standard output, and one line of error and at least one hint, and no more errors, on
// standard error.
func fails(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: fails STATUS COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	status := 0
	err = ts.Exec(args[1], args[2:]...)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		status = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if out := ts.ReadFile("stdout"); status != want || out != "" {
		ts.Fatalf("%q = %d, standard output %q; want %d and nothing", args[1:], status, out, want)
	}
	errs, hints := 0, 0
	for line := range strings.Lines(ts.ReadFile("stderr")) {
		if strings.HasPrefix(line, "error: ") {
			errs++
		}
		if strings.HasPrefix(line, "hint: ") {
			hints++
		}
	}
	if errs != 1 || hints < 1 {
		ts.Fatalf("%q printed %d errors and %d hints; want one, and one or more", args[1:], errs, hints)
	}
}

// decode FROM TO writes what a file has in base 64.
func decode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: decode FROM TO")
	}
	data, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(ts.ReadFile(args[0]), "\n", ""))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), data, 0o644))
}

// private FILE fails if others than its owner may do anything with a file.
func private(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: private FILE")
	}
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if info.Mode() != 0o600 {
		ts.Fatalf("%s has mode %v; want that of a file for its owner alone", args[0], info.Mode())
	}
}

// untouched fails if the program made a folder or a file for itself.
func untouched(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: untouched")
	}
	found, err := filepath.Glob(ts.MkAbs("home") + "/*")
	ts.Check(err)
	hidden, err := filepath.Glob(ts.MkAbs("home") + "/.[!.]*")
	ts.Check(err)
	if all := append(found, hidden...); len(all) > 0 {
		ts.Fatalf("the program left %q", all)
	}
}
