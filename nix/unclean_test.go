package nix

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nix-community/go-nix/pkg/nar"
)

// dumpOf registers store paths as they are, each referring to those that its name has
// behind the arrow.
func dumpOf(t *testing.T, s Store, paths ...string) []byte {
	t.Helper()
	var b strings.Builder
	for _, p := range paths {
		name, refs, _ := strings.Cut(p, " -> ")
		hash := sha256.New()
		size := &counted{w: hash}
		if err := nar.DumpPath(size, filepath.Join(s.Dir, "store", name)); err != nil {
			t.Fatal(err)
		}
		all := strings.Fields(refs)
		fmt.Fprintf(&b, "/nix/store/%s\n%x\n%d\n\n%d\n", name, hash.Sum(nil), size.n, len(all))
		for _, r := range all {
			fmt.Fprintf(&b, "/nix/store/%s\n", r)
		}
	}
	return []byte(b.String())
}

// usedStore is one with Nix and more in it, and no run under way. deleted holds what is
// removed from it.
func usedStore(t *testing.T) (s Store, deleted, notes *[]string) {
	t.Helper()
	s = newStore(t)
	deleted, notes = new([]string), new([]string)
	if err := install(t.Context(), s, archive(t, nixEntries()...)); err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(s.Dir, database)
	if err := errors.Join(os.MkdirAll(filepath.Dir(db), 0o755), os.WriteFile(db, []byte("paths"), 0o644)); err != nil {
		t.Fatal(err)
	}
	dump := dumpOf(t, s, nixName+" -> "+cacertName, cacertName, shellName+" -> "+fileName, fileName)
	s.DumpDB = func(context.Context, string) ([]byte, error) { return dump, nil }
	s.Delete = func(_ context.Context, nixStore string, paths []string) error {
		if nixStore != sampleNix.Program("nix-store") {
			t.Errorf("Delete with %s", nixStore)
		}
		*deleted = append(*deleted, paths...)
		return nil
	}
	s.Note = func(text string) { *notes = append(*notes, text) }
	return s, deleted, notes
}

// spoilStored changes a file of a store path.
func spoilStored(t *testing.T, s Store, name string) {
	t.Helper()
	file := filepath.Join(s.Dir, "store", name)
	if err := errors.Join(os.Chmod(file, 0o644), os.Truncate(file, 0)); err != nil {
		t.Fatal(err)
	}
}

// After a run that came to its end nothing is looked at; after one that did not, what is
// damaged goes, with all that refers to it.
func TestBegin(t *testing.T) {
	s, deleted, notes := usedStore(t)
	begin := func(s Store) {
		t.Helper()
		if err := s.Begin(t.Context()); err != nil || !exists(s.Dir, uncleanName) {
			t.Fatalf("Begin = %v; the mark is there: %v", err, exists(s.Dir, uncleanName))
		}
	}
	spoilStored(t, s, fileName)
	begin(s)
	if err := s.End(); err != nil || exists(s.Dir, uncleanName) {
		t.Fatalf("End = %v; the mark is there: %v", err, exists(s.Dir, uncleanName))
	}
	begin(s)
	if len(*deleted)+len(*notes) > 0 {
		t.Errorf("after a run that ended, Begin removed %q and said %q; want nothing", *deleted, *notes)
	}
	begin(s)
	if want := []string{"/nix/store/" + shellName, "/nix/store/" + fileName}; !slices.Equal(*deleted, want) {
		t.Errorf("after one that did not, Begin removed %q; want %q", *deleted, want)
	}
	if len(*notes) != 2 || !strings.Contains((*notes)[1], "1 store paths were damaged, "+fileName) {
		t.Errorf("Begin said %q", *notes)
	}
}

// End leaves the mark if the store could not be flushed.
func TestEndWithoutSync(t *testing.T) {
	s, _, _ := usedStore(t)
	s.Sync = func(string) error { return errors.New("cannot sync") }
	if err := s.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.End(); err == nil || !exists(s.Dir, uncleanName) {
		t.Errorf("End = %v; the mark is there: %v; want an error and the mark", err, exists(s.Dir, uncleanName))
	}
}

