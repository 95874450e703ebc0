package image

import (
	"os"
	"path/filepath"
	"testing"
)

// A place stays what its path led to, whatever somebody does to the path afterwards.
func TestPlace(t *testing.T) {
	for _, exists := range []bool{true, false} {
		dir := t.TempDir()
		path, elsewhere := filepath.Join(dir, "out"), filepath.Join(t.TempDir(), "elsewhere")
		if err := os.Mkdir(elsewhere, 0o755); err != nil {
			t.Fatal(err)
		}
		if exists {
			if err := os.Mkdir(path, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		p, err := Locate(path)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if exists {
			if err := os.Rename(path, path+".moved"); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink(elsewhere, path); err != nil {
			t.Fatal(err)
		}
		f, err := p.Open(Owner{})
		if exists != (err == nil) {
			t.Errorf("a folder that existed is %v: Open = %v", exists, err)
		}
		if err != nil {
			continue
		}
		defer f.Close()
		pending, err := f.Create("file")
		if err != nil {
			t.Fatal(err)
		}
		if err := pending.Commit(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(path+".moved", "file")); err != nil {
			t.Errorf("the file is not where the path led to: %v", err)
		}
	}
}

// A folder whose path is a link is the one that it leads to, and a file in a folder is
// opened only if it is one.
func TestPlaceOfLink(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "real"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	f, err := OpenFolder(filepath.Join(dir, "link"), Owner{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for name, make := range map[string]func(path string) error{
		"file":    func(path string) error { return os.WriteFile(path, []byte("x"), 0o644) },
		"folder":  func(path string) error { return os.Mkdir(path, 0o755) },
		"outside": func(path string) error { return os.Symlink("/etc/passwd", path) },
	} {
		if err := make(filepath.Join(dir, "real", name)); err != nil {
			t.Fatal(err)
		}
		file, err := f.OpenFile(name)
		if (err == nil) != (name == "file") {
			t.Errorf("OpenFile(%q) = %v", name, err)
		}
		if err == nil {
			file.Close()
		}
	}
	if _, err := Locate(filepath.Join(dir, "missing", "deeper")); err == nil {
		t.Error("Locate of a folder in a missing one succeeded")
	}
}
