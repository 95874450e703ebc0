package demo

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// treeT makes a folder with a file, a program, an empty folder and a link to nowhere.
func treeT(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"b/file": 0o600, "b/program": 0o700, "a": 0o666} {
		if err := writeFile(filepath.Join(dir, name), []byte(name), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "empty"), 0o700), os.Symlink("../nowhere", filepath.Join(dir, "link"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A tarball has one folder, its files sorted, then the store's, and neither times nor
// modes of the machine that made it.
func TestWriteTarball(t *testing.T) {
	files := map[string][]byte{"install": []byte("#! /bin/sh\n"), ".reginfo": []byte("r"), "z": nil}
	var first bytes.Buffer
	if err := writeTarball(&first, "top", files, treeT(t)); err != nil {
		t.Fatal(err)
	}
	all := readTar(t, first.Bytes())
	want := []string{
		"top/", "top/.reginfo", "top/install*", "top/z", "top/store/", "top/store/a", "top/store/b/", "top/store/b/file",
		"top/store/b/program*", "top/store/empty/", "top/store/link -> ../nowhere",
	}
	if got := lines(all); !slices.Equal(got, want) {
		t.Errorf("writeTarball wrote\n%q; want\n%q", got, want)
	}
	if got := entryOf(t, all, "top/store/b/file").content; got != "b/file" {
		t.Errorf("content = %q", got)
	}
	dir := treeT(t)
	if err := os.Chtimes(filepath.Join(dir, "a"), time.Time{}, time.Unix(1e9, 0)); err != nil {
		t.Fatal(err)
	}
	var second bytes.Buffer
	if err := writeTarball(&second, "top", files, dir); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Errorf("writeTarball of the same, made later, = %v, %d bytes; want the same bytes", err, second.Len())
	}
}

func TestWriteTarballErrors(t *testing.T) {
	dir := t.TempDir()
	if err := writeTarball(io.Discard, "top", nil, filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("writeTarball of no folder = %v; want fs.ErrNotExist", err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeTarball(io.Discard, "top", nil, dir); err == nil || !strings.Contains(err.Error(), "pipe is no file, folder or link") {
		t.Errorf("writeTarball of a pipe = %v; want an error that names it", err)
	}
	whole := treeT(t)
	var size bytes.Buffer
	if err := writeTarball(&size, "top", map[string][]byte{"f": nil}, whole); err != nil {
		t.Fatal(err)
	}
	for at := 0; at < size.Len(); at += 512 {
		if err := writeTarball(&errWriter{at}, "top", map[string][]byte{"f": nil}, whole); !errors.Is(err, errFull) {
			t.Errorf("writeTarball with room for %d bytes = %v; want the writer's error", at, err)
		}
	}
}

// A name that is longer than a plain header takes is kept.
func TestWriteTarballLongNames(t *testing.T) {
	name := strings.Repeat("long-", 50)
	dir := t.TempDir()
	if err := writeFile(filepath.Join(dir, name), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(strings.Repeat("../", 60), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := writeTarball(&b, "top", nil, dir); err != nil {
		t.Fatal(err)
	}
	all := readTar(t, b.Bytes())
	if got := entryOf(t, all, "top/store/"+name); got.content != "x" || got.kind != tar.TypeReg {
		t.Errorf("long name = %+v", got)
	}
	if got := entryOf(t, all, "top/store/link"); got.link != strings.Repeat("../", 60) {
		t.Errorf("long link = %+v", got)
	}
}
