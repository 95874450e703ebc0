package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A testPackage has tests; binary is set once built.
type testPackage struct{ path, dir, binary string }

// A target is a fuzz test of a built package.
type target struct {
	testPackage
	fuzz string
}

func (t target) name() string { return t.path + "." + t.fuzz }

// seeds is the folder of the target's committed inputs; found that of what fuzzing found.
func (t target) seeds() string             { return filepath.Join(t.dir, "testdata", "fuzz", t.fuzz) }
func (t target) found(cache string) string { return filepath.Join(cache, t.path, t.fuzz) }

// goCommand returns what a go command prints.
func goCommand(args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %v\n%s", args[0], err, stderr.Bytes())
	}
	return strings.TrimSpace(string(out)), nil
}

// testedPackages lists those of the module with tests, in order.
func testedPackages() ([]testPackage, error) {
	const format = "{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}\t{{.Dir}}{{end}}"
	out, err := goCommand("list", "-f", format, "nixsd-native/...")
	var all []testPackage
	for line := range strings.Lines(out) {
		if path, dir, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			all = append(all, testPackage{path: path, dir: dir})
		}
	}
	return all, err
}

// build makes the package's test binary with what fuzzing needs to see coverage, and
// lists its targets. A package without any is not built.
func (p testPackage) build(bin string) ([]target, error) {
	sources, err := filepath.Glob(filepath.Join(p.dir, "*_test.go"))
	if err != nil {
		return nil, err
	}
	has := false
	for _, s := range sources {
		data, err := os.ReadFile(s)
		if err != nil {
			return nil, err
		}
		has = has || bytes.Contains(data, []byte("\nfunc Fuzz"))
	}
	if !has {
		return nil, nil
	}
	p.binary = filepath.Join(bin, strings.ReplaceAll(p.path, "/", "-"))
	if _, err := goCommand("test", "-c", "-fuzz=.", "-o", p.binary, p.path); err != nil {
		return nil, err
	}
	list := exec.Command(p.binary, "-test.list=^Fuzz")
	list.Dir = p.dir
	out, err := list.Output()
	var all []target
	for name := range strings.FieldsSeq(string(out)) {
		all = append(all, target{p, name})
	}
	return all, err
}

// minimizing bounds in executions how one input is made smaller, so that the time is for
// new ones.
const minimizing = "200x"

// run fuzzes for a time with one worker: the machine has other things to do.
func (t target) run(ctx context.Context, o options, slice time.Duration) (result, error) {
	cmd := exec.CommandContext(ctx, t.binary, "-test.run=^$", "-test.fuzz=^"+t.fuzz+"$", "-test.fuzzcachedir="+filepath.Join(o.cache, t.path),
		"-test.fuzztime="+slice.String(), "-test.parallel=1", "-test.fuzzminimizetime="+minimizing)
	cmd.Dir = t.dir
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	r := result{name: t.name()}
	if perr := r.parse(string(out)); perr != nil {
		return r, fmt.Errorf("%s: %v\n%s", t.name(), perr, out)
	}
	if err != nil && ctx.Err() == nil {
		r.crashes = 1
		fmt.Fprintf(os.Stderr, "%s\n", out)
	}
	return r, nil
}

// A result is what a target did in one slice, or in all of them.
type result struct {
	name           string
	took           time.Duration
	execs          int64
	found, crashes int // inputs that reach new code, and that fail
	kept           int // of those found, now among the seeds
}

func (r result) String() string {
	return fmt.Sprintf("%s\t%.0f\t%d\t%d\t%d\t%d", strings.TrimPrefix(r.name, "nixsd-native/"), r.took.Seconds(), r.execs, r.found, r.crashes, r.kept)
}

// progress is what the testing package prints every three seconds.
var progress = regexp.MustCompile(`fuzz: elapsed: (\S+), execs: (\d+) .*new interesting: (\d+)`)

// elapsed is in its other lines too, as when it runs the seeds.
var elapsed = regexp.MustCompile(`fuzz: elapsed: ([^,\s]+),`)

func (r *result) parse(out string) error {
	for _, m := range elapsed.FindAllStringSubmatch(out, -1) {
		took, err := time.ParseDuration(m[1])
		if err != nil {
			return err
		}
		r.took = max(r.took, took)
	}
	all := progress.FindAllStringSubmatch(out, -1)
	if len(all) == 0 {
		return nil // its seeds fail, or take the whole slice
	}
	last := all[len(all)-1]
	var err error
	if r.execs, err = strconv.ParseInt(last[2], 10, 64); err != nil {
		return err
	}
	r.found, err = strconv.Atoi(last[3])
	return err
}