// A store that cannot be mended, or lacks what makes it one, is emptied.
func TestBeginAnew(t *testing.T) {
	remove := func(name string) func(*testing.T, *Store) {
		return func(t *testing.T, s *Store) {
			unlock(s.Dir)
			if err := os.Remove(filepath.Join(s.Dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	empty := func(name string) func(*testing.T, *Store) {
		return func(t *testing.T, s *Store) { spoilStored(t, *s, "../"+name) }
	}
	record := strings.TrimPrefix(RecordPath(sampleHash), "/nix/")
	for _, c := range []struct {
		name    string
		harm    func(*testing.T, *Store)
		unclean bool // it takes a look to see it
		says    int  // notes
	}{
		{"no record", remove(record), false, 0},
		{"empty record", empty(record), false, 1},
		{"no database", remove(database), false, 1},
		{"empty database", empty(database), false, 1},
		{"no program", remove("store/" + nixName + "/bin/nix-store"), false, 1},
		{"empty certificates", empty("store/" + cacertName + "/etc/ssl/certs/ca-bundle.crt"), false, 1},
		{"damaged Nix", empty("store/" + nixName + "/bin/nix"), true, 2},
		{"no dump", func(_ *testing.T, s *Store) {
			s.DumpDB = func(context.Context, string) ([]byte, error) { return nil, errors.New("malformed") }
		}, true, 2},
		{"no way to delete", func(t *testing.T, s *Store) {
			spoilStored(t, *s, fileName)
			s.Delete = func(context.Context, string, []string) error { return errors.New("cannot delete") }
		}, true, 2},
	} {
		s, deleted, notes := usedStore(t)
		if c.unclean {
			if err := s.Begin(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		c.harm(t, &s)
		if err := s.Begin(t.Context()); err != nil || exists(s.Dir, "var") || exists(s.Dir, "store") || installed(t, s) != nil || !exists(s.Dir, uncleanName) {
			t.Errorf("%s: Begin = %v; want an empty store with the mark, not\n%s", c.name, err, tree(t, s.Dir))
		}
		if len(*deleted) > 0 || len(*notes) != c.says {
			t.Errorf("%s: removed %q and said %q; want %d notes", c.name, *deleted, *notes, c.says)
		}
		if err := errors.Join(install(t.Context(), s, archive(t, nixEntries()...)), s.End()); err != nil {
			t.Errorf("%s: install again: %v", c.name, err)
		}
		checkInstalled(t, s)
	}
}

// What is no dump is refused; a path that a dump has, but not the store, is damaged.
func TestRegistrations(t *testing.T) {
	p, hash := "/nix/store/"+fileName, strings.Repeat("ab", 32)
	for _, bad := range []string{
		"x\n", p + "\n", p + "\nab\n1\n\n0\n", p + "\n" + hash + "\nx\n\n0\n", p + "\n" + hash + "\n1\n\n-1\n",
		p + "\n" + hash + "\n1\n\n1\n", p + "\n" + hash + "\n1\n\n1\n/etc/passwd\n",
	} {
		if got, err := parseRegistrations([]byte(bad)); err == nil {
			t.Errorf("parseRegistrations(%q) = %+v; want an error", bad, got)
		}
	}
	s := newStore(t)
	all, err := parseRegistrations([]byte(p + "\n" + hash + "\n1\n\n1\n" + p + "\n"))
	if err != nil || len(all) != 1 || !slices.Equal(all[0].references, []string{p}) {
		t.Fatalf("parseRegistrations = %+v, %v", all, err)
	}
	if bad, err := s.damaged(t.Context(), all); err != nil || !slices.Equal(bad, []string{p}) {
		t.Errorf("damaged = %q, %v; want the missing path", bad, err)
	}
}

func FuzzRegistrations(f *testing.F) {
	p := "/nix/store/" + fileName
	f.Add([]byte(p + "\n" + strings.Repeat("ab", 32) + "\n1\n\n1\n" + p + "\n"))
	f.Fuzz(func(t *testing.T, dump []byte) {
		all, err := parseRegistrations(dump)
		for _, r := range all {
			if err == nil && !storePath.MatchString(r.path) {
				t.Errorf("%q is no store path", r.path)
			}
		}
	})
}
