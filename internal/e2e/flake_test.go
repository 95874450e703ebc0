package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nixsd-native/internal/testenv"
	"nixsd-native/internal/upstream"
)

// flakeText is a flake with a board, and one that is not for aarch64, whose nixpkgs is
// a tarball.
func flakeText(nixpkgs string) string {
	return fmt.Sprintf(`{
  inputs.nixpkgs.url = %q;
  outputs = { self, nixpkgs }: {
    nixosConfigurations.rpi = nixpkgs.lib.nixosSystem {
      system = "aarch64-linux";
      modules = [ "${nixpkgs}/nixos/modules/installer/sd-card/sd-image-aarch64.nix" ./host.nix ];
    };
    nixosConfigurations.other = nixpkgs.lib.nixosSystem { system = "armv7l-linux"; modules = [ ./host.nix ]; };
  };
}
`, nixpkgs)
}

const flakeHost = `{ networking.hostName = "flaky"; services.openssh.enable = true; users.users.nixos.isNormalUser = true; }`

// flakeFolder makes a flake of the user's, with a lock that Nix made.
func (n nixos) flakeFolder(t *testing.T, name string) string {
	t.Helper()
	n.write(t, name+"/flake.nix", flakeText(n.ArchivesURL()+upstream.FirstRevision+".tar.gz"))
	dir := filepath.Dir(n.write(t, name+"/host.nix", flakeHost))
	lock := must(t, n.job(dir, n.args("shell", "--flake", "path:.#rpi", "--", "sh", "-c",
		"cp -r /config /tmp/f && nix flake lock path:/tmp/f 2>/dev/null && cat /tmp/f/flake.lock"))).out
	if !strings.Contains(lock, "narHash") {
		t.Fatalf("nix flake lock made %q", lock)
	}
	n.write(t, name+"/flake.lock", lock)
	return dir
}

// git runs git as the user.
func (n nixos) git(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command(testenv.NeedProgram(t, "git"), args...)
	cmd.Dir, cmd.Env = dir, n.environment(nil)
	cmd.SysProcAttr = job{as: n.caller}.attributes()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %q: %v: %s", args, err, out)
	}
}

func (n nixos) flakeBuild(t *testing.T, ref string, more ...string) []string {
	return n.args("build", append([]string{"-o", "out/", "--ssh-key", n.keyFile(t), "--flake", ref}, more...)...)
}

// A flake in a git work tree is what git tracks, its lock is obeyed, and its image is
// assembled natively and holds it.
func TestFlake(t *testing.T) {
	check := mustStay(t)
	n := newNixOS(t)
	dir := n.flakeFolder(t, "flake")
	top := filepath.Join(filepath.Dir(dir), "tree")
	if err := os.MkdirAll(top, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, filepath.Join(top, "boards")); err != nil {
		t.Fatal(err)
	}
	n.own(t, top)
	dir = filepath.Join(top, "boards") // a folder below the top of the work tree
	n.git(t, top, "init", "-q")
	n.git(t, top, "add", "boards/flake.nix", "boards/flake.lock")
	plain := []string{"--log-format", "plain"}
	r := run(t, n.job(dir, n.flakeBuild(t, ".#rpi", plain...)))
	r.mustBeClear(t, "host.nix not tracked", exitBuild, "host.nix")
	if !strings.Contains(r.errs, "git -C "+top+" add boards/host.nix") {
		t.Errorf("no hint to track the file:\n%s", r.errs)
	}
	n.git(t, top, "add", "boards/host.nix")
	must(t, n.job(dir, n.flakeBuild(t, ".#rpi")))
	m := manifestIn(t, filepath.Join(dir, "out"))
	if m.Assembly != "native" && nativeArch() != "aarch64-linux" || m.Demo {
		t.Errorf("manifest: %+v; want native assembly", m)
	}
	n.flakeFleet(t, dir)
	p := splitImage(t, filepath.Join(dir, "out", imageName), "flake")
	etc := output(t, testenv.NeedProgram(t, "debugfs"), "-R", "ls /etc/nixos", p.ext4)
	if !strings.Contains(etc, "flake.nix") || !strings.Contains(etc, "host.nix") {
		t.Errorf("/etc/nixos of the image holds %q; want the flake", etc)
	}
	run(t, n.job(dir, n.flakeBuild(t, ".#none", plain...))).mustBeClear(t, "no such name", exitUsage, "it has other, rpi")
	run(t, n.job(dir, n.flakeBuild(t, ".", plain...))).mustBeClear(t, "no name", exitUsage, "name one of")
	run(t, n.job(dir, n.flakeBuild(t, ".#other", plain...))).mustBeClear(t, "another system", exitUsage, "armv7l-linux")
	run(t, n.job(top, n.flakeBuild(t, ".#rpi", plain...))).mustBeClear(t, "no flake.nix", exitUsage, "no flake.nix")
	spoilFlakeLock(t, n, dir)
	run(t, n.job(dir, n.flakeBuild(t, ".#rpi", plain...))).mustBeClear(t, "another nixpkgs than locked", exitBuild, "mismatch")
	check(t)
}

