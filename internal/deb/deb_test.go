package deb

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

func tarOf(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	names := []string{}
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		h := &tar.Header{Name: name, Mode: 0o755, Size: int64(len(files[name])), Typeflag: tar.TypeReg}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, files[name])
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func pack(t testing.TB, suffix string, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	var w io.WriteCloser
	var err error
	switch suffix {
	case ".xz":
		w, err = xz.NewWriter(&buf)
	case ".gz":
		w = gzip.NewWriter(&buf)
	case ".zst":
		w, err = zstd.NewWriter(&buf)
	default:
		return data
	}
	if err != nil {
		t.Fatal(err)
	}
	w.Write(data)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func arOf(members ...string) []byte {
	var b strings.Builder
	b.WriteString("!<arch>\n")
	for i := 0; i < len(members); i += 2 {
		fmt.Fprintf(&b, "%-16s%-12d%-6d%-6d%-8s%-10d`\n%s", members[i], 0, 0, 0, "100644", len(members[i+1]), members[i+1])
		if len(members[i+1])%2 == 1 {
			b.WriteByte('\n')
		}
	}
	return []byte(b.String())
}

func read(file []byte) (string, error) {
	var out strings.Builder
	err := Walk(bytes.NewReader(file), func(h *tar.Header, content io.Reader) error {
		data, err := io.ReadAll(io.LimitReader(content, 1<<20))
		fmt.Fprintf(&out, "%s=%s;", h.Name, data)
		return err
	})
	return out.String(), err
}

func TestWalk(t *testing.T) {
	data := tarOf(t, map[string]string{"./a": "odd", "./b": strings.Repeat("x", 5000)})
	want := "./a=odd;./b=" + strings.Repeat("x", 5000) + ";"
	for _, suffix := range []string{"", ".xz", ".gz", ".zst"} {
		file := arOf("debian-binary", "2.0\n", "control.tar.gz", "odd", "data.tar"+suffix, string(pack(t, suffix, data)))
		got, err := read(file)
		if err != nil || got != want {
			t.Errorf("Walk(data.tar%s) = %.40q, %v; want %.40q", suffix, got, err, want)
		}
	}
}

// testdata/tiny.deb: dpkg-deb --root-owner-group -b of a tree with usr/bin/hello
// (#!/bin/sh\necho hello\n) and a control file.
func TestDpkgDeb(t *testing.T) {
	file, err := os.ReadFile("testdata/tiny.deb")
	if err != nil {
		t.Fatal(err)
	}
	got, err := read(file)
	want := "./=;./usr/=;./usr/bin/=;./usr/bin/hello=#!/bin/sh\necho hello\n;"
	if err != nil || got != want {
		t.Errorf("Walk(tiny.deb) = %q, %v; want %q", got, err, want)
	}
}

// A stop must leave the rest alone, even where the rest is garbage.
func TestStop(t *testing.T) {
	data := tarOf(t, map[string]string{"./a": "first", "./b": "second"})
	file := arOf("debian-binary", "2.0\n", "data.tar", string(data[:1024])+strings.Repeat("garbage!", 64))
	n := 0
	err := Walk(bytes.NewReader(file), func(*tar.Header, io.Reader) error { n++; return ErrStop })
	if err != nil || n != 1 {
		t.Errorf("Walk = %d visits, %v; want 1, nil", n, err)
	}
	boom := errors.New("boom")
	err = Walk(bytes.NewReader(file), func(*tar.Header, io.Reader) error { return boom })
	if err != boom {
		t.Errorf("Walk = %v; want the error of visit", err)
	}
}

func TestDamaged(t *testing.T) {
	data := string(tarOf(t, map[string]string{"./a": "content"}))
	whole := arOf("debian-binary", "2.0\n", "data.tar", data)
	header := func(size, mode string) []byte {
		return fmt.Appendf(nil, "!<arch>\n%-16s%-12d%-6d%-6d%-8s%-10s`\nxxxx", "data.tar", 0, 0, 0, mode, size)
	}
	tests := map[string][]byte{
		"empty":             nil,
		"text":              []byte("<html>404</html>"),
		"magic only":        []byte("!<arch>\n"),
		"truncated":         whole[:len(whole)-512],
		"truncated entry":   whole[:len(whole)-1200],
		"truncated header":  whole[:80],
		"no data":           arOf("debian-binary", "2.0\n", "control.tar", data),
		"negative size":     header("-4", "100644"),
		"size no number":    header("4x", "100644"),
		"mode blank":        header("4", ""),
		"mode short":        header("4", "1"),
		"unknown suffix":    arOf("data.tar.lz4", data),
		"xz that is text":   arOf("data.tar.xz", data),
		"gzip that is text": arOf("data.tar.gz", data),
		"zstd that is text": arOf("data.tar.zst", data),
		"tar that is text":  arOf("data.tar", strings.Repeat("no tar ", 200)),
	}
	for name, file := range tests {
		_, err := read(file)
		if fe := (*FormatError)(nil); !errors.As(err, &fe) {
			t.Errorf("%s: %v; want a *FormatError", name, err)
		}
	}
}

// Any bytes are walked to their end or refused, and entries are as long as they say.
func FuzzWalk(f *testing.F) {
	data := tarOf(f, map[string]string{"./a": "content"})
	for _, suffix := range []string{"", ".xz", ".gz", ".zst"} {
		f.Add(arOf("debian-binary", "2.0\n", "data.tar"+suffix, string(pack(f, suffix, data))))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		n := 0
		err := Walk(bytes.NewReader(file), func(h *tar.Header, content io.Reader) error {
			got, err := io.CopyN(io.Discard, content, 1<<20)
			if err == nil || err == io.EOF {
				if got != min(h.Size, 1<<20) {
					t.Errorf("%q has %d bytes; its header says %d", h.Name, got, h.Size)
				}
			}
			if n++; n > 100 {
				return ErrStop
			}
			return nil
		})
		if bad := (*FormatError)(nil); err != nil && !errors.As(err, &bad) {
			t.Errorf("%T: %v; want a *FormatError", err, err)
		}
	})
}
