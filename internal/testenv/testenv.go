// Package testenv is what tests share: deciding what may be skipped, comparing the
// host with what it was, and building the program.
package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// required reports whether NIXSD_TEST_REQUIRE, words with commas between, has this one:
// all (what cannot run is to fail, as in CI), long (what is tried many times is tried in
// full), vm (virtual machines run).
func required(word string) bool {
	return slices.Contains(strings.Split(os.Getenv("NIXSD_TEST_REQUIRE"), ","), word)
}

// RequireAll reports whether a test that cannot run is to fail.
func RequireAll() bool { return required("all") }

// OnDemand skips the test unless NIXSD_TEST_REQUIRE has the word.
func OnDemand(t testing.TB, word string) {
	t.Helper()
	if !required(word) {
		t.Skipf("slow: NIXSD_TEST_REQUIRE=%s runs it", word)
	}
}

// Times is how often a test is to try something: in full if that is asked for by
// NIXSD_TEST_REQUIRE=long, else a few times.
func Times(few, full int) int {
	if required("long") {
		return full
	}
	return few
}

// Need skips the test, or fails it where everything is required, if err says that
// this machine cannot run it. what names the thing that is missing.
func Need(t testing.TB, what string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if RequireAll() {
		t.Fatalf("%s is required (NIXSD_TEST_REQUIRE=all): %v", what, err)
	}
	t.Skipf("no %s: %v", what, err)
}

// NeedRoot skips a test that only root can run.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Need(t, "root", fmt.Errorf("running as uid %d", os.Geteuid()))
	}
}

// NeedProgram returns the path of a program in PATH or in the folders for root.
func NeedProgram(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if err != nil {
			path, err = exec.LookPath(filepath.Join(dir, name))
		}
	}
	Need(t, name, err)
	return path
}

// binary is built once a test process.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "nixsd-test-*")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "nixsd-native")
	cmd := exec.Command("go", "build", "-o", path, "nixsd-native/cmd/nixsd-native")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %v\n%s", err, out)
	}
	return path, nil
})

// Binary returns the path of the program, built statically from this tree. Every
// user may run it. RemoveBinary removes it.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// RemoveBinary removes what Binary made; for the end of a TestMain.
func RemoveBinary() {
	if path, err := binary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
}

// A Snapshot is the state of the host that a build must leave as it found it.
type Snapshot struct {
	Handlers  []string // binfmt_misc entries with their texts
	Mounts    []string // lines of /proc/self/mountinfo without the ids that change
	Processes []string // of this program: pid and command line
	Temp      []string // names in the folder for temporary files
	Loops     []string // loop devices with the files behind them
	Networks  []string // network namespaces that have names
}

// Look looks at the host, but for processes and temporary files.
func Look() (Snapshot, error) {
	m, err := mounts()
	return Snapshot{Handlers: handlers(), Mounts: m, Loops: Loops(), Networks: names("/run/netns")}, err
}

// Diff says in what s differs from before, or "".
func (s Snapshot) Diff(before Snapshot) string {
	var b strings.Builder
	for _, part := range []struct {
		name     string
		was, now []string
	}{
		{"binfmt_misc", before.Handlers, s.Handlers},
		{"mounts", before.Mounts, s.Mounts},
		{"processes", before.Processes, s.Processes},
		{"temporary files", before.Temp, s.Temp},
		{"loop devices", before.Loops, s.Loops},
		{"network namespaces", before.Networks, s.Networks},
	} {
		if !slices.Equal(part.was, part.now) {
			fmt.Fprintf(&b, "%s, - before, + now: %q\n", part.name, Difference(part.was, part.now))
		}
	}
	return b.String()
}

// Difference lists what only a has, with a minus, and what only b has, with a plus; 20
// at most.
func Difference(a, b []string) []string {
	var all []string
	for _, x := range a {
		if !slices.Contains(b, x) {
			all = append(all, "-"+x)
		}
	}
	for _, x := range b {
		if !slices.Contains(a, x) {
			all = append(all, "+"+x)
		}
	}
	return all[:min(20, len(all))]
}

func handlers() []string {
	var all []string
	for _, name := range names("/proc/sys/fs/binfmt_misc") {
		text, err := os.ReadFile(filepath.Join("/proc/sys/fs/binfmt_misc", name))
		if err == nil || name == "register" {
			all = append(all, name+": "+string(text))
		}
	}
	return all
}

// Loops lists the loop devices that are in use, as "loop0: /file".
func Loops() []string {
	var all []string
	found, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, file := range found {
		if behind, err := os.ReadFile(file); err == nil {
			all = append(all, strings.Split(file, "/")[3]+": "+strings.TrimSpace(string(behind)))
		}
	}
	return all
}

// mounts leaves out the numbers of mounts and of their parents, which a remount may
// change.
func mounts() ([]string, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var all []string
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 2 {
			all = append(all, strings.Join(fields[2:], " "))
		}
	}
	slices.Sort(all)
	return all, nil
}

func names(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}
