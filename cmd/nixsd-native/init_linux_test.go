package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nixsd-native/internal/testenv"
)

// keyFiles are what lies in a home's ~/.ssh in these tests, the second a certificate and
// the third not a key.
var keyFiles = map[string]string{
	"id_a.pub":      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJl3dIeudNqd0DPMRD6OIh65tjkxFNOtwGcWB2gCgPhk a@home\n",
	"id_b.pub":      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHPgEJMolmpGx0YYF6V5oobqgy65NrjD78LyfLWv8Gvu b@home\n",
	"broken.pub":    "ssh-ed25519 AAAA\n",
	"known_hosts":   "",
	"elsewhere.txt": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHPgEJMolmpGx0YYF6V5oobqgy65NrjD78LyfLWv8Gvu c@home\n",
}

// startInit starts init on a terminal, in an empty folder, with a home with keys.
func startInit(t *testing.T, args ...string) (c *terminal, dir string) {
	t.Helper()
	return startInitWith(t, keyFiles, args...)
}

// startInitWith is startInit with other files in ~/.ssh.
func startInitWith(t *testing.T, keys map[string]string, args ...string) (c *terminal, dir string) {
	t.Helper()
	home, dir := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(home, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range keys {
		if err := os.WriteFile(filepath.Join(home, ".ssh", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(testenv.NeedProgram(t, module), append([]string{"init"}, args...)...)
	cmd.Dir, cmd.Env = dir, []string{"HOME=" + home, "TZ=Asia/Tokyo", "TERM=xterm", "PATH=" + os.Getenv("PATH")}
	return onTerminal(t, cmd), dir
}

// files are the names in a folder.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// awaitEcho waits until a terminal shows what is typed, or does not.
func awaitEcho(t *testing.T, c *terminal, on bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); c.modes().Lflag&unix.ECHO != 0 != on; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the terminal's echo is not %v", on)
		}
	}
}

// answerHidden answers a question whose answer is not shown.
func answerHidden(t *testing.T, c *terminal, question, text string) {
	t.Helper()
	c.expect(question)
	awaitEcho(t, c, false)
	c.send(text + "\n")
}

// TestInitAsks answers every question, some wrongly first, and looks at what is written.
func TestInitAsks(t *testing.T) {
	c, dir := startInit(t)
	before := c.modes()
	c.expect("4  zero2w")
	c.answer("Board: ", "9")
	c.expect(`"9" is none of`)
	c.answer("Board: ", "4")
	c.answer("Host name [nixos]: ", "-den")
	c.expect("is no host name")
	c.answer("Host name [nixos]: ", "den")
	c.answer("User who logs in [nixos]: ", "")
	c.expect("1  ")
	c.expect("id_a.pub (ssh-ed25519)")
	c.expect("2  ")
	c.expect("id_b.pub (ssh-ed25519)")
	c.answer("numbers, or a file [1]: ", "3")
	c.expect("there is no key 3")
	c.answer("numbers, or a file [1]: ", "~/.ssh/broken.pub")
	c.expect("holds no ssh public key")
	c.answer("numbers, or a file [1]: ", "2, 1")
	c.answer("Time zone [Asia/Tokyo]: ", "")
	c.answer("Wi-Fi network, if any: ", "my net")
	answerHidden(t, c, "Passphrase of my net, or nothing to give it later: ", "short")
	c.expect("8 to 63 characters")
	answerHidden(t, c, "give it later: ", "the passphrase")
	answerHidden(t, c, "The same again: ", "the passhprase")
	c.expect("these were two different ones")
	answerHidden(t, c, "give it later: ", "the passphrase")
	answerHidden(t, c, "The same again: ", "the passphrase")
	c.answer("Static address, as 192.168.1.10/24,192.168.1.1, if any: ", "10.0.0.2/24,10.0.0.1")
	c.expect("sd-card.nix")
	if status := c.status(); status != exitOK {
		t.Fatalf("init = %d, %q", status, c.all())
	}
	if all := c.all(); strings.Contains(all, "the passphrase\r") || strings.Contains(all, "short") {
		t.Errorf("the terminal shows the passphrase: %q", all)
	}
	if c.modes() != before {
		t.Errorf("the terminal's modes are %+v; want %+v", c.modes(), before)
	}
	text, err := os.ReadFile(filepath.Join(dir, "sd-card.nix"))
	if err != nil || !slices.Equal(files(t, dir), []string{"sd-card.nix", "sd-card.wifi"}) {
		t.Fatalf("init left %q, %v", files(t, dir), err)
	}
	for _, want := range []string{"Zero 2 W", `hostName = "den"`, "b@home\"\n", "a@home\"\n", `"Asia/Tokyo"`, `networks."my net"`, `"10.0.0.2"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the configuration has no %s:\n%s", want, text)
		}
	}
	key, err := os.ReadFile(filepath.Join(dir, "sd-card.wifi"))
	if err != nil || !hexSHA256.MatchString(strings.TrimSpace(string(key))) || strings.Contains(string(text), strings.TrimSpace(string(key))) {
		t.Errorf("the key is %q, %v, and in the configuration, or none", key, err)
	}
}

// TestInitAsksOnce shows that only what is missing is asked for.
func TestInitAsksOnce(t *testing.T) {
	c, dir := startInit(t, "--board", "rpi4", "--hostname", "den", "--user", "joe", "--timezone", "UTC", "--wifi", "net", "--static-ip", "10.0.0.2/24")
	c.answer("numbers, or a file [1]: ", "~/.ssh/elsewhere.txt")
	c.answer("give it later: ", "")
	if status := c.status(); status != exitOK || !slices.Equal(files(t, dir), []string{"sd-card.nix"}) || strings.Contains(c.all(), "Board") || strings.Contains(c.all(), "Static") {
		t.Errorf("init = %d, left %q, showed %q", status, files(t, dir), c.all())
	}
	if text, _ := os.ReadFile(filepath.Join(dir, "sd-card.nix")); !strings.Contains(string(text), "c@home") {
		t.Errorf("the configuration has another key:\n%s", text)
	}
	key := filepath.Join(c.cmd.Env[0][len("HOME="):], ".ssh", "id_a.pub")
	c, _ = startInit(t, "--board", "rpi4", "--ssh-key", key)
	if status := c.status(); status != exitOK || strings.Contains(c.all(), "[") {
		t.Errorf("init with a board and a key = %d, showed %q", status, c.all())
	}
	c, dir = startInit(t, "--board", "rpi4", "--ssh-key", key, "--wifi", "net")
	answerHidden(t, c, "give it later: ", "some passphrase")
	answerHidden(t, c, "The same again: ", "some passphrase")
	if status := c.status(); status != exitOK || len(files(t, dir)) != 2 {
		t.Errorf("init = %d, left %q", status, files(t, dir))
	}
}

// TestInitWithoutKeys shows that who has no key of their own is asked for a file.
func TestInitWithoutKeys(t *testing.T) {
	c, dir := startInitWith(t, map[string]string{"elsewhere.txt": keyFiles["elsewhere.txt"]}, "--board", "rpi4", "--hostname", "den", "--user", "joe", "--timezone", "UTC", "--static-ip", "10.0.0.2/24")
	c.answer("File with the public ssh key to log in with: ", "")
	c.expect("make one with: ssh-keygen -t ed25519")
	c.answer("File with the public ssh key to log in with: ", "~/.ssh/elsewhere.txt")
	c.answer("Wi-Fi network, if any: ", "")
	if status := c.status(); status != exitOK || len(files(t, dir)) != 1 || strings.Contains(c.all(), "numbers") {
		t.Errorf("init = %d, left %q, showed %q", status, files(t, dir), c.all())
	}
}

// TestInitInterrupted shows that Ctrl-C at any question, the hidden one among them, and
// Ctrl-D at others leave terminal and folder as they were.
func TestInitInterrupted(t *testing.T) {
	for _, test := range []struct{ name, question, flag, value, typed string }{
		{"Ctrl-C", "Host name [nixos]: ", "--timezone", "UTC", "den\x03"},
		{"Ctrl-D", "Host name [nixos]: ", "--timezone", "UTC", "\x04"},
		{"hidden", "give it later: ", "--wifi", "net", "half a pass\x03"},
	} {
		key := filepath.Join(t.TempDir(), "a.pub")
		if err := os.WriteFile(key, []byte(keyFiles["id_a.pub"]), 0o600); err != nil {
			t.Fatal(err)
		}
		args := []string{"--ssh-key", key, test.flag, test.value}
		if test.name == "hidden" {
			args = append(args, "--board", "rpi4")
		}
		c, dir := startInit(t, args...)
		before := c.modes()
		if test.name != "hidden" {
			c.answer("Board: ", "rpi4")
		}
		c.expect(test.question)
		awaitEcho(t, c, test.name != "hidden")
		c.send(test.typed)
		if status := c.status(); status != exitInterrupted || len(files(t, dir)) > 0 || c.modes() != before || strings.Contains(c.all(), "half") {
			t.Errorf("%s: status %d, left %q, modes %+v; want %+v; showed %q", test.name, status, files(t, dir), c.modes(), before, c.all())
		}
	}
}
