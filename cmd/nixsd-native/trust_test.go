package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"nixsd-native/internal/testenv"
)

// Ids that systems give to nobody.
const (
	trustedID = 54331
	foreignID = 54332
)

// lay makes folders, and links by " -> ", with modes and owners, below a folder that is
// root's alone.
func lay(t *testing.T, entries []entry) (base string) {
	t.Helper()
	base = t.TempDir()
	for _, e := range entries {
		path := filepath.Join(base, e.path)
		var err error
		if link, to, ok := strings.Cut(e.path, " -> "); ok {
			path = filepath.Join(base, link)
			err = os.Symlink(strings.ReplaceAll(to, "BASE", base), path)
		} else {
			err = os.Mkdir(path, 0o700)
		}
		if err == nil {
			err = os.Lchown(path, e.uid, e.gid)
		}
		if err == nil && e.mode != 0 {
			err = syscall.Chmod(path, e.mode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return base
}

type entry struct {
	path     string
	mode     uint32
	uid, gid int
}

// A path is refused if somebody else could change what it leads to, and where that is said.
func TestTrust(t *testing.T) {
	testenv.NeedRoot(t)
	strict, shared := trust{users: []int{0, trustedID}}, trust{users: []int{0, trustedID}, anyGroup: true}
	for _, tt := range []struct {
		name    string
		trust   trust
		entries []entry
		path    string
		bad     string // what is named, or "" if the path is safe
	}{
		{"root's", strict, []entry{{"a", 0o755, 0, 0}}, "a", ""},
		{"the caller's", strict, []entry{{"a", 0o755, trustedID, trustedID}}, "a", ""},
		{"not there", strict, nil, "a/b/c", ""},
		{"somebody's", strict, []entry{{"a", 0o755, foreignID, foreignID}}, "a", "a"},
		{"in somebody's", strict, []entry{{"a", 0o755, foreignID, 0}, {"a/b", 0o755, 0, 0}}, "a/b", "a"},
		{"not there, in somebody's", strict, []entry{{"a", 0o755, foreignID, 0}}, "a/b", "a"},
		{"everybody's", strict, []entry{{"a", 0o777, 0, 0}}, "a", "a"},
		{"everybody's and sticky", strict, []entry{{"a", 0o1777, 0, 0}}, "a", "a"},
		{"in everybody's", strict, []entry{{"a", 0o777, 0, 0}, {"a/b", 0o755, 0, 0}}, "a/b", "a"},
		{"not there, in everybody's", strict, []entry{{"a", 0o777, 0, 0}}, "a/b", "a"},
		{"in one like /tmp", strict, []entry{{"a", 0o1777, 0, 0}, {"a/b", 0o755, 0, 0}}, "a/b", ""},
		{"somebody's in one like /tmp", strict, []entry{{"a", 0o1777, 0, 0}, {"a/b", 0o755, foreignID, 0}}, "a/b", "a/b"},
		{"a group's", strict, []entry{{"a", 0o775, 0, foreignID}}, "a", "a"},
		{"the owner's own group's", strict, []entry{{"a", 0o775, trustedID, trustedID}}, "a", ""},
		{"in a group's", shared, []entry{{"a", 0o775, 0, foreignID}, {"a/b", 0o755, 0, 0}}, "a/b", "a"},
		{"shared by a group", shared, []entry{{"a", 0o2775, 0, foreignID}}, "a", ""},
		{"shared by everybody", shared, []entry{{"a", 0o2777, 0, foreignID}}, "a", "a"},
		{"by root's link", strict, []entry{{"a", 0o755, 0, 0}, {"l -> a", 0, 0, 0}}, "l", ""},
		{"by an absolute link", strict, []entry{{"a", 0o755, 0, 0}, {"l -> BASE/a", 0, 0, 0}}, "l", ""},
		{"by somebody's link", strict, []entry{{"s", 0o1777, 0, 0}, {"a", 0o755, 0, 0}, {"s/l -> ../a", 0, foreignID, 0}}, "s/l", "s/l"},
		{"by a link through somebody's", strict, []entry{{"x", 0o755, foreignID, 0}, {"x/a", 0o755, 0, 0}, {"l -> x/a", 0, 0, 0}}, "l", "x"},
		{"back out of a link", strict, []entry{{"a", 0o755, 0, 0}, {"a/b", 0o755, 0, 0}, {"l -> a/b/..", 0, 0, 0}}, "l", ""},
		{"by a link to nothing in everybody's", strict, []entry{{"a", 0o777, 0, 0}, {"l -> a/b", 0, 0, 0}}, "l", "a"},
	} {
		base := lay(t, tt.entries)
		err := tt.trust.check(filepath.Join(base, tt.path))
		bad := (*unsafeError)(nil)
		switch {
		case tt.bad == "" && err != nil:
			t.Errorf("%s: %v; want none", tt.name, err)
		case tt.bad != "" && (!errors.As(err, &bad) || bad.path != filepath.Join(base, tt.bad)):
			t.Errorf("%s: %v; want that %s is named", tt.name, err, tt.bad)
		}
	}
}

// Links that lead nowhere end the walk.
func TestTrustLoops(t *testing.T) {
	base := t.TempDir()
	if err := errors.Join(os.Symlink("b", filepath.Join(base, "a")), os.Symlink("a", filepath.Join(base, "b"))); err != nil {
		t.Fatal(err)
	}
	us := trust{users: []int{0, os.Geteuid()}}
	if err := us.check(filepath.Join(base, "a")); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("check of a loop = %v; want ELOOP", err)
	}
}

// The store's folder is nobody else's, whatever it was.
func TestKeepClosed(t *testing.T) {
	base := t.TempDir()
	open, link, fresh := filepath.Join(base, "open"), filepath.Join(base, "link"), filepath.Join(base, "fresh")
	if err := errors.Join(os.Mkdir(open, 0o755), os.Symlink(open, link)); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{open, fresh} {
		if err := keepClosed(dir); err != nil {
			t.Error(err)
		}
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s has mode %v, %v; want 0700", dir, info.Mode(), err)
		}
	}
	if err := keepClosed(link); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("keepClosed of a link = %v; want ENOTDIR", err)
	}
}
