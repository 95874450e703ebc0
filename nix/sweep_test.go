package nix

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// What is left of builds goes, also what was made read-only; the store and what links in it
// lead to stays.
func TestSweep(t *testing.T) {
	dir, victim := t.TempDir(), t.TempDir()
	for _, name := range []string{"store/a.drv.chroot/root/nix/store/out", "store/b", "var/nix/builds/nix-1-2/build", "var/nix/db"} {
		if err := errors.Join(os.MkdirAll(filepath.Join(dir, name), 0o755), os.WriteFile(filepath.Join(dir, name, "file"), nil, 0o444)); err != nil {
			t.Fatal(err)
		}
	}
	err := errors.Join(os.WriteFile(filepath.Join(victim, "file"), nil, 0o644),
		os.Symlink(victim, filepath.Join(dir, "var/nix/builds/link")), os.Symlink(victim, filepath.Join(dir, "store/c.drv.chroot")),
		os.Chmod(filepath.Join(dir, "store/a.drv.chroot/root/nix/store/out"), 0o555))
	if err != nil {
		t.Fatal(err)
	}
	if err := Sweep(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	for pattern, want := range map[string][]string{"store/*": {"b"}, "var/nix/*": {"builds", "db"}, "var/nix/builds/*": nil} {
		var got []string
		found, _ := filepath.Glob(filepath.Join(dir, pattern))
		for _, path := range found {
			got = append(got, filepath.Base(path))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q; want %q", pattern, got, want)
		}
	}
	if _, err := os.Stat(filepath.Join(victim, "file")); err != nil {
		t.Errorf("what a link led to: %v", err)
	}
	if err := Sweep(t.Context(), t.TempDir()); err != nil {
		t.Errorf("Sweep of a folder without a store: %v", err)
	}
}
