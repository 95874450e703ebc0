package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"nixsd-native/internal/image"
)

// openT opens outputs in a new folder.
func openT(t *testing.T) (o *outputs, dir string) {
	t.Helper()
	dir = t.TempDir()
	o = locateOutputs(dir)
	if _, err := o.open(image.Owner{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.discard)
	return o, dir
}

// inFolder returns the names in a folder.
func inFolder(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// --output is a folder, there or made, or a file in one that is there.
func TestOutputsOpen(t *testing.T) {
	for _, tt := range []struct {
		target, file string
		code         int // exit code; 0 for none
	}{
		{"", "", 0},
		{"new", "new", 0}, // without a slash it is a file's name
		{"new/", "", 0},
		{"there", "", 0},
		{"there/x.img", "x.img", 0},
		{"there/x", "x", 0},
		{"x.img.zst", "x.img.zst", 0},

		{"none/x.img", "x.img", 0}, // its folder is made
		{"none/none/x.img", "", exitOutput},
		{"file/x.img", "", exitOutput},
		{"file/", "", exitOutput},
		{".hidden", "", exitUsage},
		{"there/.x.img", "", exitUsage},
		{"x.json", "", exitUsage},
		{"x.nix", "", exitUsage},
		{"nixsd.lock", "", exitUsage},
		{"two\nlines.img", "", exitUsage},
		{"there/x.json", "", exitUsage},
	} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "there"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "file"), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		o := locateOutputs(dir + "/" + tt.target)
		file, err := o.open(image.Owner{})
		if exitCode(err) != tt.code || err == nil && file != tt.file || tt.code == exitUsage && len(hints(err)) == 0 {
			t.Errorf("open(%q) = %q, %v; want %q, exit code %d", tt.target, file, err, tt.file, tt.code)
		}
		o.discard()
		for _, name := range slices.Concat(inFolder(t, dir), inFolder(t, filepath.Join(dir, "there"))) {
			if name != "there" && name != "file" {
				t.Errorf("open(%q) left %s", tt.target, name)
			}
		}
	}
	if _, err := new(outputs).open(image.Owner{}); err == nil {
		t.Error("open without a target succeeded")
	}
}

// A folder stays that was there before, or has something in it.
func TestOutputsKeepFolder(t *testing.T) {
	dir := t.TempDir()
	for name, fill := range map[string]bool{"there": false, "filled": true} {
		path := filepath.Join(dir, name)
		if !fill {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		o := locateOutputs(path + "/")
		if _, err := o.open(image.Owner{}); err != nil {
			t.Fatal(err)
		}
		if fill {
			if err := os.WriteFile(filepath.Join(path, "file"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		o.discard()
		if _, err := os.Stat(path); err != nil {
			t.Errorf("discard removed the folder %s: %v", name, err)
		}
	}
}

// A full disk is named by its folder.
func TestOutputError(t *testing.T) {
	for _, tt := range []struct{ output, file, want string }{
		{"/srv/images/", "", "/srv/images"},
		{"/srv/images", "", "/srv/images"},
		{"/srv/images/pi4.img", "pi4.img", "/srv/images"},
	} {
		b := &build{job: &buildJob{output: tt.output}, fileName: tt.file}
		full := &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
		if got, want := b.outputError(full).Error(), "output "+tt.want+": no space left on device"; got != want {
			t.Errorf("outputError to %s = %q; want %q", tt.output, got, want)
		}
	}
}

// Until commit, a folder has what it had; then it has what was committed, in order.
func TestOutputsCommit(t *testing.T) {
	o, dir := openT(t)
	if err := os.WriteFile(filepath.Join(dir, "a.img"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.img", "b.json", "never"} {
		f, err := o.create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("new " + name); err != nil {
			t.Fatal(err)
		}
	}
	if data, err := os.ReadFile(filepath.Join(dir, "a.img")); string(data) != "old" {
		t.Errorf("before commit, a.img = %q, %v", data, err)
	}
	paths, err := o.commit([]string{"b.json", "a.img"})
	if want := []string{filepath.Join(dir, "b.json"), filepath.Join(dir, "a.img")}; err != nil || !slices.Equal(paths, want) {
		t.Errorf("commit = %q, %v; want %q", paths, err, want)
	}
	o.discard()
	if got, want := inFolder(t, dir), []string{"a.img", "b.json"}; !slices.Equal(got, want) {
		t.Errorf("the folder has %q; want %q", got, want)
	}
	for _, name := range []string{"a.img", "b.json"} {
		if data, err := os.ReadFile(filepath.Join(dir, name)); string(data) != "new "+name {
			t.Errorf("%s = %q, %v", name, data, err)
		}
	}
}

// The worker, which asks for outputs, cannot begin one twice, commit what it did not
// begin, or name a file elsewhere.
func TestOutputsRefuse(t *testing.T) {
	if _, err := new(outputs).create("x"); err == nil {
		t.Error("create before open succeeded")
	}
	if _, err := new(outputs).commit([]string{"x"}); err == nil {
		t.Error("commit before open succeeded")
	}
	new(outputs).discard()
	o, dir := openT(t)
	for _, name := range []string{"", ".", "..", ".x", "a/b", "/etc/x", "../x", "a/"} {
		if _, err := o.create(name); err == nil {
			t.Errorf("create(%q) succeeded", name)
		}
	}
	if _, err := o.create("x"); err != nil {
		t.Fatal(err)
	}
	if _, err := o.create("x"); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("create again = %v; want an error", err)
	}
	if paths, err := o.commit([]string{"y"}); err == nil || paths != nil {
		t.Errorf("commit of what was not begun = %q, %v", paths, err)
	}
	if _, err := o.commit([]string{"x", "x"}); err == nil {
		t.Error("commit of the same twice succeeded")
	}
	o.discard()
	if got := inFolder(t, dir); !slices.Equal(got, []string{"x"}) {
		t.Errorf("the folder has %q; want x", got)
	}
}
