package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// emptyCache is the places with another cache folder, in which nothing is.
func (p places) emptyCache(t *testing.T, name string) places {
	t.Helper()
	p.cache = filepath.Join(filepath.Dir(p.cache), name)
	if _, err := os.Lstat(p.cache); !os.IsNotExist(err) {
		t.Fatalf("%s is there: %v", p.cache, err)
	}
	return p
}

// carried is the emulator's package as somebody carries it over: a sound file of c's,
// and a damaged one.
func (c caller) carried(t *testing.T, from places, name string) (sound, damaged string) {
	t.Helper()
	_, data := emulatorDeb(t, from)
	sound = c.write(t, name+"/qemu-user.deb", string(data))
	data[len(data)/2] ^= 1
	return sound, c.write(t, name+"/damaged.deb", string(data))
}

// Who carries only the .deb over to a machine without network, whose store has the
// rest, gets the same image. All that is missing is told at once, and no more.
func TestDebAlone(t *testing.T) {
	needEmulation(t)
	check := mustStay(t)
	n := newNixOS(t)
	sound, damaged := n.carried(t, n.places, "carried")
	dir := filepath.Dir(n.write(t, "alone/sd-card.nix", hostNamed(t, "alone")))
	must(t, n.job(dir, n.build(t)))
	want := manifestIn(t, filepath.Join(dir, "out"))
	n.places = n.emptyCache(t, "alone-cache")
	offline := func(p places, more ...string) result {
		n.places = p
		args := n.args("build", append([]string{"-o", "out/", "--ssh-key", n.keyFile(t), "--offline", "--log-format", "plain"}, more...)...)
		j := n.job(dir, args)
		j.isolated = true
		return run(t, j)
	}
	r := offline(n.places)
	r.mustBeClear(t, "no .deb", exitNetwork, "not in the cache: qemu-user_")
	if says, _, _ := strings.Cut(r.errs, "\nhint: "); strings.Contains(says, "nix-2.35.2") || strings.Contains(says, "nixexprs") {
		t.Errorf("more is missing than the .deb:\n%s", r.errs)
	}
	offline(n.places, "--qemu-deb", damaged).mustBeClear(t, "a damaged .deb", exitVerify, "damaged.deb has sha256 ")
	if r := offline(n.places, "--qemu-deb", sound); r.status != 0 {
		t.Fatalf("with the .deb alone = %d\n%s", r.status, r.errs)
	}
	if got := manifestIn(t, filepath.Join(dir, "out")); got.SHA256 != want.SHA256 || got.Nix != want.Nix || got.Nixpkgs != want.Nixpkgs {
		t.Errorf("with the .deb alone the image is %+v; want %+v", got, want)
	}
	fresh := n.emptyCache(t, "alone-fresh-cache")
	fresh.state += "-fresh"
	r = offline(fresh)
	for _, name := range []string{"qemu-user_", "nix-2.35.2", "nixexprs"} {
		r.mustBeClear(t, "an empty store, too", exitNetwork, name)
	}
	if !strings.Contains(r.errs, "hint: on a machine with network, run: nixsd-native fetch ") {
		t.Errorf("no hint names the command:\n%s", r.errs)
	}
	check(t)
}

// It is so for the demo, too, whose plan the store keeps, and for root, whose store the
// worker cannot see. Packages that a build turns out to need are told all at once.
func TestDemoDebAlone(t *testing.T) {
	needEmulation(t)
	check := mustStay(t)
	up, rp := builds(t)
	for _, c := range []struct {
		caller
		places
	}{{user(), up}, {root(), rp}} {
		if c.state == "" {
			continue
		}
		sound, damaged := c.carried(t, up, "carried-demo")
		p := c.emptyCache(t, "demo-alone-cache")
		build := func(more ...string) result {
			args := buildArgs(t, c.caller, p, "demo-alone", append([]string{"--emulation", "private", "--offline", "--log-format", "plain"}, more...)...)
			return run(t, job{as: c.caller, isolated: true, args: args})
		}
		if c.uid != 0 {
			build().mustBeClear(t, "no .deb", exitNetwork, "offline, and not in the cache: qemu-user_")
		} else if r := build(); r.status != 0 { // its emulator is unpacked in the state folder
			t.Errorf("root, with nothing in the cache = %d\n%s", r.status, r.errs)
		}
		build("--qemu-deb", damaged).mustBeClear(t, "a damaged .deb", exitVerify, "damaged.deb is none of the pinned packages")
		if r := build("--qemu-deb", sound); r.status != 0 {
			t.Errorf("uid %d: with the .deb alone = %d\n%s", c.uid, r.status, r.errs)
			continue
		}
		want, got := manifestIn(t, filepath.Join(c.home, "first")), manifestIn(t, filepath.Join(c.home, "demo-alone"))
		if got.SHA256 != want.SHA256 || got.Nix != want.Nix {
			t.Errorf("uid %d: with the .deb alone the image is %+v; want %+v", c.uid, got, want)
		}
		fresh := p
		fresh.state += "-fresh"
		args := buildArgs(t, c.caller, fresh, "demo-alone", "--emulation", "private", "--offline", "--log-format", "plain", "--qemu-deb", sound)
		run(t, job{as: c.caller, isolated: true, args: args}).mustBeClear(t, "an empty store, too", exitNetwork, "demo/trixie-")
	}
	check(t)
}

// What a build without network would have to download is told before it builds, all of
// it, with what helps.
func TestOfflineSources(t *testing.T) {
	check := mustStay(t)
	p, _ := builds(t)
	u := user()
	const count = 22
	var sources strings.Builder
	for i := range count {
		fmt.Fprintf(&sources, `${derivation { name = "source-%02d.tar.gz"; system = "builtin"; builder = "builtin:fetchurl";
			url = "https://me:s3kr1t@example.org/%02d.tar.gz"; outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = "%064d"; }}`, i, i, i)
	}
	config := u.write(t, "sources/sd-card.nix", sdCard(t, "sdImage.", "sdImage.postBuildCommands = \"# "+sources.String()+"\";\n  sdImage."))
	for _, more := range [][]string{nil, {"--dry-run"}} {
		args := buildArgs(t, u, p, "sources-out", append(more, "--offline", "--log-format", "plain", config)...)
		r := run(t, job{as: u, isolated: true, args: args})
		r.mustBeClear(t, "sources", exitNetwork, "offline, and not in the store: source-00.tar.gz, source-01.tar.gz, ")
		for _, want := range []string{
			"source-19.tar.gz, and 2 more\n", "hint: source-19.tar.gz is at https://***@example.org/19.tar.gz\n", "hint: and 2 more",
			"nixsd-native bundle create FILE --demo " + config + " --sources; then here: nixsd-native build --bundle FILE",
		} {
			if !strings.Contains(r.errs, want) {
				t.Errorf("%q is not in what it says:\n%s", want, r.errs)
			}
		}
		if strings.Contains(r.errs, "s3kr1t") {
			t.Errorf("a password is shown:\n%s", r.errs)
		}
	}
	if found := listing(t, u.folder(t, "sources-out")); len(found) > 0 {
		t.Errorf("it made %q", found)
	}
	wanted := u.write(t, "sources/evaluated.nix", sdCard(t, `"nixos"`, `(builtins.readFile (builtins.fetchurl "https://example.org/name"))`))
	r := run(t, job{as: u, isolated: true, args: buildArgs(t, u, p, "sources-out", "--offline", "--log-format", "plain", wanted)})
	r.mustBeClear(t, "a download in the evaluation", exitNetwork, "downloads while it is evaluated: https://example.org/name")
	check(t)
}
