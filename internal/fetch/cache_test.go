package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// plant returns a set-up that writes a file into the cache.
func plant(name string, b []byte) func(*testing.T, string) {
	return func(t *testing.T, dir string) { write(t, dir, name, b) }
}

func both(first, second func(*testing.T, string)) func(*testing.T, string) {
	return func(t *testing.T, dir string) { first(t, dir); second(t, dir) }
}

func plantLink(t *testing.T, dir string) {
	real := write(t, t.TempDir(), "real", good)
	for _, name := range []string{sumOf(good) + "-a", "copy"} {
		if err := os.Symlink(real, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func plantOddFiles(t *testing.T, dir string) {
	if err := syscall.Mkfifo(filepath.Join(dir, sumOf(good)+"-pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, sumOf(good)+"-dir"), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestFind(t *testing.T) {
	sum, evilSum := sumOf(good), sumOf(evil)
	tests := []struct {
		name  string
		setup func(t *testing.T, dir string)
		size  int64
		want  string // name found, empty for none
	}{
		{"empty", func(*testing.T, string) {}, 3000, ""},
		{"named", plant(sum+"-a.deb", good), 0, sum + "-a.deb"},
		{"bare", plant(sum, good), 0, sum},
		{"named, odd size asked", plant(sum+"-a.deb", good), 7, sum + "-a.deb"},
		{"wrong bytes", plant(sum+"-a.deb", evil), 3000, ""},
		{"truncated", plant(sum+"-a.deb", good[:500]), 3000, ""},
		{"second is right", both(plant(sum+"-a", evil), plant(sum+"-b", good)), 0, sum + "-b"},
		{"by hand, size known", plant("my copy.deb", good), 3000, sum + "-my_copy.deb"},
		{"by hand, size unknown", plant("copy.deb", good), 0, sum + "-copy.deb"},
		{"by hand, other size asked", plant("copy.deb", good), 2999, ""},
		{"by hand, same size", both(plant("a", evil), plant("b", good)), 3000, sum + "-b"},
		{"under another sum", plant(evilSum+"-x", good), 3000, sum + "-x"},
		{"under another sum, size unknown", plant(evilSum+"-x", good), 0, ""},
		{"in a sub-folder", plant("sub/copy.deb", good), 3000, ""},
		{"link", plantLink, 0, ""},
		{"pipe and folder", plantOddFiles, 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := newClient(t)
			tt.setup(t, c.Cache.Dir())
			path, err := c.Cache.Find(t.Context(), strings.ToUpper(sum), tt.size)
			if tt.want == "" {
				if !isNotCached(err) {
					t.Fatalf("Find = %q, %v; want a *NotCachedError", path, err)
				}
				return
			}
			wantFile(t, path, err, good)
			if filepath.Base(path) != tt.want {
				t.Errorf("Find = %q; want %q", filepath.Base(path), tt.want)
			}
		})
	}
}

func TestFindRefuses(t *testing.T) {
	c, _ := newClient(t)
	for _, sum := range []string{"", "abc", strings.Repeat("g", 64), strings.Repeat("a", 65)} {
		if _, err := c.Cache.Find(t.Context(), sum, 0); err == nil || isNotCached(err) {
			t.Errorf("Find(%q) = %v; want an error about the sum", sum, err)
		}
	}
	write(t, c.Cache.Dir(), "x", body(1, 10))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Cache.Find(ctx, sumOf(body(1, 10)), 0); !errors.Is(err, context.Canceled) {
		t.Errorf("Find with a cancelled context = %v; want context.Canceled", err)
	}
}

func TestBadEntryGoes(t *testing.T) {
	data := body(1, 100)
	c, _ := newClient(t)
	path := write(t, c.Cache.Dir(), sumOf(data)+"-a", body(2, 100))
	unlock, err := c.Cache.tryLock(sumOf(data))
	if err != nil {
		t.Fatal(err)
	}
	c.Cache.Find(t.Context(), sumOf(data), 0)
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("removed while another process holds the lock: %v", err)
	}
	unlock()
	c.Cache.Find(t.Context(), sumOf(data), 0)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Lstat of the bad entry = %v; want it gone", err)
	}
}

func TestOpenCache(t *testing.T) {
	dir := t.TempDir()
	file := write(t, dir, "file", nil)
	for _, bad := range []string{"", file, filepath.Join(file, "sub")} {
		_, err := OpenCache(bad)
		if e, ok := errors.AsType[*StorageError](err); !ok || len(e.Hints()) == 0 {
			t.Errorf("OpenCache(%q) = %v; want a *StorageError with hints", bad, err)
		}
	}
	c, err := OpenCache(dir + "/a/b/")
	if err != nil || c.Dir() != dir+"/a/b" {
		t.Fatalf("OpenCache = %v, %v; want it on %s/a/b", c, err, dir)
	}
	if entries, err := os.ReadDir(c.Dir()); err != nil || len(entries) != 0 {
		t.Errorf("a new cache holds %v, %v; want nothing", entries, err)
	}
}

func TestSubdirSharesMode(t *testing.T) {
	c, _ := newClient(t)
	if err := os.Chmod(c.Cache.Dir(), 0o775|fs.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	path, err := c.Cache.subdir(lockDir)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o775 {
		t.Errorf("mode of %s = %v, %v; want the cache folder's 0775", lockDir, info.Mode(), err)
	}
	os.Symlink(t.TempDir(), filepath.Join(c.Cache.Dir(), partialDir))
	if _, err := c.Cache.subdir(partialDir); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("subdir over a link = %v; want ENOTDIR", err)
	}
}

func TestAdd(t *testing.T) {
	data := body(3, 5000)
	c, _ := newClient(t)
	want := Entry{Path: filepath.Join(c.Cache.Dir(), sumOf(data)+"-my_qemu.deb"), SHA256: sumOf(data), Size: 5000}
	for range 2 { // the second finds it there
		e, err := c.Cache.Add(t.Context(), bytes.NewReader(data), "my qemu.deb", 1<<20)
		if err != nil || e != want {
			t.Fatalf("Add = %+v, %v; want %+v", e, err, want)
		}
	}
	if e, err := c.Cache.Add(t.Context(), bytes.NewReader(data), "other", 1<<20); err != nil || e != want {
		t.Errorf("Add under another name = %+v, %v; want the entry there", e, err)
	}
	wantFile(t, want.Path, nil, data)
	info, _ := os.Stat(want.Path)
	if perm := info.Mode().Perm(); perm&^0o644 != 0 || perm&0o600 != 0o600 {
		t.Errorf("mode = %v; want 0644 less the umask", perm)
	}
	if left := partials(t, c.Cache); len(left) != 0 {
		t.Errorf("left in %s: %q", partialDir, left)
	}
}

func TestAddBound(t *testing.T) {
	c, _ := newClient(t)
	if _, err := c.Cache.Add(t.Context(), strings.NewReader("12345"), "f", 4); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Add of 5 bytes, limit 4 = %v; want ErrTooLarge", err)
	}
	if e, err := c.Cache.Add(t.Context(), strings.NewReader("12345"), "f", 5); err != nil || e.Size != 5 {
		t.Errorf("Add of 5 bytes, limit 5 = %+v, %v; want 5 bytes", e, err)
	}
	if left := partials(t, c.Cache); len(left) != 0 {
		t.Errorf("left in %s: %q", partialDir, left)
	}
}

func TestRemoveStale(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"tmp-old", "tmp-new", "keep"} {
		path := write(t, dir, name, nil)
		if name != "tmp-new" {
			old := time.Now().Add(-48 * time.Hour)
			if err := os.Chtimes(path, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	removeStale(dir, time.Now().Add(-staleAfter))
	entries, err := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{"keep", "tmp-new"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("left %q, %v; want %q", names, err, want)
	}
}

func TestLock(t *testing.T) {
	c, _ := newClient(t)
	sum := sumOf(nil)
	unlock, err := c.Cache.lock(t.Context(), sum, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	waits := 0
	if _, err := c.Cache.lock(ctx, sum, func() { waits++; cancel() }); !errors.Is(err, context.Canceled) || waits != 1 {
		t.Errorf("second lock = %v after %d calls of waiting; want context.Canceled after 1", err, waits)
	}
	// Removing the file of a held lock must not let two in for long.
	if err := os.Remove(filepath.Join(c.Cache.Dir(), lockDir, sum)); err != nil {
		t.Fatal(err)
	}
	unlock()
	again, err := c.Cache.lock(t.Context(), sum, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Cache.tryLock(sum); err != errLocked {
		t.Errorf("tryLock of a held lock = %v; want errLocked", err)
	}
	again()
}

func TestPartialFileIsOurs(t *testing.T) {
	dir := t.TempDir()
	victim := write(t, t.TempDir(), "victim", []byte("precious"))
	plants := map[string]func(path string) error{
		"link":      func(path string) error { return os.Symlink(victim, path) },
		"hard link": func(path string) error { return os.Link(victim, path) },
		"pipe":      func(path string) error { return syscall.Mkfifo(path, 0o644) },
		"folder":    func(path string) error { return os.Mkdir(path, 0o755) },
	}
	for name, f := range plants {
		path := filepath.Join(dir, name)
		if err := f(path); err != nil {
			t.Fatal(err)
		}
		file, err := openPartialFile(path)
		if err != nil {
			t.Errorf("openPartialFile over a %s = %v; want a new file", name, err)
			continue
		}
		fmt.Fprint(file, "x")
		file.Close()
		wantFile(t, path, nil, []byte("x"))
	}
	wantFile(t, victim, nil, []byte("precious"))
}

// Many share a cache, and who claims it has it alone.
func TestShare(t *testing.T) {
	c, _ := newClient(t)
	claim := func(want bool) func() {
		t.Helper()
		claimed, release, err := c.Cache.Claim()
		if claimed != want || err != nil {
			t.Errorf("Claim() = %v, %v; want %v", claimed, err, want)
		}
		return release
	}
	one, err1 := c.Cache.Share(t.Context())
	two, err2 := c.Cache.Share(t.Context())
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	claim(false)()
	one()
	claim(false)()
	two()
	release := claim(true)
	claim(false)()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := c.Cache.Share(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Share of a claimed cache = %v; want it to wait", err)
	}
	time.AfterFunc(10*time.Millisecond, release)
	again, err := c.Cache.Share(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again()
}
