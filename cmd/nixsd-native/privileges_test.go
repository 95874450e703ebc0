package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// configT makes files and links to look for a configuration among.
func configT(t *testing.T) (dir string) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "real", "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sd-card.nix", "real/board.nix", "real/two words"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("{ }"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{
		"link.nix": "real/board.nix", "second.nix": "link.nix", "linked": "real", "absolute.nix": filepath.Join(dir, "real/board.nix"),
		"dangling.nix": "none.nix", "loop.nix": "loop.nix", "folder.nix": "real",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// The folder that the sandbox sees is that of the real file, whatever links and
// folders lead there.
func TestLocateConfig(t *testing.T) {
	dir := configT(t)
	t.Chdir(dir)
	for _, tt := range []struct{ config, folder, inside string }{
		{"sd-card.nix", "", "/config/sd-card.nix"},
		{"./real/../sd-card.nix", "", "/config/sd-card.nix"},
		{filepath.Join(dir, "sd-card.nix"), "", "/config/sd-card.nix"},
		{"real/board.nix", "real", "/config/board.nix"},
		{"real/two words", "real", "/config/two words"},
		{"link.nix", "real", "/config/board.nix"},
		{"second.nix", "real", "/config/board.nix"},
		{"absolute.nix", "real", "/config/board.nix"},
		{"linked/board.nix", "real", "/config/board.nix"},
	} {
		all, err := needs{configs: []string{tt.config}}.locate()
		want := located{Name: tt.config, File: tt.inside, Dir: filepath.Join(dir, tt.folder), Mount: insideConfig}
		if err != nil || !slices.Equal(all, []located{want}) {
			t.Errorf("locate(%q) = %+v, %v; want %+v", tt.config, all, err, want)
		}
	}
	if all, err := (needs{}).locate(); !slices.Equal(all, []located{{}}) || err != nil {
		t.Errorf("locate of none = %+v, %v; want the built-in one", all, err)
	}
}

// What is no file is a usage error that names it as the user did, and says what to
// name.
func TestLocateConfigErrors(t *testing.T) {
	t.Chdir(configT(t))
	for config, want := range map[string][2]string{
		"none.nix":         {"no such file or directory", "name an existing file"},
		"none/sd-card.nix": {"no such file or directory", "name an existing file"},
		"dangling.nix":     {"no such file or directory", "name an existing file"},
		"loop.nix":         {"too many links", "name an existing file"},
		"sd-card.nix/x":    {"not a directory", "name an existing file"},
		"a\x00b":           {"invalid argument", "name an existing file"},
		"pipe":             {"is no file", ""},
		os.DevNull:         {"is no file", ""},
	} {
		all, err := needs{configs: []string{config}}.locate()
		if err == nil || all != nil || exitCode(err) != exitUsage || !strings.HasPrefix(err.Error(), "configuration "+config) || !strings.HasSuffix(err.Error(), want[0]) {
			t.Errorf("locate(%q) = %+v, %v; want a usage error …%s", config, all, err, want[0])
			continue
		}
		if h := hints(err); len(h) != 1 || !strings.Contains(h[0], want[1]) {
			t.Errorf("locateConfig(%q) hints %q; want …%s…", config, h, want[1])
		}
	}
}

func TestBare(t *testing.T) {
	other := errors.New("other")
	path := &os.PathError{Op: "open", Path: "/x", Err: fs.ErrPermission}
	for _, tt := range []struct{ err, want error }{
		{nil, nil},
		{other, other},
		{path, fs.ErrPermission},
		{fmt.Errorf("read: %w", path), fs.ErrPermission},
	} {
		if got := bare(tt.err); got != tt.want {
			t.Errorf("bare(%v) = %v; want %v", tt.err, got, tt.want)
		}
	}
}

// A key that root alone may read is read for the builders and for --push-to.
func TestMonitorOpensAgain(t *testing.T) {
	name := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(name, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := &rootMonitor{files: openAll([]string{name, name + ".missing"})}
	for range 2 {
		f, err := m.open(name)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(f); string(got) != "text" || err != nil {
			t.Errorf("read %q, %v; want the whole file each time", got, err)
		}
	}
	for _, other := range []string{name + ".missing", "/etc/passwd"} {
		if f, err := m.open(other); err == nil {
			t.Errorf("open(%q) = %v; want an error", other, f)
		}
	}
}

func TestOpenProgram(t *testing.T) {
	f, err := openProgram()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ours, err := os.Stat("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := f.Stat(); err != nil || !os.SameFile(got, ours) {
		t.Errorf("openProgram opened %v, %v; want the test's own file", got, err)
	}
}
