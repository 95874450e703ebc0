package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"nixsd-native/internal/testenv"
	"nixsd-native/internal/upstream"
	"nixsd-native/nix"
)

// A nixos is a local nixos.org with somebody who builds from it.
type nixos struct {
	*upstream.Server
	caller
	places
}

// newNixOS starts a server that publishes the demo's Nix and channel. The user's store
// has all that the default configuration needs.
func newNixOS(t *testing.T) nixos {
	t.Helper()
	p, _ := builds(t)
	found := func(pattern string) string {
		all, err := filepath.Glob(filepath.Join(p.cache, pattern))
		if err != nil || len(all) != 1 {
			t.Fatalf("%s has %q, %v; want one %s", p.cache, all, err, pattern)
		}
		return all[0]
	}
	server := upstream.Start(t, lab(), upstream.Content{
		NixTar: found("*-nix-demo-*"), NixVersion: "2.35.2", NixSystem: nativeArch(), ChannelTar: found("*-nixexprs-demo*"), Release: nix.DefaultRelease,
	})
	return nixos{server, user(), p}
}

// nativeArch is this machine in Nix's words.
func nativeArch() string {
	return map[string]string{"amd64": "x86_64-linux", "arm64": "aarch64-linux"}[runtime.GOARCH]
}

// args are those of a command that gets its inputs from the server. Nothing but URLs
// differs from what people type, and the hash of the Nix, which is no release of
// upstream's.
func (n nixos) args(command string, more ...string) []string {
	args := n.with(command, "--log-format", "json", "--channel-mirror", n.ChannelsURL(),
		"--nix", n.ReleasesURL()+"/nix/nix-2.35.2/nix-2.35.2-"+nativeArch()+".tar.xz", "--nix-sha256", n.NixSHA256())
	return append(args, more...)
}

// job is a run of the program in the folder of a configuration.
func (n nixos) job(dir string, args []string) job {
	return job{as: n.caller, dir: dir, args: args, env: []string{"SSL_CERT_FILE=" + n.CAFile()}}
}

// build are the arguments of a build whose image goes to the folder out beside the
// configuration.
func (n nixos) build(t *testing.T, more ...string) []string {
	return n.args("build", append([]string{"-o", "out/", "--ssh-key", n.keyFile(t), "--substituter", n.CacheURL()}, more...)...)
}

// lockIn reads the lock file in a folder.
func lockIn(t *testing.T, dir string) nix.Lock {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, nix.LockName))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l, err := nix.ReadLock(f)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// asked counts the requests whose method and path contain a text.
func (n nixos) asked(text string) int {
	count := 0
	for _, r := range n.Requests() {
		if strings.Contains(r, text) {
			count++
		}
	}
	return count
}

const secondRevision = "0123456789abcdef0123456789abcdef01234567"

// NixOS is built from the channel, boots, and is built from the same again however the
// channel moves, until update is asked for.
func TestNixOS(t *testing.T) {
	check := mustStay(t)
	n := newNixOS(t)
	config := n.write(t, "nixos/sd-card.nix", hostNamed(t, "from-channel"))
	dir := filepath.Dir(config)
	r := must(t, n.job(dir, n.build(t)))
	first := manifestIn(t, filepath.Join(dir, "out"))
	checkFiles(t, filepath.Join(dir, "out"), n.uid)
	if first.Demo || first.Assembly != "native" || first.Nixpkgs.Name != "nixos-26.05.1000.8f4c2a1be07d" || len(r.built()) != 3 {
		t.Errorf("built %q; manifest %+v", r.built(), first)
	}
	l := lockIn(t, dir)
	want := n.ReleasesURL() + "/nixos/26.05/nixos-26.05.1000.8f4c2a1be07d/nixexprs.tar.xz"
	if l.Nixpkgs.URL != want || l.Nixpkgs.Revision != upstream.FirstRevision || l.Nixpkgs.SHA256 != n.ChannelSHA256() || l.QEMU.SHA256 == "" {
		t.Errorf("the lock has %+v; want %s", l, want)
	}
	t.Run("boots", func(t *testing.T) { testMachine(t, boot(t, filepath.Join(dir, "out", imageName)), "from-channel") })
	t.Run("lock", func(t *testing.T) { n.lockWins(t, dir, first) })
	t.Run("bad lock", func(t *testing.T) { n.badLock(t, dir) })
	check(t)
}

