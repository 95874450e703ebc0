package vmtest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"nixsd-native/internal/testenv"
)

// imageName is what the demo's image is called.
const imageName = "nixos-demo-sd-image-aarch64.img"

// systems are Nix's words for Debian's architectures.
var systems = map[string]string{"amd64": "x86_64-linux", "arm64": "aarch64-linux"}

// hostUser runs the program on this machine: nobody, if root runs the tests.
func hostUser() *syscall.Credential {
	if os.Geteuid() != 0 {
		return nil
	}
	const nobodys = 54321 // an id that systems give to nobody
	return &syscall.Credential{Uid: nobodys, Gid: nobodys}
}

// onHost runs the program on this machine, which succeeds.
func onHost(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command(program(t, "nixsd-native/cmd/nixsd-native", runtime.GOARCH), args...)
	cmd.Dir = hostFolder(t, "home")
	cmd.Env = append(os.Environ(), "HOME="+cmd.Dir, "TMPDIR="+cmd.Dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: hostUser()}
	out, err := cmd.CombinedOutput()
	switch status := cmd.ProcessState.ExitCode(); {
	case status == exitHost:
		testenv.Need(t, "sandbox with emulation", errors.New(string(out)))
	case status == exitNetwork:
		testenv.Need(t, "Debian mirror", errors.New(string(out)))
	case err != nil:
		t.Fatalf("nixsd-native %q: %v\n%s", args, err, lastLines(string(out), 30))
	}
}

// hostFolder makes a folder of the host's user.
func hostFolder(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(lab(), name)
	makeFolder(t, path)
	if c := hostUser(); c != nil {
		if err := os.Chown(path, int(c.Uid), int(c.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

var (
	caches     fixture[string]
	references fixture[string]
)

// cacheFor is a cache with the demo's inputs for a machine. One that needs no emulator
// has none.
func cacheFor(t *testing.T, arch string) string {
	t.Helper()
	return caches.get(t, "the cache for "+arch, func() string {
		dir := hostFolder(t, "cache-"+arch)
		args := []string{"fetch", "--demo", "--cache-dir", dir, "--system", systems[arch]}
		if arch == "arm64" {
			args = append(args, "--emulation", "none")
		}
		onHost(t, args...)
		if found, err := filepath.Glob(dir + "/*-qemu-user*.deb"); err != nil || (len(found) > 0) != (arch == "amd64") {
			t.Fatalf("the cache for %s has the emulators %q, %v", arch, found, err)
		}
		return dir
	})
}

// reference is the image as this machine builds it.
func reference(t *testing.T) string {
	t.Helper()
	return references.get(t, "the image on this machine", func() string {
		out := hostFolder(t, "out")
		args := []string{"build", "--demo", "--cache-dir", cacheFor(t, runtime.GOARCH), "--state-dir", hostFolder(t, "state"), "-o", out + "/"}
		if runtime.GOARCH != "arm64" {
			args = append(args, "--emulation", "private")
		}
		onHost(t, args...)
		return filepath.Join(out, imageName)
	})
}

// Exit codes, as in the README.
const (
	exitHost    = 3
	exitNetwork = 5
	exitBuild   = 6
)

// look describes what the program must leave as it found it in a machine. It wakes no
// automount.
const look = `
cat /proc/self/mounts
if grep -q '^binfmt_misc /proc/sys/fs/binfmt_misc ' /proc/self/mounts; then
  for f in /proc/sys/fs/binfmt_misc/*; do echo "$f"; [ "${f##*/}" = register ] || cat "$f"; done
fi
if [ -d /run/nixsd-native ]; then find /run/nixsd-native -type f -size +0; fi
ls -A /tmp
pgrep -a nixsd- || true
`

// mustStay compares a machine before and after something.
func (m *machine) mustStay(t *testing.T, what string, do func()) {
	t.Helper()
	before := m.sh(t, look)
	do()
	if after := m.sh(t, look); after != before {
		t.Errorf("%s: %s is not as it was\n was: %s\n now: %s", m.release, what, before, after)
	}
}

// mustRefuse is mustFail for what the host cannot do.
func (r reply) mustRefuse(t *testing.T, what, says, hint string) {
	t.Helper()
	r.mustFail(t, what, exitHost, says, hint)
}

// mustFail checks that the program says in one line why it cannot, and then what would
// help.
func (r reply) mustFail(t *testing.T, what string, status int, says, hint string) {
	t.Helper()
	var errs, hints []string
	for line := range strings.Lines(r.Err) {
		if text, ok := strings.CutPrefix(line, "error: "); ok {
			errs = append(errs, text)
		}
		text, ok := strings.CutPrefix(line, "hint: ")
		if !ok {
			text, ok = strings.CutPrefix(line, "fix: ")
		}
		if ok {
			hints = append(hints, text)
		}
	}
	if r.Status != status || len(errs) != 1 || !strings.Contains(errs[0], says) || !strings.Contains(strings.Join(hints, ""), hint) || r.Out != "" {
		t.Errorf("%s: status %d, standard output %q; want %d, one error with %q and a hint with %q:\n%s", what, r.Status, r.Out, status, says, hint, r.Err)
	}
}
