package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"nixsd-native/internal/debian"
	"nixsd-native/internal/fetch"
	"nixsd-native/internal/shell"
	"nixsd-native/nix"
	"nixsd-native/qemu"
)

// A source is a place that a build downloads from. Of those with the same purpose one is
// enough.
type source struct {
	purpose string
	url     string
	is      func(head []byte) error // tells what is wanted from, say, a login page
	needed  bool                    // no build without
	fix     string                  // how another is named
}

// Beginnings of what is downloaded.
var (
	signedText = []byte("-----BEGIN PGP SIGNED MESSAGE-----")
	arArchive  = []byte("!<arch>\n")
	tarballs   = [][]byte{{0xfd, '7', 'z', 'X', 'Z', 0}, {0x1f, 0x8b}, {0x28, 0xb5, 0x2f, 0xfd}, []byte("BZh")}
)

// begins checks a file by its first bytes.
func begins(with ...[]byte) func([]byte) error {
	return func(head []byte) error {
		if slices.ContainsFunc(with, func(magic []byte) bool { return bytes.HasPrefix(head, magic) }) {
			return nil
		}
		return &otherError{head}
	}
}

// An otherError says that what answered is not what was asked for.
type otherError struct{ head []byte }

func (e *otherError) Error() string {
	if bytes.Contains(bytes.ToLower(e.head), []byte("<html")) {
		return "answers with a web page, as the login page of a network does"
	}
	return fmt.Sprintf("answers with something else, which begins with %.20q", e.head)
}

func (e *otherError) Hints() []string {
	return []string{"see what answers: curl -sSIL URL, or open any http page in a browser, and log in to the network"}
}

// sourceList lists where the build that is asked about downloads from.
func (d *doctor) sourceList() []source {
	needed := !d.inputsHere
	var all []source
	add := func(purpose string, urls []string, is func([]byte) error, needed bool, fix string) {
		for _, u := range urls {
			all = append(all, source{purpose, u, is, needed, fix})
		}
	}
	const mirrorFix = "name a mirror: --debian-mirror URL"
	if suite := d.suiteOf(); suite != "" {
		var urls []string
		for _, m := range d.mirrors() {
			urls = append(urls, strings.TrimSuffix(m, "/")+"/dists/"+suite+"/InRelease")
		}
		add("Debian's index", urls, begins(signedText), needed, mirrorFix)
	}
	if urls := d.emulatorURLs(); len(urls) > 0 {
		add("emulator", urls, begins(arArchive), needed && !d.demo && d.inputs.emulator == nil, mirrorFix)
	}
	if d.demo {
		return d.blameNamed(append(all, d.cacheSources()...))
	}
	if urls := d.nixURLs(); len(urls) > 0 {
		add("Nix", urls, begins(tarballs...), needed, "name a mirror: --nix-mirror URL")
	}
	if urls := d.nixpkgsURLs(); len(urls) > 0 {
		add("nixpkgs", urls, begins(tarballs...), needed, "name a mirror: --channel-mirror URL")
	}
	if d.nixos.ofFlake() {
		add("GitHub", []string{"https://api.github.com/"}, begins([]byte("{")), d.flakeOnGitHub(), "keep the flake and its inputs on this machine")
	}
	return d.blameNamed(append(all, d.cacheSources()...))
}

// blameNamed gives sources that a flag names the fix that lies nearest.
func (d *doctor) blameNamed(all []source) []source {
	named := slices.Concat(d.sources.mirrors, d.nixos.channelMirrors, d.nixos.nixMirrors, d.job.substituters)
	for i, s := range all {
		if slices.ContainsFunc(named, func(u string) bool { return hostOf(u) == hostOf(s.url) }) {
			all[i].fix = "correct or drop the one that is named: " + hostOf(s.url)
		}
	}
	return all
}

// flakeOnGitHub reports whether a flake itself comes from there; its inputs may.
func (d *doctor) flakeOnGitHub() bool {
	return slices.ContainsFunc(d.nixos.flakes, func(ref string) bool { return strings.HasPrefix(ref, "github:") })
}

// emulatorURLs are those of a package that is known before any index is read.
func (d *doctor) emulatorURLs() []string {
	if !d.emulatesHere() {
		return nil
	}
	want := d.wantedEmulator()
	if want.Suite != "" || want.Deb != "" {
		if isWebURL(want.Deb) {
			return []string{want.Deb}
		}
		return nil
	}
	pin := qemu.Default()
	if want.SHA256 != "" {
		var known bool
		if pin, known = qemu.ByHash(want.SHA256); !known {
			return nil
		}
	}
	return slices.CompactFunc(pin.Sources(d.mirrors()), func(a, b string) bool { // which has it under two names
		return strings.HasPrefix(a, debian.Snapshots) && strings.HasPrefix(b, debian.Snapshots)
	})
}

func (d *doctor) nixURLs() []string {
	locked := nix.LockedPins()[d.system]
	if d.lock != nil {
		locked = cmp.Or(d.lock.Nix[d.system], locked)
	} else if d.nixos.tarball != "" {
		locked.URL = d.nixos.tarball
	}
	if !isWebURL(locked.URL) {
		return nil
	}
	return d.withLogin(d.nixos.mirrored(locked.URL))
}

func (d *doctor) nixpkgsURLs() []string {
	f := d.nixos
	switch {
	case f.ofFlake() || f.nixpkgsIsFolder():
		return nil
	case d.lock != nil && isWebURL(d.lock.Nixpkgs.URL):
		return d.withLogin(f.mirrored(d.lock.Nixpkgs.URL))
	case nix.IsRevision(f.nixpkgs):
		return []string{nix.ArchiveURL(f.nixpkgs)}
	case f.nixpkgs != "":
		return []string{f.nixpkgs}
	}
	channel, err := nix.Channel(cmp.Or(f.release, nix.DefaultRelease))
	if err != nil {
		return nil
	}
	return f.channelURLs(channel)
}

// cacheSources are the binary caches. Without NixOS's own what it has would be built, for
// days; the demo needs none.
func (d *doctor) cacheSources() []source {
	var all []source
	add := func(purpose, u string, needed bool) {
		all = append(all, source{purpose, cacheInfo(u), nix.CheckCacheInfo, needed, "name a cache that has the same: --substituter URL --trusted-public-key KEY"})
	}
	for _, c := range d.job.binaryCaches() {
		if isWebURL(c.URL) {
			add("binary cache", c.URL, false)
		}
	}
	if d.demo {
		return all
	}
	for i := range all { // one of them all is enough to begin with
		all[i].needed = true
	}
	add("binary cache", nix.CacheURL, true)
	return all
}

// hostOf is the host in a URL, without a port.
func hostOf(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// String words a source: its host, and the file that is asked for.
func (s source) String() string {
	u, err := url.Parse(s.url)
	if err != nil {
		return s.purpose
	}
	return fmt.Sprintf("%s (%s)", u.Host, path.Base(u.Path))
}

// fixes are what helps if asking failed.
func (s source) fixes(err error) []string {
	all := fetch.CertificateHints(err)
	if other := (*otherError)(nil); errors.As(err, &other) {
		all = append(all, strings.Replace(other.Hints()[0], "URL", shell.Word(fetch.WithoutPassword(s.url)), 1))
	}
	return append(all, s.fix)
}