// lockWins moves the channel between builds.
func (n nixos) lockWins(t *testing.T, dir string, first manifest) {
	n.Publish(t, secondRevision, 2000)
	n.Forget()
	again := must(t, n.job(dir, n.build(t)))
	if got := manifestIn(t, filepath.Join(dir, "out")); got.SHA256 != first.SHA256 || got.Nixpkgs != first.Nixpkgs || len(again.built())+len(again.downloaded()) > 0 || n.asked("/channels/") > 0 {
		t.Errorf("after the channel moved: %+v, built %q, downloaded %q, asked %q; want the same as before", got, again.built(), again.downloaded(), n.Requests())
	}
	offline := n.job(dir, append(n.args("build", "-o", "out/", "--ssh-key", n.keyFile(t)), "--offline"))
	offline.isolated = true
	must(t, offline)
	changes := must(t, n.job(dir, n.args("update"))).out
	if !strings.HasPrefix(changes, "nixpkgs: 8f4c2a1be07d (") || !strings.Contains(changes, ") → 0123456789ab (20") || strings.Count(changes, "\n") != 1 {
		t.Errorf("update says %q", changes)
	}
	if same := must(t, n.job(dir, n.args("update"))).out; same != "nothing changed\n" {
		t.Errorf("update again says %q", same)
	}
	must(t, n.job(dir, n.build(t)))
	if got := manifestIn(t, filepath.Join(dir, "out")); got.Nixpkgs.Name != "nixos-26.05.2000.0123456789ab" {
		t.Errorf("after update the manifest has %+v", got.Nixpkgs)
	}
}

