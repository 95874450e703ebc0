package untar

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

type entry struct {
	kind    byte
	name    string
	content string // or target of a link
	mode    int64
	size    int64 // claimed, if not 0
}

func reg(name, content string) entry { return entry{kind: tar.TypeReg, name: name, content: content} }
func link(name, target string) entry {
	return entry{kind: tar.TypeSymlink, name: name, content: target}
}
func hard(name, target string) entry  { return entry{kind: tar.TypeLink, name: name, content: target} }
func dir(name string) entry           { return entry{kind: tar.TypeDir, name: name} }
func other(kind byte, n string) entry { return entry{kind: kind, name: n} }

func archive(entries ...entry) []byte {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range entries {
		h := &tar.Header{Typeflag: e.kind, Name: e.name, Mode: e.mode}
		if e.kind == tar.TypeReg {
			h.Size = max(e.size, int64(len(e.content)))
		} else {
			h.Linkname = e.content
		}
		if err := w.WriteHeader(h); err != nil {
			panic(err)
		}
		if e.kind == tar.TypeReg {
			io.WriteString(w, e.content)
		}
	}
	w.Flush()
	return append(buf.Bytes(), make([]byte, 1024)...)
}

// extract unpacks into a folder of its own beside a file that must not change.
func extract(t testing.TB, data []byte, o Options) (dir string, err error) {
	t.Helper()
	base := t.TempDir()
	dir = filepath.Join(base, "in")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(filepath.Join(base, "outside"), []byte("safe"), 0o644)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // read-only folders
		filepath.WalkDir(dir, func(name string, d fs.DirEntry, _ error) error {
			if d != nil && d.IsDir() {
				os.Chmod(name, 0o755)
			}
			return nil
		})
	})
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	err = Extract(t.Context(), bytes.NewReader(data), root, o)
	if got, _ := os.ReadFile(filepath.Join(base, "outside")); string(got) != "safe" {
		t.Errorf("a file outside was changed to %q", got)
	}
	if all, _ := os.ReadDir(base); len(all) != 2 {
		t.Errorf("something was made outside: %v", all)
	}
	return dir, err
}

// list describes a tree: mode, path and content or target, sorted.
func list(t *testing.T, dir string) string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		info, _ := d.Info()
		rel, _ := filepath.Rel(dir, name)
		text := ""
		if d.Type() == fs.ModeSymlink {
			text, _ = os.Readlink(name)
		} else if !d.IsDir() {
			data, _ := os.ReadFile(name)
			text = string(data)
		}
		lines = append(lines, fmt.Sprintf("%v %s %s", info.Mode(), rel, text))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func TestExtract(t *testing.T) {
	data := archive(
		other(tar.TypeXGlobalHeader, "pax_global_header"),
		dir("./"), dir("a/"), dir("a"), reg("./a/f", "text"),
		entry{kind: tar.TypeReg, name: "a/x", content: "run", mode: 0o4755},
		reg("deep/er/g", ""), link("a/abs", "/nix/store/x"), link("self", "."), hard("a/h", "a/f"),
	)
	dir, err := extract(t, data, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := `-rw-r--r-- a/f text
-rw-r--r-- a/h text
-rw-r--r-- deep/er/g 
-rwxr-xr-x a/x run
Lrwxrwxrwx a/abs /nix/store/x
Lrwxrwxrwx self .
drwxr-xr-x a 
drwxr-xr-x deep 
drwxr-xr-x deep/er `
	if got := list(t, dir); got != want {
		t.Errorf("unpacked\n%s\nwant\n%s", got, want)
	}
	dir, err = extract(t, data, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"a": 0o555 | os.ModeDir, "a/f": 0o444, "a/x": 0o555} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode() != mode || info.ModTime().Unix() != 1 {
			t.Errorf("%s: %v, %v; want %v of second 1", name, info, err, mode)
		}
	}
}

func TestRefused(t *testing.T) {
	many := make([]entry, 30)
	for i := range many {
		many[i] = reg(fmt.Sprintf("f%d", i), "12345")
	}
	whole := archive(reg("f", strings.Repeat("x", 4000)))
	tests := map[string][]byte{
		"parent":            archive(reg("../outside", "bad")),
		"inner parent":      archive(reg("a/../../outside", "bad")),
		"absolute":          archive(reg("/outside", "bad")),
		"device":            archive(other(tar.TypeChar, "null")),
		"block device":      archive(other(tar.TypeBlock, "sda")),
		"fifo":              archive(other(tar.TypeFifo, "fifo")),
		"hard link outside": archive(hard("h", "../outside")),
		"hard link nowhere": archive(hard("h", "missing")),
		"hard link to link": archive(link("l", "../outside"), hard("h", "l")),
		"through a link":    archive(link("l", ".."), reg("l/outside", "bad")),
		"through a file":    archive(reg("f", ""), reg("f/g", "bad")),
		"over a link":       archive(link("l", "../outside"), reg("l", "bad")),
		"twice":             archive(reg("f", "1"), reg("f", "2")),
		"folder over link":  archive(link("l", ".."), dir("l")),
		"too many":          archive(many...),
		"too much":          archive(many[:10]...),
		"too large":         archive(entry{kind: tar.TypeReg, name: "f", size: 1 << 40}),
		"long name":         archive(reg(strings.Repeat("n", 256), "")),
		"long path":         archive(reg(strings.Repeat("p/", 2050)+"f", "")),
		"long target":       archive(link("l", strings.Repeat("t", 4096))),
		"no target":         archive(link("l", "")),
		"truncated":         whole[:2000],
		"empty":             archive(),
		"text":              []byte(strings.Repeat("no tar archive at all ", 100)),
	}
	for name, data := range tests {
		o := Options{MaxEntries: 20, MaxBytes: 5000, MaxFile: 4500}
		if name == "too much" {
			o.MaxBytes = 49
		}
		_, err := extract(t, data, o)
		if fe := (*FormatError)(nil); !errors.As(err, &fe) {
			t.Errorf("%s: %v; want a *FormatError", name, err)
		}
	}
}

func TestCanceled(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Extract(ctx, bytes.NewReader(archive(reg("f", ""))), root, Options{}); err != context.Canceled {
		t.Errorf("Extract = %v; want context.Canceled", err)
	}
}

func FuzzExtract(f *testing.F) {
	f.Add(archive(dir("a"), reg("a/f", "text"), link("l", "a"), hard("h", "a/f")))
	f.Add(archive(link("l", ".."), reg("l/outside", "bad")))
	f.Fuzz(func(t *testing.T, data []byte) {
		extract(t, data, Options{MaxEntries: 100, MaxBytes: 1 << 20, MaxFile: 1 << 20})
	})
}
