package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nativeSystem is what Nix calls this machine.
func nativeSystem() string {
	return map[string]string{"amd64": "x86_64-linux", "arm64": "aarch64-linux"}[runtime.GOARCH]
}

// probeArgs are those of a shell that lets the probe, as a builder, do something.
func probeArgs(p places, path string, args ...string) []string {
	quoted := ""
	for _, a := range args {
		quoted += strconv.Quote(a) + " "
	}
	return p.with("shell", "--demo", "-q", "--offline", "--", "nix-build", "--no-out-link", "-E", fmt.Sprintf(
		`derivation { name = "probe-%s"; system = %q; builder = builtins.storePath %q; args = [ %s]; }`, strings.Join(args, "-"), nativeSystem(), path, quoted))
}

// What a builder leaves is no danger on the host: no file of the store has set-uid bits, a
// device or a foreign owner, and while the builder can have such files, nobody else can
// reach them.
func TestWhatBuildersLeave(t *testing.T) {
	check := mustStay(t)
	up, rp := builds(t)
	for _, c := range []struct {
		caller
		places
		first, last int // ids of the store's files on the host
	}{{user(), up, user().uid, user().uid}, {root(), rp, 65536, 1 << 31}} {
		if c.uid == 0 && os.Geteuid() != 0 {
			continue
		}
		t.Run(fmt.Sprint("uid ", c.uid), func(t *testing.T) {
			path := addProbe(t, job{as: c.caller}, c.places, runtime.GOARCH)
			must(t, job{as: c.caller, args: probeArgs(c.places, path, "leave")})
			bits := storeDangers(t, c.state, c.first, c.last)
			if len(bits) > 0 {
				t.Errorf("the store has set-uid bits: %q", bits)
			}
			build := start(t, job{as: c.caller, args: probeArgs(c.places, path, "leave", "wait")})
			bits = awaitDangers(t, c.state, c.first, c.last)
			for _, file := range bits {
				stranger := exec.Command("/proc/self/exe", "-test.run=^$")
				stranger.Path = file
				if os.Geteuid() != 0 {
					break // nobody can play the stranger
				}
				stranger.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: userID + 1, Gid: userID + 1}}
				if err := stranger.Run(); !os.IsPermission(err) {
					t.Errorf("somebody else runs %s: %v", file, err)
				}
			}
			build.cmd.Process.Signal(os.Interrupt)
			if r := build.wait(); r.status == 0 {
				t.Error("the build succeeded")
			}
		})
	}
	check(t)
}

// storeDangers lists regular files with set-uid or set-gid bits in a state folder, and
// fails the test for devices and for files that do not belong to the store's ids.
func storeDangers(t *testing.T, state string, first, last int) (bits []string) {
	t.Helper()
	seen := 0
	err := filepath.WalkDir(filepath.Join(state, "root", "nix"), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if os.IsNotExist(err) {
				return nil // a build ended
			}
			return err
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		seen++
		if id := owner(info); id < first || id > last {
			t.Errorf("%s belongs to %d", path, id)
		}
		if info.Mode()&fs.ModeDevice != 0 {
			t.Errorf("%s is a device", path)
		}
		if info.Mode().IsRegular() && info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
			bits = append(bits, path)
		}
		return nil
	})
	if err != nil || seen < 1000 {
		t.Errorf("the store was looked at up to file %d: %v", seen, err)
	}
	return bits
}

// awaitDangers waits for a builder that makes set-uid files, as a control for those who
// look for them.
func awaitDangers(t *testing.T, state string, first, last int) []string {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if bits := storeDangers(t, state, first, last); len(bits) >= 2 {
			return bits
		}
	}
	t.Error("no set-uid file appeared: this test proves nothing")
	return nil
}
