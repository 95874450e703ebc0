package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nixsd-native/internal/bundle"
	"nixsd-native/nix"
)

// lockOf pins inputs whose hashes consist of one digit each.
func lockOf(nixpkgs, tarball, qemu string) *nix.Lock {
	hash := func(digit string) string { return strings.Repeat(digit, 64) }
	return &nix.Lock{
		Nixpkgs: nix.LockedNixpkgs{LockedTarball: nix.LockedTarball{URL: "https://example.org/n", SHA256: hash(nixpkgs)}},
		Nix:     map[string]nix.LockedTarball{nativeSystem(): {URL: "https://example.org/nix", SHA256: hash(tarball)}},
		QEMU:    nix.LockedDeb{Name: "q.deb", SHA256: hash(qemu)},
	}
}

// A lock beside the configuration must pin what the bundle's does; the input that
// differs is named.
func TestBundleObeyed(t *testing.T) {
	for _, c := range []struct {
		own  *nix.Lock
		says string
	}{
		{lockOf("1", "2", "3"), ""},
		{lockOf("4", "2", "3"), "another nixpkgs than bundle b"},
		{lockOf("1", "4", "3"), "another nix for " + nativeSystem()},
		{lockOf("1", "2", "4"), "another qemu"},
	} {
		l := &loadedBundle{file: "b", lock: lockOf("1", "2", "3")}
		got, err := l.obeyed(c.own)
		if c.says == "" && (err != nil || got != c.own || l.newLock) {
			t.Errorf("the same inputs: %v, %v", got, err)
		}
		if c.says != "" && (exitCode(err) != exitUsage || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%v; want a usage error with %q", err, c.says)
		}
	}
	l := &loadedBundle{file: "b", lock: lockOf("1", "2", "3")}
	if got, err := l.obeyed(nil); err != nil || got != l.lock || !l.newLock {
		t.Errorf("without a lock: %v, %v; want the bundle's, to be written", got, err)
	}
}

// A bundle is for one kind of machine, and for the demo or for NixOS.
func TestBundleFits(t *testing.T) {
	text, err := lockOf("1", "2", "3").Text()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		index bundle.Index
		demo  bool
		code  int
	}{
		"NixOS":               {bundle.Index{System: nativeSystem(), Lock: text}, false, exitOK},
		"demo":                {bundle.Index{System: nativeSystem(), Demo: true}, true, exitOK},
		"of another machine":  {bundle.Index{System: "riscv64-linux", Lock: text}, false, exitUsage},
		"NixOS for the demo":  {bundle.Index{System: nativeSystem(), Lock: text}, true, exitUsage},
		"the demo for NixOS":  {bundle.Index{System: nativeSystem(), Demo: true}, false, exitUsage},
		"NixOS without locks": {bundle.Index{System: nativeSystem()}, false, exitVerify},
		"a lock of nothing":   {bundle.Index{System: nativeSystem(), Lock: []byte(`{"version":1}`)}, false, exitVerify},
	} {
		l := &loadedBundle{file: "b", index: c.index}
		if err := l.fits(c.demo); exitCode(err) != c.code {
			t.Errorf("%s: %v; want exit %d", name, err, c.code)
		}
	}
}

// What is unpacked of bundles goes with the downloads, half-unpacked ones always.
func TestCleanBundles(t *testing.T) {
	dir := t.TempDir()
	whole := bundlePrefix + strings.Repeat("a", 64)
	for _, name := range []string{whole + "/nar", ".bundle-123/inputs", "bundle-mine", "holiday.jpg"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	left := func() []string {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	if _, err := cleanCache(dir, false); err != nil || !slices.Equal(left(), []string{whole, "bundle-mine", "holiday.jpg"}) {
		t.Errorf("clean left %q, %v", left(), err)
	}
	if _, err := cleanCache(dir, true); err != nil || !slices.Equal(left(), []string{"bundle-mine", "holiday.jpg"}) {
		t.Errorf("clean --cache left %q, %v", left(), err)
	}
}
