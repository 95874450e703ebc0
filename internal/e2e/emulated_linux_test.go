package e2e

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"nixsd-native/internal/testenv"
)

// Packages whose tests run as aarch64 programs: parsers, and all that looks at the machine.
// Those of slowPackages, which hash, compress, link or wait for long, on demand.
var (
	emulatedPackages = []string{"binfmt", "internal/deb", "internal/hostinfo", "internal/wire", "nix", "qemu", "sandbox"}
	slowPackages     = []string{
		"internal/bundle", "internal/debian", "internal/decompress", "internal/demo", "internal/fetch", "internal/image",
		"internal/monitor", "internal/sbom", "internal/sshclient", "internal/untar", "internal/upstream",
	}
)

// Our own tests pass as aarch64 programs that the handler of binfmt register runs.
func TestOurTestsOnAArch64(t *testing.T) {
	testenv.OnDemand(t, "long")
	needEmulation(t)
	testenv.NeedRoot(t)
	all := slices.Concat(emulatedPackages, slowPackages)
	packages := all[:testenv.Times(len(emulatedPackages), len(all))]
	dir := crossCompiled(t, packages) // before others have to wait for the host
	check := mustStay(t)
	p := rootBuild(t)
	if err := exec.Command(filepath.Join(dir, "hostinfo.test")).Run(); err == nil {
		testenv.Need(t, "host without a handler for aarch64", os.ErrExist)
	}
	must(t, job{as: root(), args: p.with("binfmt", "register")})
	registered := true
	unregister := func() {
		if registered {
			registered = false
			must(t, job{as: root(), args: p.with("binfmt", "unregister")})
		}
	}
	defer unregister()
	var count tally
	for _, name := range packages {
		t.Run(name, func(t *testing.T) { count.add(t, filepath.Join(dir, filepath.Base(name)+".test"), name) })
	}
	unregister()
	t.Logf("%d tests passed as aarch64 programs, %d were skipped", count.passed, count.skipped)
	check(t)
}

// crossCompiled makes the tests of packages into aarch64 programs.
func crossCompiled(t *testing.T, packages []string) (dir string) {
	t.Helper()
	// Tests start themselves as other users, for which QEMU needs the path, not /proc/self/exe.
	dir = root().folder(t, "aarch64")
	args := []string{"test", "-c", "-o", dir + "/"}
	for _, name := range packages {
		args = append(args, "nixsd-native/"+name)
	}
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "GOARCH=arm64", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go test -c: %v: %s", err, out)
	}
	return dir
}

// A tally counts tests.
type tally struct{ passed, skipped int }

// ended are the lines in which tests say how they ended.
var ended = regexp.MustCompile(`(?m)^ *--- (PASS|SKIP|FAIL): (\S+)`)

// add runs a package's tests, in its folder, as go test does. They may skip what an
// emulator cannot do, each with the reason that it found by trying.
func (c *tally) add(t *testing.T, program, name string) {
	// QEMU makes /proc/self/stat up (linux-user/syscall.c), so no processor time grows there.
	cmd := exec.CommandContext(t.Context(), program, "-test.v", "-test.timeout=5m", "-test.skip=^TestCPUTimeGrows$")
	cmd.Dir = filepath.Join("..", "..", filepath.FromSlash(name))
	cmd.Env = append(os.Environ(), "NIXSD_TEST_REQUIRE=", "TMPDIR="+t.TempDir())
	begun := time.Now()
	out, err := cmd.CombinedOutput()
	passed, skipped := 0, 0
	for _, m := range ended.FindAllSubmatch(out, -1) {
		switch string(m[1]) {
		case "PASS":
			passed++
		case "SKIP":
			skipped++
		}
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) || err == nil && !bytes.Contains(out, []byte("\nPASS\n")) {
		t.Errorf("%v:\n%s", err, tail(failures(string(out))))
	} else if err != nil {
		t.Fatalf("no aarch64 program runs: %v", err)
	}
	if passed == 0 {
		t.Error("no test passed")
	}
	t.Logf("%d passed, %d skipped, %.1f s", passed, skipped, time.Since(begun).Seconds())
	c.passed, c.skipped = c.passed+passed, c.skipped+skipped
}

// failures leaves out of an output the lines of tests that did not fail.
func failures(out string) []string {
	var lines []string
	keep := false
	for line := range strings.Lines(out) {
		switch {
		case ended.MatchString(line):
			keep = strings.Contains(line, "--- FAIL")
		case strings.HasPrefix(line, "=== "):
			keep = false
		case strings.HasPrefix(line, "panic"), strings.HasPrefix(line, "fatal"), strings.HasPrefix(line, "SIG"):
			keep = true
		}
		if keep {
			lines = append(lines, strings.TrimRight(line, "\n"))
		}
	}
	return lines
}
