package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nixsd-native/internal/testenv"
)

// startInject starts inject with a network's passphrase to ask for, on a terminal, with a
// file that is no image.
func startInject(t *testing.T) *terminal {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "card.img"), []byte("no image"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(testenv.NeedProgram(t, module), "inject", "--wifi", "my net", "--state-dir", "state", "--cache-dir", "cache", "card.img")
	cmd.Dir, cmd.Env = dir, []string{"HOME=" + dir, "TERM=xterm", "PATH=" + os.Getenv("PATH")}
	return onTerminal(t, cmd)
}

// TestInjectAsks types a passphrase that nobody sees, until it is the same twice.
func TestInjectAsks(t *testing.T) {
	if os.Geteuid() == 0 {
		testenv.HoldHost(t)
	}
	c := startInject(t)
	before := c.modes()
	answerHidden(t, c, "Passphrase of the Wi-Fi network my net: ", "short")
	c.expect("8 to 63 characters")
	answerHidden(t, c, "my net: ", "the passphrase")
	answerHidden(t, c, "The same again: ", "the passhprase")
	c.expect("these were two different ones")
	answerHidden(t, c, "my net: ", "the passphrase")
	answerHidden(t, c, "The same again: ", "the passphrase")
	c.expect("card.img: this is no image of a disk")
	if status := c.status(); status != exitVerify || strings.Contains(c.all(), "the pass") || c.modes() != before {
		t.Errorf("inject = %d, modes %+v; want %+v; showed %q", status, c.modes(), before, c.all())
	}
	c = startInject(t)
	before = c.modes()
	c.expect("my net: ")
	awaitEcho(t, c, false)
	c.send("half a pass\x03")
	if status := c.status(); status != exitInterrupted || c.modes() != before || strings.Contains(c.all(), "half") {
		t.Errorf("interrupted inject = %d, modes %+v; want %+v; showed %q", status, c.modes(), before, c.all())
	}
}
