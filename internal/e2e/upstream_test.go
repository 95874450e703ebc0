package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nixsd-native/internal/testenv"
	"nixsd-native/internal/upstream"
	"nixsd-native/nix"
)

// fresh is a folder without a lock, and a cache with nothing but the emulator.
func (n nixos) fresh(t *testing.T, name string) (nixos, string) {
	t.Helper()
	n.Mend()
	n.Forget()
	n.places = n.caller.places("upstream-" + name)
	n.folder(t, filepath.Base(n.cache))
	from, _ := builds(t)
	deb, _ := emulatorDeb(t, from)
	copyTree(t, deb, filepath.Join(n.cache, filepath.Base(deb)), n.uid)
	return n, n.folder(t, "upstream-"+name)
}

// fetch are the arguments of a fetch that says what it does in plain text.
func (n nixos) fetch(more ...string) []string {
	return append(n.args("fetch", "--log-format", "plain"), more...)
}

// mustNotLock fails if there is a lock file.
func mustNotLock(t *testing.T, dir string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, nix.LockName)); !os.IsNotExist(err) {
		t.Errorf("after a failure there is a lock file: %v", err)
	}
}

// What a server of NixOS's does wrong is told in one line, in a bounded time, and
// nothing is locked; what breaks off is resumed.
func TestUpstreamFailures(t *testing.T) {
	check := mustStay(t)
	n := newNixOS(t)
	const tarball, channel = "/releases/nix/*/*", "/releases/nixos/*/*/nixexprs.tar.xz"
	for name, c := range map[string]struct {
		pattern string
		file    string // in the path of a request
		fault   upstream.Fault
		status  int
		says    string
		asked   int // at least
	}{
		"corrupted-nix":     {tarball, "/releases/nix/", upstream.Corrupted(), exitVerify, n.NixSHA256(), 1},
		"no-nix":            {tarball, "/releases/nix/", upstream.NotFound(), exitNetwork, "404 Not Found", 1},
		"nix-error":         {tarball, "/releases/nix/", upstream.ServerError(), exitNetwork, "500 Internal Server Error", 4},
		"truncated-nix":     {tarball, "/releases/nix/", upstream.Truncated(), exitNetwork, "nix-2.35.2", 4},
		"no-channel":        {"/channels/*/*", "/channels/", upstream.NotFound(), exitNetwork, "404 Not Found", 1},
		"channel-error":     {"/channels/*/*", "/channels/", upstream.ServerError(), exitNetwork, "nixexprs.tar.xz", 4},
		"other-release":     {"/channels/*/*", "/channels/", n.leadsTo("nixos-23.11.1000.8f4c2a1be07d"), exitVerify, "which is of another release", 1},
		"truncated-channel": {channel, "/releases/nixos/", upstream.Truncated(), exitNetwork, "nixexprs.tar.xz", 4},
	} {
		t.Run(name, func(t *testing.T) {
			n, dir := n.fresh(t, name)
			n.Break(c.pattern, c.fault)
			r := run(t, n.job(dir, n.fetch()))
			r.mustBeClear(t, name, c.status, c.says)
			if n.asked(c.file) < c.asked || r.took > 2*time.Minute {
				t.Errorf("took %v and asked %q; want %d requests or more", r.took, n.Requests(), c.asked)
			}
			mustNotLock(t, dir)
		})
	}
	t.Run("wrong hash", n.wrongHash)
	t.Run("unknown authority", n.unknownAuthority)
	t.Run("no nixpkgs", n.noNixpkgs)
	t.Run("changed after the lock", n.changedAfterLock)
	t.Run("dies", func(t *testing.T) { n.arrives(t, "dies", upstream.Dies(), 2) })
	t.Run("slow", func(t *testing.T) { n.arrives(t, "slow", upstream.Slow(8<<20), 0) })
	check(t)
}

// leadsTo redirects to a version, which is there.
func (n nixos) leadsTo(version string) upstream.Fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		n.Break("/releases/nixos/*/"+version+"/*", func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.Write([]byte("\xfd7zXZ\x00"))
		})
		http.Redirect(w, r, n.ReleasesURL()+"/nixos/any/"+version+"/nixexprs.tar.xz", http.StatusFound)
	}
}

