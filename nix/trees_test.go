package nix

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// changes are what can be wrong with a store path that is there already.
var changes = map[string]func(dir string) error{
	"content":   func(dir string) error { return rewrite(filepath.Join(dir, "bin/nix"), "the pr0gram", 0o555) },
	"size":      func(dir string) error { return rewrite(filepath.Join(dir, "bin/nix"), "", 0o555) },
	"mode":      func(dir string) error { return os.Chmod(filepath.Join(dir, "bin/nix"), 0o444) },
	"writable":  func(dir string) error { return os.Chmod(dir, 0o755) },
	"missing":   func(dir string) error { return os.Remove(filepath.Join(dir, "bin/nix")) },
	"one more":  func(dir string) error { return rewrite(filepath.Join(dir, "bin/more"), "", 0o444) },
	"empty":     func(dir string) error { return os.RemoveAll(filepath.Join(dir, "bin")) },
	"no link":   func(dir string) error { return rewrite(filepath.Join(dir, "bin/nix-store"), "the program", 0o555) },
	"link":      func(dir string) error { return relink(filepath.Join(dir, "bin/nix-store"), "nix2") },
	"no folder": func(dir string) error { return errors.Join(os.RemoveAll(dir), rewrite(dir, "a file", 0o444)) },
	"leads out": func(dir string) error { return errors.Join(os.RemoveAll(dir), relink(dir, "../../outside")) },
	"lent": func(dir string) error { // the same, but elsewhere
		return errors.Join(os.Rename(dir, dir+"-2"), relink(dir, filepath.Base(dir)+"-2"))
	},
}

func rewrite(name, content string, mode fs.FileMode) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return errors.Join(os.WriteFile(name, []byte(content), 0o644), os.Chmod(name, mode))
}

func relink(name, to string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Symlink(to, name)
}

// TestInstallReplaces shows that a store path that differs in any way is replaced.
func TestInstallReplaces(t *testing.T) {
	tarball := archive(t, nixEntries()...)
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			if err := install(t.Context(), s, tarball); err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(s.Dir, "store", nixName)
			before := tree(t, dir)
			unlock(dir)
			err := change(dir)
			for _, keep := range []string{dir + "/bin", dir} { // as they were
				if info, err := os.Lstat(keep); err == nil && info.IsDir() && name != "writable" {
					os.Chmod(keep, 0o555)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := install(t.Context(), s, tarball); err != nil {
				t.Fatal(err)
			}
			if info, err := os.Lstat(dir); err != nil || info.Mode() != fs.ModeDir|0o555 {
				t.Errorf("%s is %v, %v; want a read-only folder", dir, info, err)
			}
			if got := tree(t, dir); got != before {
				t.Errorf("it is\n%s; want\n%s", got, before)
			}
		})
	}
}

// TestInstallKeeps shows that store paths that are the same are not touched, as
// programs may run from them, nor are those of others.
func TestInstallKeeps(t *testing.T) {
	s := newStore(t)
	tarball := archive(t, nixEntries()...)
	other := filepath.Join(s.Dir, "store", strings.Repeat("5", 32)+"-other")
	if err := errors.Join(os.MkdirAll(filepath.Dir(other), 0o755), os.WriteFile(other, []byte("mine"), 0o444)); err != nil {
		t.Fatal(err)
	}
	var before []fs.FileInfo
	for range 2 {
		if err := install(t.Context(), s, tarball); err != nil {
			t.Fatal(err)
		}
		var now []fs.FileInfo
		for _, name := range []string{nixName, nixName + "/bin/nix", cacertName, fileName, filepath.Base(other)} {
			info, err := os.Lstat(filepath.Join(s.Dir, "store", name))
			if err != nil {
				t.Fatal(err)
			}
			now = append(now, info)
		}
		for i := range before {
			if !os.SameFile(before[i], now[i]) {
				t.Errorf("%s was replaced", now[i].Name())
			}
		}
		before = now
	}
}