// spoilFlakeLock pins another hash of nixpkgs.
func spoilFlakeLock(t *testing.T, n nixos, dir string) {
	t.Helper()
	name := filepath.Join(dir, "flake.lock")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(data), "sha256-") + len("sha256-")
	for i := range 4 {
		data[at+i] = "AB"[(data[at+i]&1)^1]
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
	n.git(t, filepath.Dir(dir), "add", "boards/flake.lock")
}

// A flake that nobody downloaded before is fetched from GitHub, by Nix in the sandbox.
func TestFlakeOfGitHub(t *testing.T) {
	check := mustStay(t)
	testenv.NeedRoot(t)
	n := newNixOS(t)
	if err := n.Listen("127.0.0.1:443"); err != nil {
		testenv.Need(t, "port 443 of 127.0.0.1", err)
	}
	source := n.flakeFolder(t, "github")
	n.ServeRepo("owner", "boards", strings.Repeat("ab", 20), source)
	dir := n.folder(t, "github-out")
	must(t, n.job(dir, n.flakeBuild(t, "github:owner/boards?host=localhost#rpi")))
	if got := listing(t, dir); !slices.Equal(got, []string{"nixsd.lock", "out"}) {
		t.Errorf("the folder holds %q", got)
	}
	if n.asked("/api/v3/repos/owner/boards/") == 0 {
		t.Errorf("asked %q; want GitHub's API", n.Requests())
	}
	check(t)
}

// nixpkgs can be a folder, or patched: the pristine tree stays, and a patch that does
// not fit is refused.
func TestNixpkgs(t *testing.T) {
	check := mustStay(t)
	n := newNixOS(t)
	dir := n.folder(t, "nixpkgs")
	show := func(more ...string) []string {
		return append(n.args("shell", more...), "-q", "--log-format", "plain", "--", "sh", "-c", "cat ${NIX_PATH#nixpkgs=}/nixos/lib/make-ext4-fs.nix; true")
	}
	pristine := must(t, n.job(dir, show())).out
	lines := strings.SplitAfterN(pristine, "\n", 2)
	good := n.write(t, "nixpkgs/good.patch", fmt.Sprintf("--- a/nixos/lib/make-ext4-fs.nix\n+++ b/nixos/lib/make-ext4-fs.nix\n@@ -1 +1,2 @@\n+# cptofs\n %s", lines[0]))
	bad := n.write(t, "nixpkgs/bad.patch", "--- a/nixos/lib/make-ext4-fs.nix\n+++ b/nixos/lib/make-ext4-fs.nix\n@@ -1 +1 @@\n-nothing like it\n+x\n")
	if got := must(t, n.job(dir, show("--patch", good))).out; got != "# cptofs\n"+pristine {
		t.Errorf("the patched file is %q", got)
	}
	if got := must(t, n.job(dir, show())).out; got != pristine {
		t.Errorf("after a patch the pristine file is %q", got)
	}
	run(t, n.job(dir, show("--patch", bad))).mustBeClear(t, "a patch that does not fit", exitUsage, "bad.patch: does not apply")
	r := must(t, n.job(dir, n.args("shell", "--apply-resize2fs-patch", "--log-format", "plain", "--", "true")))
	if !strings.Contains(r.errs, "--apply-resize2fs-patch is not needed") {
		t.Errorf("on a new tree it says\n%s", r.errs)
	}

	tree := filepath.Join(dir, "tree")
	output(t, testenv.NeedProgram(t, "cp"), "--recursive", "--no-preserve=all", filepath.Join(n.state, "root", "nix", "nixsd", "channels", n.ChannelSHA256()), tree)
	n.write(t, "nixpkgs/tree/nixos/lib/make-ext4-fs.nix", "# an old one, with cptofs\n# ''\n  resize2fs -M $img\n# ''\n")
	got := must(t, n.job(dir, show("--nixpkgs", "tree", "--apply-resize2fs-patch"))).out
	if !strings.Contains(got, "\n  e2fsck -fy $img || [ $? -eq 1 ]\n  resize2fs -M $img\n") {
		t.Errorf("the patched folder's file is %q", got)
	}
	if err := os.RemoveAll(filepath.Join(dir, "tree", "nixos", "default.nix")); err != nil {
		t.Fatal(err)
	}
	run(t, n.job(dir, show("--nixpkgs", "tree"))).mustBeClear(t, "a folder without NixOS", exitUsage, "--nixpkgs tree")
	check(t)
}

// Plain root's flake, in a git work tree of its own that nobody else may enter, is
// built by a worker and a sandbox that are not root.
func TestFlakeOfRoot(t *testing.T) {
	check := mustStay(t)
	p := rootBuild(t)
	n := newNixOS(t)
	source := n.flakeFolder(t, "flake-root")
	n.caller, n.places = root(), p
	dir := filepath.Join(n.folder(t, "private"), "tree")
	output(t, testenv.NeedProgram(t, "cp"), "--recursive", source, dir)
	output(t, testenv.NeedProgram(t, "chown"), "--recursive", "0:0", dir)
	if err := os.Chmod(filepath.Dir(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	n.git(t, dir, "init", "-q")
	n.git(t, dir, "add", "flake.nix", "flake.lock", "host.nix")
	must(t, n.job(dir, n.flakeBuild(t, ".#rpi")))
	checkFiles(t, filepath.Join(dir, "out"), 0)
	check(t)
}
