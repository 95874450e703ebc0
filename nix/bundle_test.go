package nix

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSources(t *testing.T) {
	out := strings.Join([]string{part, partDrv, whole, "", wholeDrv, "/etc/passwd"}, "\n")
	if got := WithoutDerivations(out); !slices.Equal(got, []string{part, whole}) {
		t.Errorf("WithoutDerivations(%q) = %q; want the paths that are no derivations", out, got)
	}
}

func TestParseFlakeInputs(t *testing.T) {
	for output, want := range map[string][]string{
		`{"path":"` + part + `","inputs":{}}`: {part},
		`{"path":"` + part + `","inputs":{"nixpkgs":{"path":"` + whole + `","inputs":{"deep":{"path":"` + nowhere + `"}}}}}`: {part, whole, nowhere},
		`{"inputs":{}}`:          nil,
		`{"path":"/etc/passwd"}`: nil,
		`nonsense`:               nil,
	} {
		got, err := ParseFlakeInputs(output)
		if !slices.Equal(got, want) || want == nil && output != `{"inputs":{}}` && err == nil {
			t.Errorf("ParseFlakeInputs(%s) = %q, %v; want %q", output, got, err, want)
		}
	}
}

func TestFixedOutput(t *testing.T) {
	const derivation = `Derive([("out","/nix/store/1x1amsh7w3006xckvy9x9035qs7bif64-part-1.0","@")],[],[],"x86_64-linux","/bin/sh",[],[("name","part-1.0"),("out","/nix/store/1x1amsh7w3006xckvy9x9035qs7bif64-part-1.0")])`
	for hash, want := range map[string]bool{
		`","`: false,
		`sha256","084c799cd551dd1d8d5c5f9a5d593b2e931f5e36122ee5c793c1d08a19839cc0`: true,
	} {
		text := strings.Replace(derivation, "@", hash, 1)
		if got, err := FixedOutput(strings.NewReader(text)); err != nil || got != want {
			t.Errorf("FixedOutput(%s) = %v, %v; want %v", text, got, err, want)
		}
	}
	if _, err := FixedOutput(strings.NewReader("nonsense")); err == nil {
		t.Error("FixedOutput of nonsense: no error")
	}
}

// The files of a bundle's cache are listed with their hashes, and everything that a
// bundle is made in goes, read-only or not; the rest of /nix stays.
func TestBundleSteps(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		bundleCache + "/nix-cache-info": "StoreDir: /nix/store\n", bundleCache + "/nar/a.nar": "a", bundleDir + "/store/nix/x": "x", ownDir + "/stays": "y",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o444); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, bundleDir, "store/nix"), 0o555); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := runBundleStep(t.Context(), StepBundleList, dir, json.NewEncoder(&out)); err != nil {
		t.Fatal(err)
	}
	var m InsideMessage
	first, _, _ := strings.Cut(out.String(), "\n")
	const sumOfA = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
	if err := json.Unmarshal([]byte(first), &m); err != nil || m.File == nil || *m.File != (CacheFile{"nar/a.nar", 1, sumOfA}) || strings.Count(out.String(), "\n") != 2 {
		t.Errorf("listed %s, %v", &out, err)
	}
	for range 2 {
		if err := runBundleStep(t.Context(), StepBundleRemove, dir, json.NewEncoder(&out)); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(filepath.Join(dir, ownDir))
	if err != nil || len(entries) != 1 || entries[0].Name() != "stays" {
		t.Errorf("left are %v, %v", entries, err)
	}
	empty := t.TempDir()
	if err := runBundleStep(t.Context(), StepBundleRemove, empty, json.NewEncoder(&out)); err != nil {
		t.Errorf("in an empty /nix: %v", err)
	}
}