// wrongHash pins nixpkgs to a hash that it does not have.
func (n nixos) wrongHash(t *testing.T) {
	n, dir := n.fresh(t, "wrong-hash")
	url := n.ReleasesURL() + "/nixos/26.05/nixos-26.05.1000.8f4c2a1be07d/nixexprs.tar.xz"
	wrong := strings.Repeat("ab", 32)
	r := run(t, n.job(dir, n.fetch("--nixpkgs", url, "--nixpkgs-sha256", wrong)))
	r.mustBeClear(t, "want", exitVerify, "want sha256 "+wrong)
	r.mustBeClear(t, "got", exitVerify, "its sha256 is "+n.ChannelSHA256())
	mustNotLock(t, dir)
}

// unknownAuthority trusts the system's authorities only.
func (n nixos) unknownAuthority(t *testing.T) {
	n, dir := n.fresh(t, "unknown-authority")
	j := n.job(dir, n.fetch())
	j.env = nil
	r := run(t, j)
	r.mustBeClear(t, "unknown authority", exitNetwork, "certificate signed by unknown authority")
	if !strings.Contains(r.errs, "export SSL_CERT_FILE=") {
		t.Errorf("no hint names SSL_CERT_FILE:\n%s", r.errs)
	}
	mustNotLock(t, dir)
}

// noNixpkgs has an archive of something else unpacked.
func (n nixos) noNixpkgs(t *testing.T) {
	n, dir := n.fresh(t, "no-nixpkgs")
	n.write(t, "another-repo/README", "This is not nixpkgs.\n")
	n.ServeRepo("NixOS", "other", secondRevision, filepath.Join(n.home, "another-repo"))
	url := strings.Replace(n.ArchivesURL(), "nixpkgs", "other", 1) + secondRevision + ".tar.gz"
	args := n.args("shell", "--log-format", "plain", "--nixpkgs", url, "--", "true")
	run(t, n.job(dir, args)).mustBeClear(t, "no nixpkgs", exitVerify, "no nixpkgs")
	mustNotLock(t, dir)
}

// changedAfterLock has what a lock pins changed where it lies.
func (n nixos) changedAfterLock(t *testing.T) {
	n, dir := n.fresh(t, "locked")
	must(t, n.job(dir, n.args("fetch")))
	name := filepath.Join(dir, nix.LockName)
	before := testenv.SHA256(t, name)
	for pattern, says := range map[string]string{"/releases/nixos/*/*/nixexprs.tar.xz": n.ChannelSHA256(), "/releases/nix/*/*": n.NixSHA256()} {
		n, _ := n.fresh(t, "locked-"+says[:8])
		n.Break(pattern, upstream.Corrupted())
		run(t, n.job(dir, n.fetch())).mustBeClear(t, pattern, exitVerify, "want sha256 "+says)
		if testenv.SHA256(t, name) != before {
			t.Errorf("%s changed the lock", pattern)
		}
	}
}

// arrives fetches from a server with a fault that does no harm: each of two files takes
// one request, and another for the rest if it is resumed.
func (n nixos) arrives(t *testing.T, name string, fault upstream.Fault, resumed int) {
	n, dir := n.fresh(t, name)
	var ranges rangeSpy
	n.Break("/releases/nix/*/*", ranges.over(fault))
	n.Break("/releases/nixos/*/*/nixexprs.tar.xz", ranges.over(fault))
	must(t, n.job(dir, n.args("fetch")))
	if ranges.count() != resumed || n.asked("/releases/nix/")+n.asked("8f4c2a1be07d/nixexprs.tar.xz") != 2+resumed {
		t.Errorf("%d requests were for the rest of a file; want %d: %q", ranges.count(), resumed, n.Requests())
	}
	if l := lockIn(t, dir); l.Nixpkgs.SHA256 != n.ChannelSHA256() {
		t.Errorf("the lock has %+v; want sha256 %s", l.Nixpkgs, n.ChannelSHA256())
	}
}