// TestInstallLinks shows that a store path may be a link, wherever it leads.
func TestInstallLinks(t *testing.T) {
	name := strings.Repeat("5", 32) + "-link"
	for _, to := range []string{"/nix/store/" + cacertName, cacertName, "missing", "../../outside", "../../../../../outside"} {
		s := newStore(t)
		tarball := archive(t, append(nixEntries(), link(nixTop+"/store/"+name, to))...)
		for range 2 {
			if err := install(t.Context(), s, tarball); err != nil {
				t.Fatalf("%s: %v", to, err)
			}
			if got, err := os.Readlink(filepath.Join(s.Dir, "store", name)); got != to || err != nil {
				t.Errorf("the link leads to %q, %v; want %q", got, err, to)
			}
		}
	}
}

// wipeable returns a Store with an installation, a channel, and a database that
// tells of the store paths.
func wipeable(t *testing.T) Store {
	t.Helper()
	s := newStore(t)
	db := filepath.Join(s.Dir, "var/nix/db")
	err := errors.Join(
		install(t.Context(), s, archive(t, nixEntries()...)),
		installChannel(t.Context(), s, archive(t, channelEntries()...)),
		os.MkdirAll(db, 0o755),
		os.WriteFile(filepath.Join(db, "db.sqlite"), []byte(nixName), 0o644),
		os.Symlink("../../outside", filepath.Join(s.Dir, "store/out")),
		os.Symlink("../..", filepath.Join(s.Dir, "up")),
		os.Mkdir(filepath.Join(s.Dir, "store/.links"), 0o555),
	)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestWipe shows that everything goes, links are not followed, and the folder itself
// stays.
func TestWipe(t *testing.T) {
	s := wipeable(t)
	var want int64
	filepath.WalkDir(s.Dir, func(_ string, d fs.DirEntry, _ error) error {
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			want += info.Size()
		}
		return nil
	})
	for range 2 {
		freed, err := Wipe(t.Context(), s.Dir)
		if err != nil || freed != want {
			t.Errorf("Wipe = %d, %v; want %d", freed, err, want)
		}
		if got := tree(t, s.Dir); got != "" || !exists(s.Dir) {
			t.Errorf("it left\n%s", got)
		}
		want = 0
	}
	if _, err := Wipe(t.Context(), filepath.Join(s.Dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Wipe of no folder = %v", err)
	}
}

// TestWipeForeignNames shows that names that are no UTF-8, which sources that were
// unpacked into the store may have, are no obstacle.
func TestWipeForeignNames(t *testing.T) {
	s := newStore(t)
	for _, name := range []string{"store/x/a\xff/b", "var/a\xff/b\xfe", "a\xff/b"} {
		name = filepath.Join(s.Dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte("12"), 0o444), os.Chmod(filepath.Dir(name), 0o555)); err != nil {
			t.Fatal(err)
		}
	}
	if freed, err := Wipe(t.Context(), s.Dir); freed != 6 || err != nil || tree(t, s.Dir) != "" {
		t.Errorf("Wipe = %d, %v, and it left\n%s; want 6 and nothing left", freed, err, tree(t, s.Dir))
	}
}

// TestWipeInterrupted shows that at no time something tells of store paths that are
// gone, and that a second run finishes.
func TestWipeInterrupted(t *testing.T) {
	for n := 0; ; n++ {
		s := wipeable(t)
		left := n
		_, err := Wipe(lapsing{context.WithoutCancel(t.Context()), &left}, s.Dir)
		if err == nil {
			return
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("time %d: %v", n, err)
		}
		told := installed(t, s) != nil || exists(s.Dir, "var/nix/db/db.sqlite")
		if told && (!exists(s.Dir, "store", nixName, "bin/nix") || !exists(s.Dir, "store", fileName)) {
			t.Errorf("time %d: a record or the database tells of what is gone:\n%s", n, tree(t, s.Dir))
		}
		if _, err := Wipe(t.Context(), s.Dir); err != nil || tree(t, s.Dir) != "" {
			t.Errorf("time %d: the second Wipe = %v, and it left\n%s", n, err, tree(t, s.Dir))
		}
	}
}
