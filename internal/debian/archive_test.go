package debian

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ulikunitz/xz"

	"nixsd-native/internal/decompress"
)

// mirrorT is a fake of the network: what each URL has.
type mirrorT struct {
	t     *testing.T
	files map[string][]byte
	asked []string
}

func (m *mirrorT) document(_ context.Context, urls []string, max int64) (data []byte, from string, err error) {
	for _, u := range urls {
		m.asked = append(m.asked, u)
		if data, ok := m.files[u]; ok && int64(len(data)) <= max {
			return data, u, nil
		}
	}
	return nil, "", fmt.Errorf("%s: %w", urls, fs.ErrNotExist)
}

// file ignores sources that do not have the hash, as the cache does.
func (m *mirrorT) file(_ context.Context, name, hash string, size int64, urls []string) (string, error) {
	m.asked = append(m.asked, urls...)
	for _, u := range urls {
		if data, ok := m.files[u]; ok && fmt.Sprintf("%x", sha256.Sum256(data)) == hash && int64(len(data)) == size {
			path := filepath.Join(m.t.TempDir(), name)
			return path, os.WriteFile(path, data, 0o600)
		}
	}
	return "", fmt.Errorf("%s: %w", urls, fs.ErrNotExist)
}

const (
	mirrorA = "http://a.test/debian"
	mirrorB = "http://b.test/debian/"
)

// newArchive returns an archive on two mirrors, which have nothing, with the
// keys of TestParseReleaseGPG.
func newArchive(t *testing.T) (*Archive, *mirrorT) {
	m := &mirrorT{t: t, files: map[string][]byte{}}
	return &Archive{
		Open:     decompress.Open,
		Mirrors:  []string{mirrorA, mirrorB},
		Keys:     keysT(t, "good"),
		Document: m.document,
		File:     m.file,
		Now:      func() time.Time { return day("2026-02-02") },
	}, m
}

func TestArchiveRelease(t *testing.T) {
	good := readFileT(t, "gpg/InRelease.good")
	urlA, urlB := mirrorA+"/dists/example/InRelease", strings.TrimRight(mirrorB, "/")+"/dists/example/InRelease"
	tests := []struct {
		name   string
		a, b   []byte
		second bool   // whether the second mirror is asked
		want   string // of the error; "" if good
	}{
		{"first mirror", good, nil, false, ""},
		{"second mirror", nil, good, true, ""},
		{"first mirror is a portal", []byte("<html>"), good, true, ""},
		{"first mirror lies", readFileT(t, "gpg/InRelease.unknown"), good, true, ""},
		{"none has it", nil, nil, true, "file does not exist"},
		{"both lie", []byte("x"), readFileT(t, "gpg/InRelease.sha1"), true, urlB + ": release signature does not verify"},
		{"one lies, one has it not", nil, readFileT(t, "gpg/InRelease.sha1"), true, "too weak"},
	}
	for _, test := range tests {
		a, m := newArchive(t)
		if test.a != nil {
			m.files[urlA] = test.a
		}
		if test.b != nil {
			m.files[urlB] = test.b
		}
		r, err := a.Release(context.Background(), "example")
		if test.want == "" && (err != nil || r.Codename != "example") || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: Release = %+v, %v; want error %q", test.name, r, err, test.want)
		}
		if second := slices.Contains(m.asked, urlB); second != test.second {
			t.Errorf("%s: asked for %q", test.name, m.asked)
		}
	}
}

func TestArchiveReleaseErrors(t *testing.T) {
	a, m := newArchive(t)
	for _, suite := range []string{"example", "testing", "stable", "sid"} {
		m.files[mirrorA+"/dists/"+suite+"/InRelease"] = readFileT(t, "gpg/InRelease.good")
	}
	for _, suite := range []string{"example", "testing"} { // its codename and its suite
		if r, err := a.Release(context.Background(), suite); err != nil || r.name() != suite {
			t.Errorf("Release(%s) = %+v, %v", suite, r, err)
		}
	}
	for _, suite := range []string{"stable", "sid"} {
		_, err := a.Release(context.Background(), suite)
		var other *SuiteError
		if !errors.As(err, &other) || other.Asked != suite || other.Codename != "example" {
			t.Errorf("Release(%s) of a lying mirror = %v; want a *SuiteError", suite, err)
		}
	}
	for _, suite := range []string{"", "..", "a/b", "a?b", "-x"} {
		m.asked = nil
		if _, err := a.Release(context.Background(), suite); err == nil || len(m.asked) > 0 {
			t.Errorf("Release(%q) = %v, asked for %q", suite, err, m.asked)
		}
	}
	a.Now = func() time.Time { return day("2026-11-02") } // after its Valid-Until
	a.Mirrors = append([]string{"http://empty.test"}, a.Mirrors...)
	_, err := a.Release(context.Background(), "example")
	var expired *ExpiredError
	var all *MirrorsError
	if !errors.As(err, &expired) || !errors.As(err, &all) || len(all.Errs) != 2 || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Release when it has expired = %v; want an *ExpiredError and those of the other mirrors", err)
	}
	a.Mirrors = nil
	if _, err := a.Release(context.Background(), "example"); !errors.As(err, &all) || len(all.Errs) != 0 || !strings.Contains(err.Error(), "no Debian mirror given") {
		t.Errorf("Release without mirrors = %v; want an empty *MirrorsError", err)
	}
}

