package debian

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

var hashA = strings.Repeat("a1", 32)

// stanzaT makes a stanza of an index from "Key: value" lines; later ones
// replace those of the good stanza, and an empty value leaves the field out.
func stanzaT(fields ...string) string {
	keys := []string{"Package", "Version", "Architecture", "Filename", "Size", "SHA256"}
	values := map[string]string{
		"Package": "hello", "Version": "2.10-3", "Architecture": "amd64",
		"Filename": "pool/main/h/hello/hello_2.10-3_amd64.deb", "Size": "53", "SHA256": hashA,
	}
	for _, f := range fields {
		key, value, _ := strings.Cut(f, ": ")
		if _, ok := values[key]; !ok {
			keys = append(keys, key)
		}
		values[key] = value
	}
	var b strings.Builder
	for _, key := range keys {
		if values[key] != "" {
			fmt.Fprintf(&b, "%s: %s\n", key, values[key])
		}
	}
	return b.String() + "\n"
}

func indexT(t testing.TB, text string) *Index {
	t.Helper()
	ix, err := ParseIndex(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return ix
}

func TestParseIndexReal(t *testing.T) {
	ix, err := ParseIndex(bytes.NewReader(readFileT(t, "trixie/Packages.gz")))
	if err != nil {
		t.Fatal(err)
	}
	p, ok := ix.Lookup("nix-bin")
	want := Package{
		Name: "nix-bin", Version: "2.26.3+dfsg-1", Architecture: "amd64",
		Filename: "pool/main/n/nix/nix-bin_2.26.3+dfsg-1_amd64.deb",
		Size:     p.Size, SHA256: p.SHA256, Depends: p.Depends, rank: 3,
	}
	if !ok || p != want || p.Size < 1e6 || len(p.SHA256) != 64 || !strings.Contains(p.Depends, "libsodium23 (>= 0.7.0)") {
		t.Errorf("Lookup(nix-bin) = %+v, %v", p, ok)
	}
	if ix.Len() < 140 {
		t.Errorf("%d packages", ix.Len())
	}
	if _, ok := ix.Lookup("awk"); ok {
		t.Error("Lookup finds awk, which is only provided")
	}
}

func TestParseIndexForms(t *testing.T) {
	tests := []struct {
		name, text string
		want       string // names and versions
	}{
		{"empty", "", ""},
		{"blank lines only", "\n\n\n", ""},
		{"one", stanzaT(), "hello 2.10-3"},
		{"no newline at the end", strings.TrimSpace(stanzaT()), "hello 2.10-3"},
		{"many blank lines", "\n\n" + stanzaT() + "\n\n" + stanzaT("Package: other") + "\n", "hello 2.10-3, other 2.10-3"},
		{"newest wins", stanzaT("Version: 1:1") + stanzaT("Version: 2") + stanzaT("Version: 1:1~rc"), "hello 1:1"},
		{"newest wins, last", stanzaT("Version: 9") + stanzaT("Version: 10"), "hello 10"},
		{"upper-case hash", stanzaT("SHA256: " + strings.ToUpper(hashA)), "hello 2.10-3"},
		{"other fields", stanzaT("Description: x\n .\n more: y", "Tag: a,\n b"), "hello 2.10-3"},
	}
	for _, test := range tests {
		ix := indexT(t, test.text)
		var got []string
		for _, p := range ix.packages {
			got = append(got, p.Name+" "+p.Version)
			if p.SHA256 != hashA {
				t.Errorf("%s: hash %q", test.name, p.SHA256)
			}
		}
		if s := strings.Join(got, ", "); s != test.want {
			t.Errorf("ParseIndex(%s) = %s; want %s", test.name, s, test.want)
		}
	}
}

func TestParseIndexFields(t *testing.T) {
	sha1 := strings.Repeat("0f", 20)
	ix := indexT(t, stanzaT("Depends: a,\n b (>= 1)", "Pre-Depends: c", "Provides: d", "SHA1: "+sha1, "Priority: required"))
	p, _ := ix.Lookup("hello")
	if p.Depends != "a,\nb (>= 1)" || p.PreDepends != "c" || p.Provides != "d" || p.SHA1 != sha1 || p.rank != 0 {
		t.Errorf("package is %+v", p)
	}
	got := p.Sources([]string{"http://a.test/debian/", "http://b.test/debian"})
	want := []string{
		"http://a.test/debian/pool/main/h/hello/hello_2.10-3_amd64.deb",
		"http://b.test/debian/pool/main/h/hello/hello_2.10-3_amd64.deb",
		Snapshots + "/file/" + sha1,
	}
	if !slices.Equal(got, want) {
		t.Errorf("Sources = %q; want %q", got, want)
	}
	p.SHA1 = ""
	if got := p.Sources([]string{"http://a.test"}); len(got) != 1 {
		t.Errorf("Sources without SHA-1 = %q", got)
	}
}

func TestParseIndexMalformed(t *testing.T) {
	tests := []struct {
		name, text, want string
	}{
		{"path upwards", stanzaT("Filename: pool/../../etc/passwd"), "file name"},
		{"path upwards at the end", stanzaT("Filename: pool/main/.."), "file name"},
		{"absolute path", stanzaT("Filename: /pool/main/h.deb"), "file name"},
		{"outside of pool", stanzaT("Filename: dists/x.deb"), "file name"},
		{"pool itself", stanzaT("Filename: pool/"), "file name"},
		{"folder", stanzaT("Filename: pool/main/"), "file name"},
		{"double slash", stanzaT("Filename: pool//x.deb"), "file name"},
		{"dot", stanzaT("Filename: pool/./x.deb"), "file name"},
		{"URL characters", stanzaT("Filename: pool/x.deb?y#z"), "file name"},
		{"escape", stanzaT("Filename: pool/%2e%2e/x.deb"), "file name"},
		{"blank", stanzaT("Filename: pool/x y.deb"), "file name"},
		{"continued path", stanzaT("Filename: pool/x\n y.deb"), "file name"},
		{"short hash", stanzaT("SHA256: abc"), "SHA256"},
		{"hash not hex", stanzaT("SHA256: " + strings.Repeat("x", 64)), "SHA256"},
		{"bad SHA1", stanzaT("SHA1: " + hashA), "SHA1"},
		{"size 0", stanzaT("Size: 0"), "size"},
		{"negative size", stanzaT("Size: -1"), "size"},
		{"huge size", stanzaT("Size: 99999999999"), "size"},
		{"overflowing size", stanzaT("Size: 99999999999999999999"), "size"},
		{"size with unit", stanzaT("Size: 5k"), "size"},
		{"name", stanzaT("Package: a/b"), "package name"},
		{"name like an option", stanzaT("Package: -x"), "package name"},
		{"upper-case name", stanzaT("Package: Hello"), "package name"},
		{"version", stanzaT("Version: 1/2"), "version"},
		{"architecture", stanzaT("Architecture: ../x"), "architecture"},
		{"no file name", stanzaT("Filename: "), "required field"},
		{"no hash", stanzaT("SHA256: "), "required field"},
		{"no name", stanzaT("Package: "), "required field"},
		{"field twice", stanzaT() + "Package: x\nPackage: y\n", "line 9: field \"Package\" twice"},
		{"empty field twice", "Depends:\nDepends: x\n", "twice"},
		{"NUL", stanzaT("Description: a\x00b"), "NUL"},
		{"no colon", stanzaT() + "nonsense\n", "line 8: not of the form"},
		{"blank in key", "Pack age: x\n", "not of the form"},
		{"continuation first", " x\n" + stanzaT(), "line 1: a continuation"},
		{"continuation after blank", stanzaT() + " x\n", "continuation"},
		{"binary", "\xfd7zXZ\x00\x00\x04", "NUL"},
		{"10 MB line", stanzaT("Description: " + strings.Repeat("x", 10<<20)), "a line of more than"},
		{"10 MB stanza", stanzaT("Description: x" + strings.Repeat("\n "+strings.Repeat("x", 1000), 10<<10)), "a stanza of more than"},
		{"10 MB of fields", strings.Repeat("X: y\n", 2<<20), "a stanza of more than"},
	}
	for _, test := range tests {
		ix, err := ParseIndex(strings.NewReader(test.text))
		var malformed *FormatError
		if ix != nil || !errors.As(err, &malformed) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("ParseIndex(%s) = %v, %v; want a *FormatError that says %q", test.name, ix, err, test.want)
		}
	}
}

