package demo

import (
	"archive/tar"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	triplet = "x86_64-linux-gnu"
	libDir  = "usr/lib/" + triplet + "/"
)

// unpackT unpacks one package into a new folder.
func unpackT(t *testing.T, members ...member) *tree {
	t.Helper()
	files, err := unpack(walkOf(map[string][]member{"p": members}), []Package{pkg("p", "1")}, t.TempDir(), func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// under returns the paths of all files below a folder.
func under(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, err = filepath.Rel(dir, name)
			all = append(all, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Of a package, the regular files that are asked for come into the folder. Links are
// only remembered, so that no file is ever written through one.
func TestUnpack(t *testing.T) {
	dir := t.TempDir()
	asked := map[string]bool{}
	files, err := unpack(walkOf(map[string][]member{
		"one": {
			{name: "./"}, {name: "./usr/lib/"}, {name: "./usr/lib/a.so", content: "old"},
			{name: "usr//lib/../lib/b.so", content: "b"}, {name: "/opt/c.so", content: "c"},
			{name: "./usr/lib/link.so", link: "../lib/a.so"}, {name: "./usr/lib/far.so", link: "/opt/c.so"},
			{name: "./usr/share/doc", content: "left out"},
			{name: "./usr/lib/hard.so", link: "usr/lib/a.so", kind: tar.TypeLink}, {name: "./dev/null.so", kind: tar.TypeChar},
		},
		"two": {{name: "./usr/lib/a.so", content: "new"}},
	}), []Package{pkg("one", "1"), pkg("two", "1")}, dir, func(name string) bool {
		asked[name] = true
		return strings.HasSuffix(name, ".so")
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := under(t, dir), []string{"opt/c.so", "usr/lib/a.so", "usr/lib/b.so"}; !slices.Equal(got, want) {
		t.Errorf("unpack wrote %q; want %q", got, want)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "usr/lib/a.so")); string(data) != "new" {
		t.Errorf("a.so = %q, %v; want the later package's", data, err)
	}
	if want := map[string]string{"usr/lib/link.so": "usr/lib/a.so", "usr/lib/far.so": "opt/c.so"}; !maps.Equal(files.links, want) {
		t.Errorf("links = %q; want %q", files.links, want)
	}
	if asked["./usr/lib/a.so"] || !asked["usr/share/doc"] {
		t.Errorf("keep was asked for %q; want no leading ./", slices.Sorted(maps.Keys(asked)))
	}
}

// What leaves the folder, is too large, or ends early is an error that names the
// package, and nothing appears beside the folder.
func TestUnpackRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		m    member
		want string
	}{
		"upwards":          {member{name: "../x.so", content: "x"}, "path escapes"},
		"upwards later":    {member{name: "./usr/../../x.so", content: "x"}, "path escapes"},
		"upwards by root":  {member{name: "usr/../../../../../../../x.so", content: "x"}, "path escapes"},
		"the folder above": {member{name: "..", content: "x"}, ""},
		"the folder":       {member{name: "./", content: "x", kind: tar.TypeReg}, ""},
		"NUL in the name":  {member{name: "x\x00.so", content: "x"}, "invalid argument"},
		"oversized":        {member{name: "x.so", size: maxFile + 1}, "x.so has 268435457 bytes"},
		"much oversized":   {member{name: "x.so", size: 1 << 62}, "x.so has 4611686018427387904 bytes"},
	} {
		above := t.TempDir()
		dir := filepath.Join(above, "scratch")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		_, err := unpack(walkOf(map[string][]member{"p": {tt.m}}), []Package{pkg("p", "1")}, dir, func(string) bool { return true })
		if err == nil || !strings.HasPrefix(err.Error(), "p: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("unpack(%s) = %v; want p: …%s…", name, err, tt.want)
		}
		if got := under(t, above); len(got) > 0 {
			t.Errorf("unpack(%s) left %q", name, got)
		}
	}
	none := func(string) bool { return true }
	if _, err := unpack(walkOf(nil), []Package{pkg("gone", "1")}, t.TempDir(), none); err == nil || !strings.HasPrefix(err.Error(), "gone: ") {
		t.Errorf("unpack of a package that is not there = %v; want gone: …", err)
	}
	if _, err := unpack(walkOf(nil), nil, filepath.Join(t.TempDir(), "none"), none); err == nil {
		t.Error("unpack into no folder succeeded")
	}
	broken := func(_ Package, visit func(*tar.Header, io.Reader) error) error {
		return visit(&tar.Header{Typeflag: tar.TypeReg, Name: "x.so", Size: 9}, io.MultiReader(strings.NewReader("x"), brokenReader{}))
	}
	if _, err := unpack(broken, []Package{pkg("p", "1")}, t.TempDir(), none); err == nil || !strings.Contains(err.Error(), "unexpected EOF") {
		t.Errorf("unpack of half a file = %v; want the reader's error", err)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestFind(t *testing.T) {
	var members []member
	for i := range 10 { // l0 is reached from l8 by 8 links
		members = append(members, member{name: "l" + string(rune('1'+i)), link: "l" + string(rune('0'+i))})
	}
	members = append(members,
		member{name: "l0", content: "end"}, member{name: "dir/file", content: "x"}, member{name: "dir/up", link: "../l0"},
		member{name: "loop", link: "loop"}, member{name: "a", link: "b"}, member{name: "b", link: "a"},
		member{name: "dangling", link: "none"}, member{name: "folder", link: "dir"}, member{name: "absolute", link: "/dir/../l0"})
	files := unpackT(t, members...)
	for name, want := range map[string]string{
		"l0": "l0", "l1": "l0", "l8": "l0", "l9": "", "dir/file": "dir/file", "dir/up": "l0", "absolute": "l0",
		"loop": "", "a": "", "dangling": "", "none": "", "dir": "", "folder": "", "": "",
	} {
		if want != "" {
			want = filepath.Join(files.dir, want)
		}
		if got := files.find(name); got != want {
			t.Errorf("find(%q) = %q; want %q", name, got, want)
		}
	}
}

// A library is the first in the order of the loader's folders.
func TestLibrary(t *testing.T) {
	dirs := []string{libDir, "usr/lib/", "lib/" + triplet + "/", "usr/lib64/", "lib/"}
	for i, dir := range dirs {
		var members []member
		for _, d := range dirs[i:] {
			members = append(members, member{name: d + "libx.so.1", content: "x"})
		}
		files := unpackT(t, members...)
		if got, want := files.library(triplet, "libx.so.1"), filepath.Join(files.dir, dir, "libx.so.1"); got != want {
			t.Errorf("library with %q = %q; want %q", dirs[i:], got, want)
		}
		if got := files.library("aarch64-linux-gnu", "liby.so"); got != "" {
			t.Errorf("library that is not there = %q; want none", got)
		}
	}
}

// What a program needs is found through its libraries, even if they need each other.
func TestNeeded(t *testing.T) {
	lib := func(needed ...string) string { return string(programT{needed: needed}.bytes(t)) }
	files := unpackT(t,
		member{name: "usr/bin/nix", content: lib("libnix.so.2", "libc.so.6")},
		member{name: "usr/bin/alone", content: lib()},
		member{name: "usr/bin/lost", content: lib("libmissing.so.1")},
		member{name: "usr/bin/lost-later", content: lib("libneedy.so.1")},
		member{name: "usr/bin/script", content: "#!/bin/sh\nexit 0\n"},
		member{name: libDir + "libnix.so.2", link: "libnix.so.2.26"},
		member{name: libDir + "libnix.so.2.26", content: lib("libstore.so", "libc.so.6")},
		member{name: "usr/lib/libstore.so", content: lib("libnix.so.2")},
		member{name: libDir + "libneedy.so.1", content: lib("libmissing.so.1")},
		member{name: libDir + "libc.so.6", content: lib()})
	for program, tt := range map[string]struct {
		want map[string]string
		fail string
	}{
		"nix":        {want: map[string]string{"libnix.so.2": libDir + "libnix.so.2.26", "libstore.so": "usr/lib/libstore.so", "libc.so.6": libDir + "libc.so.6"}},
		"alone":      {want: map[string]string{}},
		"lost":       {fail: "lost needs libmissing.so.1, which no package has"},
		"lost-later": {fail: "libneedy.so.1 needs libmissing.so.1, which no package has"},
		"script":     {fail: "bad magic number"},
		"none":       {fail: "no such file"},
	} {
		got, err := files.needed(triplet, filepath.Join(files.dir, "usr/bin", program))
		for soname, file := range got {
			got[soname], _ = filepath.Rel(files.dir, file)
		}
		if tt.fail == "" && (err != nil || !maps.Equal(got, tt.want)) || tt.fail != "" && (err == nil || !strings.Contains(err.Error(), tt.fail)) {
			t.Errorf("needed(%s) = %q, %v; want %q, error %q", program, got, err, tt.want, tt.fail)
		}
	}
}