func TestArchiveReleaseCancelled(t *testing.T) {
	a, m := newArchive(t)
	ctx, cancel := context.WithCancel(context.Background())
	a.Document = func(context.Context, []string, int64) ([]byte, string, error) {
		m.asked = append(m.asked, "x")
		cancel()
		return nil, "", errors.New("interrupted")
	}
	if _, err := a.Release(ctx, "example"); !errors.Is(err, context.Canceled) || len(m.asked) != 1 {
		t.Errorf("Release = %v after %d mirrors; want the context's error after 1", err, len(m.asked))
	}
}

func compress(t *testing.T, ext, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch ext {
	case ".xz":
		var err error
		if w, err = xz.NewWriter(&b); err != nil {
			t.Fatal(err)
		}
	case ".gz":
		w = gzip.NewWriter(&b)
	default:
		return []byte(text)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// releaseT is a release that lists files.
func releaseT(files map[string][]byte, byHash bool) *Release {
	r := &Release{Suite: "stable", Codename: "trixie", AcquireByHash: byHash, Files: map[string]Entry{}}
	for path, data := range files {
		r.Files[path] = Entry{SHA256: fmt.Sprintf("%x", sha256.Sum256(data)), Size: int64(len(data))}
	}
	return r
}

func TestArchiveIndex(t *testing.T) {
	const folder = "main/binary-arm64/"
	for _, listed := range [][]string{{".xz", ".gz", ""}, {".gz", ""}, {""}} {
		for _, byHash := range []bool{true, false} {
			a, m := newArchive(t)
			files := map[string][]byte{}
			for _, ext := range listed {
				files[folder+"Packages"+ext] = compress(t, ext, stanzaT())
			}
			r := releaseT(files, byHash)
			best := folder + "Packages" + listed[0]
			byHashPath := folder + "by-hash/SHA256/" + r.Files[best].SHA256
			m.files["http://b.test/debian/dists/trixie/"+best] = files[best]
			ix, err := a.Index(context.Background(), r, "main", "arm64")
			if err != nil || ix.Len() != 1 {
				t.Errorf("Index(%q) = %v, %v", listed, ix, err)
			}
			want := []string{"http://a.test/debian/dists/trixie/" + best, "http://b.test/debian/dists/trixie/" + best}
			if byHash {
				want = append([]string{"http://a.test/debian/dists/trixie/" + byHashPath, "http://b.test/debian/dists/trixie/" + byHashPath}, want...)
			}
			if !slices.Equal(m.asked, want) {
				t.Errorf("Index(%q, by hash %v) asked for %q; want %q", listed, byHash, m.asked, want)
			}
		}
	}
}

func TestArchiveIndexErrors(t *testing.T) {
	const path = "main/binary-amd64/Packages.xz"
	whole := compress(t, ".xz", strings.Repeat(stanzaT(), 1000))
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 1
	tests := []struct {
		name            string
		data            []byte
		component, arch string
		want            string
	}{
		{"not listed", whole, "main", "riscv64", "release trixie lists no main/binary-riscv64/Packages"},
		{"component upwards", whole, "..", "amd64", "malformed index name"},
		{"architecture with slash", whole, "main", "amd64/x", "malformed index name"},
		{"truncated", whole[:len(whole)/2], "main", "amd64", "truncated"},
		{"only the magic", []byte("\xfd7zXZ\x00"), "main", "amd64", "xz"},
		{"flipped bit", flipped, "main", "amd64", ""},
		{"malformed", compress(t, ".xz", "x"), "main", "amd64", "malformed trixie_main_binary-amd64_Packages.xz, line 1"},
		{"not text", compress(t, ".gz", "\x00\x00"), "main", "amd64", "NUL"},
	}
	for _, test := range tests {
		a, m := newArchive(t)
		m.files[mirrorA+"/dists/trixie/"+path] = test.data
		ix, err := a.Index(context.Background(), releaseT(map[string][]byte{path: test.data}, false), test.component, test.arch)
		if ix != nil || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("Index(%s) = %v, %v; want the error %q", test.name, ix, err, test.want)
		}
	}
	a, _ := newArchive(t)
	r := releaseT(map[string][]byte{path: whole}, true)
	if _, err := a.Index(context.Background(), r, "main", "amd64"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Index that no mirror has = %v; want File's error", err)
	}
}

// TestArchiveIndexSeams: an index being read ends with its context, even a bomb.
func TestArchiveIndexSeams(t *testing.T) {
	a, m := newArchive(t)
	const path = "main/binary-amd64/Packages.xz"
	m.files[mirrorA+"/dists/trixie/"+path] = []byte("any")
	r := releaseT(map[string][]byte{path: []byte("any")}, false)
	ctx, cancel := context.WithCancel(context.Background())
	closed := false
	bomb := &endless{text: stanzaT()}
	a.Open = func(string) (io.ReadCloser, error) {
		return struct {
			io.Reader
			io.Closer
		}{
			readerFunc(func(p []byte) (int, error) {
				if bomb.n > 4<<20 {
					cancel()
				}
				return bomb.Read(p)
			}),
			closerFunc(func() error { closed = true; return nil }),
		}, nil
	}
	if _, err := a.Index(ctx, r, "main", "amd64"); !errors.Is(err, context.Canceled) || !closed || bomb.n > 8<<20 {
		t.Errorf("Index = %v after %d bytes, closed %v; want the context's error", err, bomb.n, closed)
	}
	a.Open = func(string) (io.ReadCloser, error) { return nil, fs.ErrPermission }
	if _, err := a.Index(context.Background(), r, "main", "amd64"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Index = %v; want Open's error", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

type closerFunc func() error

func (f closerFunc) Close() error { return f() }
