package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"nixsd-native/internal/tmux"
)

// Size of the terminal that is drawn.
const (
	columns = 90
	rows    = 28
)

// command is what is typed, in a folder of a home of its own.
const command = "nixsd-native build --demo --ssh-key me.pub"

// watch builds the demo in a terminal. It returns the screen when most derivations ran, and
// the last one.
func watch(cache, binary string) (busiest, last string, err error) {
	home, err := os.MkdirTemp("", "picture-*")
	if err != nil {
		return "", "", err
	}
	defer remove(home)
	if err := furnish(home, cache, binary); err != nil {
		return "", "", err
	}
	program, err := exec.LookPath("tmux")
	if err != nil {
		return "", "", err
	}
	const prompt = "~/sd $ "
	t, err := tmux.Open(tmux.Config{
		Program: program, Columns: columns, Rows: rows, Dir: filepath.Join(home, "sd"),
		Env:     []string{"HOME=" + home, "PATH=" + filepath.Join(home, "bin") + ":/usr/bin:/bin", "TERM=xterm-256color"},
		Command: []string{"sh", "-c", "echo '" + prompt + command + "'; " + command + "; status=$?; printf '" + prompt + "'; exit $status"},
	})
	if err != nil {
		return "", "", err
	}
	defer t.Close()
	most := 0
	for {
		status, ended, err := t.Ended()
		if err != nil {
			return "", "", err
		}
		text, err := t.Styled()
		if err != nil {
			return "", "", err
		}
		text = strings.ReplaceAll(text, home, "~")
		if n := len(running.FindAllString(text, -1)); n >= most && n > 0 {
			busiest, most = text, n
		}
		if ended && status != "0" {
			return "", "", fmt.Errorf("%s ended with status %s:\n%s", command, status, text)
		}
		if ended {
			return busiest, text, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// running is the line of a derivation that runs.
var running = regexp.MustCompile(`(?m)^ +\d+:\d\d  \S`)

// furnish makes the home: the program, a folder to work in, a key that nobody has.
func furnish(home, cache, binary string) error {
	for _, dir := range []string{"bin", "sd", ".cache"} {
		if err := os.Mkdir(filepath.Join(home, dir), 0o755); err != nil {
			return err
		}
	}
	make := exec.Command("go", "build", "-o", filepath.Join(home, "bin"), "./cmd/nixsd-native")
	if binary != "" {
		make = exec.Command("cp", binary, filepath.Join(home, "bin", "nixsd-native"))
	}
	make.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := make.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %v\n%s", make, err, out)
	}
	key := "\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20" + strings.Repeat("\x01", 32) // RFC 8709, section 4
	text := "ssh-ed25519 " + base64.StdEncoding.EncodeToString([]byte(key)) + " me\n"
	if err := os.WriteFile(filepath.Join(home, "sd", "me.pub"), []byte(text), 0o644); err != nil || cache == "" {
		return err
	}
	return os.CopyFS(filepath.Join(home, ".cache", "nixsd-native"), os.DirFS(cache))
}

// remove removes a home with its store, whose folders are read-only.
func remove(home string) {
	filepath.WalkDir(home, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = os.Chmod(path, 0o700)
		}
		if errors.Is(err, os.ErrPermission) {
			return nil
		}
		return err
	})
	os.RemoveAll(home)
}