// badLock spoils the lock in the ways in which people do.
func (n nixos) badLock(t *testing.T, dir string) {
	plain := append(n.build(t), "--log-format", "plain")
	run(t, n.job(dir, append(plain, "--nixos-release", "25.11"))).mustBeClear(t, "another release", exitUsage, "without --nixos-release 25.11")
	name := filepath.Join(dir, nix.LockName)
	good, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, says string }{
		{secondRevision, upstream.FirstRevision, "changed by hand"},
		{`"version": 1`, `"version": 7`, "newer nixsd-native"},
		{"{", "", "no JSON"},
	} {
		if err := os.WriteFile(name, []byte(strings.Replace(string(good), c.old, c.new, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		run(t, n.job(dir, plain)).mustBeClear(t, c.says, exitVerify, c.says)
	}
	run(t, n.job(dir, append(n.args("update"), "--log-format", "plain")))
	if lockIn(t, dir).Nixpkgs.Revision != secondRevision {
		t.Error("update did not make a damaged lock anew")
	}
}

// exitUsage is the status of mistakes on the command line.
const exitUsage = 2

// Root's builds lock and deliver for whoever called sudo.
func TestNixOSAsRoot(t *testing.T) {
	check := mustStay(t)
	p := rootBuild(t)
	n := newNixOS(t)
	n.places = p
	config := n.write(t, "nixos-root/sd-card.nix", sdCard(t))
	dir := filepath.Dir(config)
	j := n.job(dir, n.build(t))
	j.as = root()
	j.env = append(j.env, "SUDO_UID=54321", "SUDO_GID=54321")
	must(t, j)
	checkFiles(t, filepath.Join(dir, "out"), n.uid)
	info, err := os.Stat(filepath.Join(dir, nix.LockName))
	if err != nil || owner(info) != n.uid {
		t.Errorf("the lock file is owned by %v, %v; want %d", info, err, n.uid)
	}
	if m := manifestIn(t, filepath.Join(dir, "out")); m.Emulation != "host" && runtime.GOARCH != "arm64" {
		t.Errorf("emulation %q; want host", m.Emulation)
	}
	check(t)
}

// What the predecessor could be told works: another nixpkgs, an installer, no ZFS,
// compression.
func TestOtherImages(t *testing.T) {
	check := mustStay(t)
	n := newNixOS(t)
	installer := sdCard(t, "sd-image-aarch64.nix", "sd-image-aarch64-installer.nix")
	config := n.write(t, "installer/sd-card.nix", installer)
	dir := filepath.Dir(config)
	archive := n.ArchivesURL() + upstream.FirstRevision + ".tar.gz"
	must(t, n.job(dir, n.build(t, "--nixpkgs", archive, "--disable-zfs", "--compress", "zstd")))
	l := lockIn(t, dir)
	if l.Nixpkgs.Revision != upstream.FirstRevision || l.Nixpkgs.Channel != "" {
		t.Errorf("the lock has %+v; want the archive's revision", l.Nixpkgs)
	}
	const stem = "nixos-demo-installer-aarch64"
	const name = stem + ".img"
	if got := listing(t, filepath.Join(dir, "out")); !slices.Equal(got, []string{stem + ".cdx.json", name + ".zst", name + ".zst.sha256", stem + ".json"}) {
		t.Errorf("the folder holds %q", got)
	}
	plain := filepath.Join(lab(), "installer.img")
	defer os.Remove(plain)
	unzstd(t, filepath.Join(dir, "out", name+".zst"), plain)
	data, err := os.ReadFile(filepath.Join(dir, "out", stem+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var m struct{ Uncompressed struct{ SHA256 string } }
	if err := json.Unmarshal(data, &m); err != nil || m.Uncompressed.SHA256 != testenv.SHA256(t, plain) {
		t.Errorf("manifest: %s, %v; want the hash of the plain image", data, err)
	}
	system := run(t, n.job(dir, n.build(t, "--nixpkgs", archive, "--log-format", "plain", "--attr", "config.system.build.toplevel")))
	system.mustBeClear(t, "an attribute without an image", exitBuild, "holds no image")
	check(t)
}

// The emulator can be a Debian suite's current one, of either layout.
func TestEmulatorOfSuite(t *testing.T) {
	needEmulation(t)
	check := mustStay(t)
	p, _ := builds(t)
	for suite, pkg := range map[string]string{"trixie": "qemu-user_", "bookworm": "qemu-user-static_"} {
		fetched := must(t, job{as: user(), args: p.with("fetch", "--demo", "--qemu-suite", suite)}).out
		if !strings.Contains(fetched, "  "+pkg) {
			t.Errorf("fetch --qemu-suite %s: %s; want %s…", suite, fetched, pkg)
		}
		must(t, job{as: user(), args: p.with("shell", "--demo", "--qemu-suite", suite, "--", "true")}) // proves that it runs
	}
	check(t)
}

// The configuration in the image's /etc/nixos is what the image was built from, whatever
// its files are called and wherever they import one another from; nothing else of its
// folder is there.
func TestEtcNixos(t *testing.T) {
	check := mustStay(t)
	p, _ := builds(t)
	u := user()
	config := u.write(t, "etc/sd-card.nix", sdCard(t, "imports = [", "imports = [ ./configuration.nix ./modules ", `networking.hostName = "nixos";`, ""))
	for name, text := range map[string]string{
		"configuration.nix":   "{ imports = [ ./login-keys.nix ]; }",
		"login-keys.nix":      `{ users.users.nixos.extraGroups = [ "video" ]; }`,
		"modules/default.nix": "{ imports = [ ../common.nix ]; }",
		"common.nix":          `{ networking.hostName = "from-common"; }`,
		"secret.key":          "secret",
	} {
		u.write(t, "etc/"+name, text)
	}
	must(t, job{as: u, args: buildArgs(t, u, p, "etc-out", config)})
	parts := splitImage(t, filepath.Join(u.home, "etc-out", imageName), "etc")
	dir := u.folder(t, "etc-back")
	output(t, testenv.NeedProgram(t, "debugfs"), "-R", "rdump /etc/nixos "+dir, parts.ext4)
	found := output(t, testenv.NeedProgram(t, "find"), dir, "-type", "f", "-printf", "%P\n")
	if strings.Contains(found, "secret") || strings.Count(found, ".nix\n") != 7 {
		t.Errorf("/etc/nixos holds\n%s", found)
	}
	output(t, testenv.NeedProgram(t, "chown"), "-R", strconv.Itoa(u.uid), dir)
	u.write(t, "etc-back/sd-card.nix", "{ }") // what makes the folder visible
	out := must(t, job{as: u, dir: dir, args: p.with("shell", "--demo", "-q", "--offline", "--", "nix-instantiate", "--eval", "--strict", "--json",
		"--expr", `let c = (import <nixpkgs/nixos> { system = "aarch64-linux"; configuration = /config/nixos/configuration.nix; }).config;
			in [ c.networking.hostName c.users.users.nixos.extraGroups (builtins.length c.users.users.nixos.openssh.authorizedKeys.keys) ]`)}).out
	if want := `["from-common",["wheel","video"],1]`; strings.TrimSpace(out) != want && strings.TrimSpace(out) != `["from-common",["video","wheel"],1]` {
		t.Errorf("/etc/nixos evaluates to %s; want %s", out, want)
	}
	check(t)
}