// endless yields the same text again and again, and counts.
type endless struct {
	text string
	n    int64
}

func (e *endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		n += copy(p[n:], e.text[(e.n+int64(n))%int64(len(e.text)):])
	}
	e.n += int64(n)
	return n, nil
}

func TestScannerBoundsText(t *testing.T) {
	const bound = 1 << 20
	bomb := &endless{text: stanzaT()}
	s := newScanner("Packages", bomb, bound)
	var err error
	for err == nil {
		_, _, _, err = s.next()
	}
	var malformed *FormatError
	if !errors.As(err, &malformed) || bomb.n > 3*bound {
		t.Errorf("after %d bytes of a text bounded by %d: %v", bomb.n, bound, err)
	}
}

func TestParseIndexReadError(t *testing.T) {
	broken := errors.New("broken pipe")
	_, err := ParseIndex(io.MultiReader(strings.NewReader(stanzaT()), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) {
		t.Errorf("ParseIndex with a failing reader = %v; want %v", err, broken)
	}
}

func FuzzParseIndex(f *testing.F) {
	f.Add([]byte(stanzaT("Depends: a, b (>= 1) | c", "Provides: d (= 1)") + stanzaT("Version: 3")))
	f.Fuzz(func(t *testing.T, text []byte) {
		ix, err := ParseIndex(bytes.NewReader(text))
		if err != nil {
			return
		}
		for _, p := range ix.packages {
			if got, ok := ix.Lookup(p.Name); !ok || got != p {
				t.Errorf("Lookup(%q) = %+v, %v; want %+v", p.Name, got, ok, p)
			}
			if !strings.HasPrefix(p.Filename, "pool/") || strings.Contains(p.Filename, "..") && strings.Contains(p.Filename, "/..") ||
				p.Size <= 0 || len(p.SHA256) != 64 {
				t.Errorf("package %+v", p)
			}
			// Neither may panic, whatever the fields say.
			if all, err := ix.Closure([]string{p.Name}, ClosureOptions{}); err == nil && len(all) == 0 {
				t.Errorf("Closure(%q) is empty", p.Name)
			}
		}
	})
}
