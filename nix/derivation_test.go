package nix

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What derivations download is read from their files as Nix wrote them.
func TestDerivationDownloads(t *testing.T) {
	for name, want := range map[string]struct {
		urls   []string
		ok     bool
		system string
	}{
		"builtin":    {[]string{"https://example.org/builtin.tar.gz"}, true, "builtin"},
		"byFetchurl": {[]string{"mirror://gnu/hello/hello-2.12.tar.gz", "https://example.org/hello-2.12.tar.gz"}, true, "x86_64-linux"},
		"byGit":      {[]string{"https://example.org/repo.git"}, true, "x86_64-linux"},
		"structured": {[]string{"https://example.org/structured.tar.gz"}, true, "x86_64-linux"},
		"vendored":   {nil, true, "x86_64-linux"},
		"local":      {nil, false, "x86_64-linux"},
		"text":       {nil, false, "x86_64-linux"},
		"plain":      {nil, false, "x86_64-linux"},
	} {
		text, err := os.ReadFile(filepath.Join("testdata", "golden", name+".drv"))
		if err != nil {
			t.Fatal(err)
		}
		urls, ok, err := DerivationDownloads(strings.NewReader(string(text)))
		if err != nil || ok != want.ok || !slices.Equal(urls, want.urls) {
			t.Errorf("%s downloads from %q, %v, %v; want %q, %v", name, urls, ok, err, want.urls, want.ok)
		}
		if got, err := DerivationSystem(strings.NewReader(string(text))); err != nil && name != "structured" || got != want.system && name != "structured" {
			t.Errorf("%s is built on %q, %v; want %s", name, got, err, want.system)
		}
	}
}

func TestDerivationDownloadsRefuses(t *testing.T) {
	for _, text := range []string{"", "Derive(", strings.Repeat("x", 1000), `Derive([("out","/nix/store/x"`} {
		if urls, ok, err := DerivationDownloads(strings.NewReader(text)); ok || err == nil {
			t.Errorf("%q downloads from %q, %v, %v; want an error", text, urls, ok, err)
		}
	}
}

// Nix names the files that it fetches as we do.
func TestFetchedPath(t *testing.T) {
	for _, name := range []string{"builtin", "local", "byFetchurl", "text"} {
		text, err := os.ReadFile(filepath.Join("testdata", "golden", name+".drv"))
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(text), `"out","`)
		want, _, _ := strings.Cut(rest, `"`)
		_, file, _ := strings.Cut(filepath.Base(want), "-")
		if got := FetchedPath(file, strings.Repeat("0", 64)); got != want {
			t.Errorf("FetchedPath(%s) = %s; want %s", file, got, want)
		}
	}
}
