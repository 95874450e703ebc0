package main

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nixsd-native/internal/testenv"
	"nixsd-native/internal/tmux"
	"nixsd-native/internal/upstream"
)

// A fetching is the real program in a real terminal: it downloads three files of 3 MB that
// stand for the inputs, each in about three seconds.
type fetching struct {
	*tmux.Terminal
	t *testing.T
}

func startFetching(t *testing.T, env ...string) fetching {
	t.Helper()
	dir, sums := t.TempDir(), map[string]string{}
	for _, name := range []string{"qemu.deb", "nix.tar.xz", "nixpkgs.tar.xz"} {
		data := make([]byte, 3_000_000)
		rand.Read(data)
		sums[name] = fmt.Sprintf("%x", sha256.Sum256(data))
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	url, stop, err := upstream.Throttled(1_000_000, func(path string) (*os.File, error) { return os.Open(filepath.Join(dir, path)) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	home, err := os.MkdirTemp("", "nixsd-screen-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	if err := os.Chmod(home, 0o755); err != nil { // root's worker must reach its cache
		t.Fatal(err)
	}
	args := []string{"nixsd-native", "fetch", "--state-dir", home + "/state", "--cache-dir", home + "/cache", "--lock-file", home + "/lock"}
	for flag, name := range map[string]string{"qemu-deb": "qemu.deb", "nix": "nix.tar.xz", "nixpkgs": "nixpkgs.tar.xz"} {
		hash := strings.TrimSuffix(flag, "-deb") + "-sha256"
		args = append(args, "--"+flag, url+"/"+name, "--"+hash, sums[name])
	}
	env = append(env, "PATH="+os.Getenv("PATH"), "HOME="+home, "TERM=xterm-256color")
	script := `trap : INT; for row in $(seq 30); do echo; done; echo "$ nixsd-native fetch"; "$@"; echo "status $?"`
	return fetching{openScreen(t, 80, 24, env, append([]string{"sh", "-c", script, "sh"}, args...)...), t}
}

// waitFor waits until all the words stand on the screen, and returns it.
func (f fetching) waitFor(words ...string) string {
	f.t.Helper()
	var text string
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var err error
		if text, err = f.Text(); err != nil {
			f.t.Fatal(err)
		}
		missing := false
		for _, w := range words {
			missing = missing || !strings.Contains(text, w)
		}
		if !missing {
			return text
		}
	}
	f.t.Fatalf("the screen has not all of %q:\n%s", words, text)
	return ""
}

// The program draws bars, follows the window, and leaves the result alone, or, after
// Ctrl-C, an error. Run by root, it is the worker without privileges that draws, on a
// terminal that is its monitor's.
func TestScreenOfProgram(t *testing.T) {
	if os.Geteuid() == 0 {
		testenv.HoldHost(t)
	}
	t.Run("to the end", func(t *testing.T) {
		f := startFetching(t)
		f.waitFor(" inputs", "qemu.deb ", "[==", " of 2.9 MiB", "/s", " left")
		if err := f.Resize(60, 20); err != nil {
			t.Fatal(err)
		}
		text := f.waitFor("status 0", "downloaded qemu.deb", "total")
		if strings.Contains(text, "[=") || strings.Contains(text, " left") || strings.Count(text, "$ nixsd-native fetch") != 1 {
			t.Errorf("bars remain:\n%s", text)
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		f := startFetching(t)
		f.waitFor("qemu.deb ", "[==")
		if err := f.Type("C-c"); err != nil {
			t.Fatal(err)
		}
		text := f.waitFor("status 130")
		if want := "$ nixsd-native fetch\nerror: interrupted\n"; !strings.Contains(text, want) || strings.Contains(text, "[=") {
			t.Errorf("the screen is\n%s\nwant in it\n%s", text, want)
		}
	})
	t.Run("without colour", func(t *testing.T) {
		f := startFetching(t, "NO_COLOR=1")
		f.waitFor("qemu.deb ", "[==")
		if styled, err := f.Styled(); err != nil || strings.Contains(styled, "\x1b[") {
			t.Errorf("NO_COLOR leaves %q, %v", styled, err)
		}
	})
	t.Run("in CI", func(t *testing.T) {
		f := startFetching(t, "CI=true")
		text := f.waitFor("status 0")
		if !strings.Contains(text, "getting the inputs\n") || !strings.Contains(text, "\ndownloading ") || strings.Contains(text, "[=") {
			t.Errorf("the screen is\n%s\nwant plain lines", text)
		}
	})
}
