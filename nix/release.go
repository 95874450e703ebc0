package nix

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A Release is a NixOS release with the day its support ends.
type Release struct {
	Name      string
	EndOfLife time.Time
}

// DefaultRelease is what is built when nothing else is asked for.
const DefaultRelease = "26.05"

func day(year int, month time.Month, d int) time.Time {
	return time.Date(year, month, d, 0, 0, 0, 0, time.UTC)
}

// releases are those that sd-card.nix evaluates on, from
// https://github.com/NixOS/infra/blob/main/channels.nix and the release notes; a
// release is supported for about seven months.
var releases = []Release{
	{"26.05", day(2026, time.December, 31)},
	{"25.11", day(2026, time.June, 30)},
	{"25.05", day(2025, time.December, 31)},
	{"24.11", day(2025, time.June, 30)},
	{"24.05", day(2024, time.December, 31)},
	{"23.11", day(2024, time.July, 1)},
}

// warnBefore is how long before a release's end of life people are told.
const warnBefore = 30 * 24 * time.Hour

// EndOfLifeWarning returns what to say about a release's support at a time, or "".
// Releases that are not in the table, such as unstable, have no end.
func EndOfLifeWarning(release string, now time.Time) string {
	for _, r := range releases {
		if r.Name != release {
			continue
		}
		end := r.EndOfLife.Format("2006-01-02")
		switch left := r.EndOfLife.Sub(now); {
		case left < 0:
			return fmt.Sprintf("NixOS %s has had no security updates since %s", release, end)
		case left <= warnBefore:
			return fmt.Sprintf("NixOS %s gets security updates until %s only", release, end)
		}
	}
	return ""
}

// releaseName is a release, a small channel of one, or unstable.
var releaseName = regexp.MustCompile(`^([0-9]{2}\.[0-9]{2}|unstable)(-small)?$`)

// Channel returns the name of a release's channel, such as nixos-26.05.
func Channel(release string) (string, error) {
	if !releaseName.MatchString(release) {
		return "", fmt.Errorf("%q is no NixOS release; name one such as %s, or unstable", release, DefaultRelease)
	}
	return "nixos-" + release, nil
}

// Upstream's hosts. Each may be replaced by a mirror with the same layout.
const (
	ReleasesURL = "https://releases.nixos.org"
	ChannelsURL = "https://channels.nixos.org"
	CacheURL    = "https://cache.nixos.org"
	// CacheKey signs what is in CacheURL, from the NixOS manual.
	CacheKey = "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="
	archives = "https://github.com/NixOS/nixpkgs/archive/"
)

// ChannelTarball returns where a channel's newest tarball is: a redirect to the
// immutable URL of one version.
func ChannelTarball(mirror, channel string) string {
	return strings.TrimSuffix(mirror, "/") + "/" + channel + "/nixexprs.tar.xz"
}

// RevisionFile returns where the git revision of an immutable channel tarball is: a
// file beside it.
func RevisionFile(tarball string) string {
	return tarball[:strings.LastIndex(tarball, "/")+1] + "git-revision"
}

// versionDir is the last folder in the URL of a channel's version, such as
// nixos-26.05.1234.0123456789ab.
var versionDir = regexp.MustCompile(`/([a-z]+-[0-9a-z.-]+\.([0-9a-f]{11,12}))/nixexprs\.tar\.xz$`)

// ChannelVersion reads the version and the abbreviated revision from the URL that a
// channel redirects to. ok is false if the URL is not of that form.
func ChannelVersion(url string) (version, revision string, ok bool) {
	m := versionDir.FindStringSubmatch(url)
	if m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}

// CheckChannel says what is wrong with the URL that a channel leads to: that it has a
// version of another release.
func CheckChannel(channel, url string) error {
	version, _, ok := ChannelVersion(url)
	release := ReleaseOf(channel)
	if !ok || release == "unstable" {
		return nil
	}
	rest, same := strings.CutPrefix(version, "nixos-"+release)
	if same && strings.IndexAny(rest, ".pb-") == 0 { // as in 26.05.1, 26.05pre1, 26.05beta1 and 26.05-small.1
		return nil
	}
	return fmt.Errorf("the channel %s leads to %s, which is of another release", channel, version)
}

// revision is a full git revision.
var revision = regexp.MustCompile(`^[0-9a-f]{40}$`)

// IsRevision reports whether s is a git revision as GitHub archives are named by.
func IsRevision(s string) bool { return revision.MatchString(s) }

// ReleaseOf returns the release of a channel's name, with any "-small" cut off.
func ReleaseOf(channel string) string {
	return strings.TrimSuffix(strings.TrimPrefix(channel, "nixos-"), "-small")
}

// archiveName is the end of the URL of an archive of a revision: GitHub's own, and the
// one that it redirects to.
var archiveName = regexp.MustCompile(`/([0-9a-f]{40})(\.tar\.[a-z0-9]+)?$`)

// ArchiveRevision reads the revision from the URL of an archive.
func ArchiveRevision(url string) (revision string, ok bool) {
	m := archiveName.FindStringSubmatch(url)
	if m == nil {
		return "", false
	}
	return m[1], true
}

// ArchiveURL returns GitHub's archive of a revision of nixpkgs.
func ArchiveURL(revision string) string { return archives + revision + ".tar.gz" }

// A Pin names upstream's Nix tarball for one system.
type Pin struct {
	Version string
	System  string // "x86_64-linux"
	SHA256  string // hex, as the .sha256 beside the tarball has it
}

var pins = []Pin{
	{"2.35.2", "x86_64-linux", "0c3960a9792331a22081c3c7a5d8465db9b17c50b3acdf18587fa4c6f2cb1158"},
	{"2.35.2", "aarch64-linux", "4d0302a2910f5eec1c33b8deef634f04899a75737e7001ec49908d003ae5efda"},
}

// Pins returns the tarballs of Nix that builds install, one a system.
func Pins() []Pin { return slices.Clone(pins) }

// LockedPins returns the default Nix as a lock records it, by system.
func LockedPins() map[string]LockedTarball {
	all := map[string]LockedTarball{}
	for _, p := range pins {
		if _, ok := all[p.System]; !ok {
			all[p.System] = LockedTarball{URL: p.URL(ReleasesURL), SHA256: p.SHA256}
		}
	}
	return all
}

// Name returns the tarball's file name.
func (p Pin) Name() string { return fmt.Sprintf("nix-%s-%s.tar.xz", p.Version, p.System) }

// URL returns where the tarball is, below a releases mirror.
func (p Pin) URL(mirror string) string {
	return fmt.Sprintf("%s/nix/nix-%s/%s", strings.TrimSuffix(mirror, "/"), p.Version, p.Name())
}
