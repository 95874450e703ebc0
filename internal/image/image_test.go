package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func create(t *testing.T, f *Folder, name, content string) {
	t.Helper()
	p, err := f.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	p.File.WriteString(content)
	if err := p.Commit(); err != nil {
		t.Fatal(err)
	}
}

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

// What shows the kernel's own is named as the cause: no folder above is missing.
func TestKernelsOwn(t *testing.T) {
	for _, path := range []string{"/proc", "/proc/none", "/sys"} {
		f, err := OpenFolder(path, Owner{})
		if err == nil {
			_, err = f.Create("x.img")
			f.Close()
		}
		oe := (*OutputError)(nil)
		if !errors.As(err, &oe) || !strings.Contains(err.Error(), "nothing can be created there") || !slices.Equal(oe.Hints(), []string{"name another place (images: -o)"}) {
			t.Errorf("a file in %s: %v", path, err)
		}
	}
}

func TestCopy(t *testing.T) {
	rnd := rand.New(rand.NewSource(1))
	random := func(n int) []byte { b := make([]byte, n); rnd.Read(b); return b }
	zero := func(n int) []byte { return make([]byte, n) }
	tests := []struct {
		name string
		data []byte
		want int64 // bytes written
	}{
		{"empty", nil, 0},
		{"short", []byte("x"), 1},
		{"zeros", zero(10*block + 7), 0},
		{"odd end", append(zero(3*block), []byte("end")...), 3},
		{"data, hole, data", bytes.Join([][]byte{random(2 * block), zero(5 * block), random(block)}, nil), 3 * block},
		{"several buffers", bytes.Join([][]byte{random(300 * block), zero(400 * block), random(9)}, nil), 300*block + 9},
		{"unaligned zeros stay data", bytes.Join([][]byte{random(100), zero(block), random(block - 100)}, nil), 2 * block},
	}
	for _, test := range tests {
		dir := t.TempDir()
		src := filepath.Join(dir, "src")
		if err := os.WriteFile(src, test.data, 0o644); err != nil {
			t.Fatal(err)
		}
		in, _ := os.Open(src)
		out, _ := os.Create(filepath.Join(dir, "dst"))
		var last int64
		sum, err := Copy(t.Context(), out, in, func(done, total int64) { last = done })
		hash := sha256.Sum256(test.data)
		want := Sum{hex.EncodeToString(hash[:]), int64(len(test.data)), test.want}
		if err != nil || sum != want || last != want.Size {
			t.Errorf("%s: Copy = %+v, %v, progress %d; want %+v", test.name, sum, err, last, want)
		}
		if got, _ := os.ReadFile(out.Name()); !bytes.Equal(got, test.data) {
			t.Errorf("%s: the copy differs", test.name)
		}
		var st syscall.Stat_t
		if err := syscall.Stat(out.Name(), &st); err != nil || st.Blocks*512 > test.want+2*block {
			t.Errorf("%s: takes %d bytes on disk, %v; want about %d", test.name, st.Blocks*512, err, test.want)
		}
		in.Close()
		out.Close()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	in, _ := os.Open(os.Args[0])
	defer in.Close()
	if _, err := Copy(ctx, nil, in, nil); err != context.Canceled {
		t.Errorf("Copy = %v; want context.Canceled", err)
	}
}

func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	f, err := OpenFolder(dir, Owner{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	create(t, f, "a.img", "old")
	p, err := f.Create("a.img")
	if err != nil {
		t.Fatal(err)
	}
	p.File.WriteString("new")
	if got, _ := os.ReadFile(f.Path("a.img")); string(got) != "old" {
		t.Errorf("before Commit a.img holds %q; want the old content", got)
	}
	if err := p.Commit(); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(f.Path("a.img")); string(got) != "new" {
		t.Errorf("after Commit a.img holds %q", got)
	}
	p, err = f.Create("b.img")
	if err != nil {
		t.Fatal(err)
	}
	p.Discard()
	if got := names(t, dir); got != "a.img" {
		t.Errorf("folder holds %q; want a.img alone", got)
	}
}

// A file system without nameless files takes the other way to the same end.
func TestNamedTemporary(t *testing.T) {
	dir := t.TempDir()
	f, err := OpenFolder(dir, Owner{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	os.WriteFile(filepath.Join(dir, ".a.img.partial"), []byte("left by a killed build"), 0o644)
	file, temp, err := f.named("a.img")
	if err != nil {
		t.Fatal(err)
	}
	p := &Pending{file, f, "a.img", temp, false}
	p.File.WriteString("new")
	if err := p.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); got != "a.img" {
		t.Errorf("folder holds %q; want a.img alone", got)
	}
}

// A link that somebody planted is replaced, not followed.
func TestPlantedLinks(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(t.TempDir(), "victim")
	os.WriteFile(victim, []byte("safe"), 0o644)
	for _, name := range []string{"a.img", ".a.img.partial"} {
		if err := os.Symlink(victim, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	f, err := OpenFolder(dir, Owner{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	create(t, f, "a.img", "image")
	if got, _ := os.ReadFile(victim); string(got) != "safe" {
		t.Errorf("the link's target holds %q", got)
	}
	if info, err := os.Lstat(f.Path("a.img")); err != nil || !info.Mode().IsRegular() {
		t.Errorf("a.img is %v, %v; want a regular file", info.Mode(), err)
	}
}

func TestRefused(t *testing.T) {
	f, err := OpenFolder(t.TempDir(), Owner{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, name := range []string{"", "..", "a/b", "/abs", ".hidden"} {
		if _, err := f.Create(name); err == nil {
			t.Errorf("Create(%q) succeeded", name)
		}
	}
	for _, path := range []string{filepath.Join(t.TempDir(), "no", "parent"), os.Args[0]} {
		_, err := OpenFolder(path, Owner{})
		if oe := (*OutputError)(nil); !errors.As(err, &oe) {
			t.Errorf("OpenFolder(%q) = %v; want *OutputError", path, err)
		}
	}
}

func TestTarget(t *testing.T) {
	dir := t.TempDir()
	tests := []struct{ output, folder, file string }{
		{dir, dir, ""},
		{dir + "/", dir, ""},
		{dir + "/new/", dir + "/new", ""},
		{dir + "/x.img", dir, "x.img"},
		{"x.img", ".", "x.img"},
		{".", ".", ""},
	}
	for _, test := range tests {
		folder, file := Target(test.output)
		if folder != test.folder || file != test.file {
			t.Errorf("Target(%q) = %q, %q; want %q, %q", test.output, folder, file, test.folder, test.file)
		}
	}
}
