package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nixsd-native/internal/bundle"
	"nixsd-native/internal/testenv"
	"nixsd-native/nix"
)

var demoBundles fixture[string]

// demoBundle returns the user's bundle of the demo.
func demoBundle(t *testing.T) string {
	t.Helper()
	p := userInputs(t)
	return demoBundles.get(t, func() (string, string, error) {
		u := user()
		r := must(t, job{as: u, args: p.with("bundle", "create", "demo.nixsd", "--demo", "--log-format", "json")})
		if r.out != "demo.nixsd\n" {
			t.Errorf("bundle create printed %q", r.out)
		}
		return filepath.Join(u.home, "demo.nixsd"), "", nil
	})
}

// openBundle opens a bundle until the end of the test.
func openBundle(t *testing.T, file string) *bundle.Reader {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	r, err := bundle.NewReader(f, file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// With nothing but a bundle of the demo, somebody without cache, store and network gets
// the image that everybody gets. A second build with it unpacks nothing.
func TestDemoBundle(t *testing.T) {
	check := mustStay(t)
	builds(t)
	file, u := demoBundle(t), user()
	again := must(t, job{as: u, args: u.places("first").with("bundle", "create", "again.nixsd", "--demo", "--json")})
	var made struct {
		Path, SHA256 string
		Size         int64
		Members      int
	}
	if err := json.Unmarshal([]byte(again.out), &made); err != nil || made.SHA256 != testenv.SHA256(t, file) || made.Members != len(openBundle(t, file).Index.Members) {
		t.Errorf("a second bundle differs from the first: %s, %v", again.out, err)
	}
	if r := must(t, job{as: u, args: []string{"bundle", "verify", file}}); r.out != fmt.Sprintf("%s: good, %d members, for %s\n", file, made.Members, nativeArch()) {
		t.Errorf("bundle verify printed %q", r.out)
	}
	p := u.places("bundle-demo")
	examine(t, job{as: u, isolated: true, args: p.with("doctor", "--demo", "--bundle", file)}).mustSay(t, "inputs", "ok", "on this machine", "")
	must(t, job{as: u, isolated: true, args: buildArgs(t, u, p, "bundle-demo", "--bundle", file, "--offline")})
	first := manifestIn(t, filepath.Join(u.home, "first"))
	if got := manifestIn(t, filepath.Join(u.home, "bundle-demo")); got.SHA256 != first.SHA256 {
		t.Error("from the bundle the image is another one")
	}
	r := must(t, job{as: u, isolated: true, args: buildArgs(t, u, p, "bundle-demo", "--bundle", file)})
	if len(r.built()) > 0 || slices.ContainsFunc(r.events, func(e event) bool { return e.Doing == "unpacking" }) {
		t.Errorf("the second build built %q, or unpacked something", r.built())
	}
	check(t)
}

// A flipped byte anywhere is named with the member, and nothing of the bundle is used.
func TestDamagedBundle(t *testing.T) {
	check := mustStay(t)
	file, u := demoBundle(t), user()
	bad := filepath.Join(u.home, "bad.nixsd")
	copyTree(t, file, bad, u.uid)
	p := u.places("bundle-bad")
	info, err := os.Stat(bad)
	if err != nil {
		t.Fatal(err)
	}
	members := openBundle(t, file).Index.Members
	last := members[len(members)-1].Path
	for at, member := range map[int64]string{100: "index.json", info.Size() / 2: "inputs/", info.Size() - 1: last, -1: last} {
		restore := spoil(t, bad, at)
		for _, args := range [][]string{
			p.with("bundle", "verify", bad),
			append(p.with("build", "--demo", "--bundle", bad, "-o", "bundle-bad/", "--ssh-key"), u.keyFile(t)),
		} {
			r := run(t, job{as: u, args: args})
			r.mustBeClear(t, fmt.Sprintf("byte %d", at), exitVerify, "bundle "+bad+`: member "`+member)
		}
		if left := listing(t, p.cache); len(left) > 0 {
			t.Errorf("byte %d: the cache has %q; want nothing", at, left)
		}
		examine(t, job{as: u, args: p.with("doctor", "--demo", "--bundle", bad)}).mustSay(t, "inputs", "problem", `member "`+member, "")
		restore()
	}
	other := run(t, job{as: u, args: p.with("build", "--bundle", bad, "-o", "bundle-bad/", "--ssh-key", u.keyFile(t))})
	other.mustBeClear(t, "the demo's bundle for NixOS", exitUsage, "is of the demo")
	check(t)
}

// spoil changes a byte of a file, or, if at is negative, leaves the last one out. It
// returns what makes that good again.
func spoil(t *testing.T, name string, at int64) (restore func()) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	short := at < 0
	if short {
		at = info.Size() - 1
	}
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	was := b[0]
	put := func(value byte) {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err == nil {
			_, err = f.WriteAt([]byte{value}, at)
			f.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if short {
		if err := f.Truncate(at); err != nil {
			t.Fatal(err)
		}
	} else {
		put(was ^ 0x10)
	}
	return func() { put(was) }
}

// download is in the configuration something that a build downloads: its hash, that of
// "42", is fixed.
const download = `sdImage.postBuildCommands = ": ${derivation {
    name = "downloaded";
    system = "aarch64-linux";
    builder = "${pkgs.busybox}/bin/sh";
    args = [ "-c" "echo 42 > $out" ];
    outputHashMode = "flat";
    outputHashAlgo = "sha256";
    outputHash = "084c799cd551dd1d8d5c5f9a5d593b2e931f5e36122ee5c793c1d08a19839cc0";
  }}";
  sdImage.`

// A bundle of NixOS has what the binary cache has, with its signatures, and what no cache
// has if asked to. It makes the image that the network makes.
func TestNixOSBundle(t *testing.T) {
	check := mustStay(t)
	n := newNixOS(t)
	key := n.servedCache(t)
	n.state = filepath.Join(n.home, "bundle-state")
	dir := filepath.Dir(n.write(t, "bundle/sd-card.nix", sdCard(t, "sdImage.", download)))
	create := func(more ...string) job {
		j := n.job(dir, n.args("bundle", append([]string{"create", "board.nixsd", "--ssh-key", n.keyFile(t), "--substituter", n.CacheURL(), "--trusted-public-key", key}, more...)...))
		j.env = n.alone(t)
		return j
	}
	refused := create("--log-format", "plain")
	run(t, refused).mustBeClear(t, "without sources", exitUsage, "downloaded")
	must(t, create("--sources"))
	file := filepath.Join(dir, "board.nixsd")
	sum := testenv.SHA256(t, file)
	n.checkBundledCache(t, file)
	j := n.job(dir, n.build(t, "--trusted-public-key", key))
	j.env = n.alone(t)
	want := must(t, j)
	must(t, create("--sources")) // from a store that has everything
	if testenv.SHA256(t, file) != sum {
		t.Error("the second bundle differs from the first")
	}
	n.buildFromBundle(t, file, key, want.built())
	if left := listing(t, filepath.Join(n.state, "root/nix/nixsd")); slices.Contains(left, "bundle") {
		t.Errorf("the store's folder has %q; want no scratch folder", left)
	}
	check(t)
}

// checkBundledCache looks at the binary cache in a bundle.
func (n nixos) checkBundledCache(t *testing.T, file string) {
	t.Helper()
	folder, err := openBundle(t, file).Extract(t.Context(), t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var signed []string
	free := 0
	for _, name := range listing(t, filepath.Join(folder, "cache")) {
		if filepath.Ext(name) != ".narinfo" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, "cache", name))
		if err != nil {
			t.Fatal(err)
		}
		info, err := nix.ParseNarinfo(text)
		if err != nil {
			t.Fatal(err)
		}
		if info.ContentAddressed {
			free++
			continue
		}
		signed = append(signed, nix.DerivationName(info.StorePath))
		if !strings.Contains(string(text), "\nSig: e2e-1:") {
			t.Errorf("%s is not signed:\n%s", info.StorePath, text)
		}
	}
	slices.Sort(signed) // some are for both systems
	if !slices.Equal(slices.Compact(signed), inCache) || free < 50 {
		t.Errorf("the bundle has, signed, %q and %d content-addressed paths; want %q and all sources", signed, free, inCache)
	}
}

// buildFromBundle builds from a bundle alone, and compares with the image in out/ and
// with what was built for that.
func (n nixos) buildFromBundle(t *testing.T, file, key string, built []string) {
	t.Helper()
	p := n.caller.places("bundle-nixos")
	dir := filepath.Dir(n.write(t, "bundle-away/sd-card.nix", sdCard(t, "sdImage.", download)))
	args := p.with("build", "--log-format", "json", "-o", "out/", "--ssh-key", n.keyFile(t), "--bundle", file, "--trusted-public-key", key)
	r := must(t, job{as: n.caller, dir: dir, isolated: true, args: args})
	want, got := manifestIn(t, filepath.Join(n.home, "bundle", "out")), manifestIn(t, filepath.Join(dir, "out"))
	if got.SHA256 != want.SHA256 || got.Derivation != want.Derivation {
		t.Errorf("from the bundle: %+v; want the same as %+v", got, want)
	}
	for _, name := range r.built() {
		if slices.Contains(inCache, name) || name == "downloaded" || !slices.Contains(built, name) {
			t.Errorf("%s was built; the bundle has it", name)
		}
	}
	if lockIn(t, dir).Checksum != lockIn(t, filepath.Join(n.home, "bundle")).Checksum {
		t.Error("the lock that was written is not the bundle's")
	}
	must(t, job{as: n.caller, args: p.with("clean", "--cache")})
	if left := listing(t, p.cache); len(left) > 0 {
		t.Errorf("clean --cache left %q", left)
	}
}

// A flake's inputs are in its bundle: without network it is evaluated, and what its image
// needs of the cache is there.
func TestFlakeBundle(t *testing.T) {
	check := mustStay(t)
	n := newNixOS(t)
	key := n.servedCache(t)
	dir := n.flakeFolder(t, "bundle-flake")
	flags := []string{"--log-format", "json", "--flake", "path:.#rpi", "--ssh-key", n.keyFile(t), "--trusted-public-key", key}
	j := n.job(dir, n.args("bundle", slices.Concat([]string{"create", "../flake.nixsd", "--substituter", n.CacheURL()}, flags)...))
	j.env = n.alone(t)
	must(t, j)
	p := n.caller.places("bundle-flake")
	away := slices.Concat(p.with("build", "--dry-run", "--json", "--bundle", "../flake.nixsd"), flags)
	r := must(t, job{as: n.caller, dir: dir, isolated: true, args: away})
	var f struct {
		Fetch int `json:"fetch_paths"`
		Build []string
	}
	if err := json.Unmarshal([]byte(r.out), &f); err != nil || f.Fetch < len(inCache) || !slices.Contains(f.Build, imageName) || slices.Contains(f.Build, "linux") {
		t.Errorf("build --dry-run = %s, %v; want the cache's paths to be fetched", r.out, err)
	}
	check(t)
}

// As root, a bundle is the caller's, and what is unpacked is the worker's.
func TestBundleAsRoot(t *testing.T) {
	check := mustStay(t)
	p := rootBuild(t)
	home := caller{userID, filepath.Join(lab(), "bundle-sudo")}
	home.folder(t, ".")
	sudo := []string{fmt.Sprintf("SUDO_UID=%d", userID), fmt.Sprintf("SUDO_GID=%d", userID)}
	must(t, job{as: root(), env: sudo, dir: home.home, args: p.with("bundle", "create", "demo.nixsd", "--demo")})
	file := filepath.Join(home.home, "demo.nixsd")
	info, err := os.Stat(file)
	if err != nil || owner(info) != userID || !slices.Equal(listing(t, home.home), []string{"demo.nixsd"}) {
		t.Fatalf("the bundle: %v, %v, in %q; want it to be the caller's", info, err, listing(t, home.home))
	}
	other := root().places("bundle-root")
	args := other.with("shell", "--demo", "-q", "--bundle", file, "--", "nix-store", "--verify")
	must(t, job{as: root(), env: sudo, dir: home.home, isolated: true, args: args})
	must(t, job{as: root(), env: sudo, args: other.with("bundle", "verify", file)})
	check(t)
}
