package main

import (
	"os"
	"path/filepath"
	"testing"
)

// A folder that a killed process has only begun is finished; one of somebody's making
// stays as it is.
func TestMakeFolder(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	for name, mode := range map[string]os.FileMode{"begun": 0o700, "full": 0o700, "other": 0o750} {
		if err := os.Mkdir(path(name), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(path("full"), "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{"new/one": 0o2775, "begun": 0o2775, "full": 0o700, "other": 0o750} {
		if err := makeFolder(path(name), 0o775|os.ModeSetgid, os.Getuid(), os.Getgid()); err != nil {
			t.Errorf("makeFolder(%q) = %v", name, err)
		}
		info, err := os.Stat(path(name))
		if err != nil {
			t.Fatal(err)
		}
		mode := info.Mode().Perm()
		if info.Mode()&os.ModeSetgid != 0 {
			mode |= 0o2000
		}
		if mode != want {
			t.Errorf("makeFolder(%q) leaves mode %o; want %o", name, mode, want)
		}
	}
}
