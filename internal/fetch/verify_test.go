package fetch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// filesOf lists a tree with what tells whether somebody touched it.
func filesOf(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		all = append(all, path+" "+info.Mode().String()+" "+info.ModTime().String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Verify tells what is there, missing and damaged, and leaves all as it is.
func TestVerify(t *testing.T) {
	sum, named := sumOf(good), sumOf(good)+"-f.deb"
	for _, c := range []struct {
		name    string
		setup   func(*testing.T, string)
		size    int64
		found   string
		damaged bool
	}{
		{"empty", func(*testing.T, string) {}, 0, "", false},
		{"there", plant(named, good), 0, named, false},
		{"under another name", plant("other", good), int64(len(good)), "other", false},
		{"under another name, size unknown", plant("other", good), 0, "other", false},
		{"damaged", plant(named, evil), 0, "", true},
		{"damaged, and sound under another name", both(plant(named, evil), plant("other", good)), 0, "other", false},
		{"damaged, and a sound one", both(plant(sum, evil), plant(named, good)), 0, named, false},
		{"only of other content", plant("other", evil), 0, "", false},
		{"links", plantLink, 0, "", false},
		{"a pipe and a folder", plantOddFiles, 0, "", false},
	} {
		dir := t.TempDir()
		c.setup(t, dir)
		before := filesOf(t, dir)
		e, err := CacheAt(dir).Verify(t.Context(), sum, c.size)
		damaged, isDamaged := errors.AsType[*DamagedError](err)
		switch {
		case c.found != "":
			if want := (Entry{Path: filepath.Join(dir, c.found), SHA256: sum, Size: int64(len(good))}); err != nil || e != want {
				t.Errorf("%s: Verify = %+v, %v; want %+v", c.name, e, err, want)
			}
		case c.damaged != isDamaged || !c.damaged && !isNotCached(err):
			t.Errorf("%s: Verify = %v; want a damaged file: %v", c.name, err, c.damaged)
		case isDamaged && (damaged.Path != filepath.Join(dir, named) || damaged.SHA256 != sum):
			t.Errorf("%s: Verify = %+v; want %s", c.name, damaged, named)
		}
		if after := filesOf(t, dir); !slices.Equal(before, after) {
			t.Errorf("%s: the folder was\n%q, and is\n%q", c.name, before, after)
		}
	}
}

func TestVerifyWithoutFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	if _, err := CacheAt(dir).Verify(t.Context(), sumOf(good), 0); !isNotCached(err) {
		t.Errorf("Verify = %v; want a *NotCachedError", err)
	}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Verify made the folder: %v", err)
	}
}

func TestFirst(t *testing.T) {
	all := make([]string, 22)
	for i := range all {
		all[i] = string(rune('a' + i))
	}
	if got := First(all[:20]); !slices.Equal(got, all[:20]) {
		t.Errorf("First of 20 = %q", got)
	}
	if got := First(all); len(got) != 21 || got[19] != "t" || got[20] != "and 2 more" || all[20] != "u" {
		t.Errorf("First of 22 = %q, of %q", got, all)
	}
}
