package nix

import (
	"strings"
	"testing"
	"time"
)

func TestEndOfLifeWarning(t *testing.T) {
	tests := []struct {
		release, now, want string
	}{
		{"26.05", "2026-11-23", ""},
		{"26.05", "2026-12-01", "until 2026-12-31 only"},
		{"26.05", "2026-12-31", "until 2026-12-31 only"},
		{"26.05", "2027-01-01", "since 2026-12-31"},
		{"23.11", "2026-11-23", "since 2024-07-01"},
		{"unstable", "2030-01-01", ""},
		{"99.05", "2030-01-01", ""},
	}
	for _, test := range tests {
		now, err := time.Parse("2006-01-02", test.now)
		if err != nil {
			t.Fatal(err)
		}
		got := EndOfLifeWarning(test.release, now)
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("EndOfLifeWarning(%s, %s) = %q; want …%s", test.release, test.now, got, test.want)
		}
	}
}

func TestChannels(t *testing.T) {
	for release, want := range map[string]string{
		"26.05": "nixos-26.05", "unstable": "nixos-unstable", "25.11-small": "nixos-25.11-small",
		"": "", "26": "", "26.05/../x": "", "nixos-26.05": "",
	} {
		if got, err := Channel(release); got != want || (err == nil) != (want != "") {
			t.Errorf("Channel(%q) = %q, %v; want %q", release, got, err, want)
		}
	}
	for url, want := range map[string][2]string{
		"https://releases.nixos.org/nixos/26.05/nixos-26.05.1234.0123456789ab/nixexprs.tar.xz":     {"nixos-26.05.1234.0123456789ab", "0123456789ab"},
		"https://m.test/nixos/unstable/nixos-26.11pre700000.0123456789ab/nixexprs.tar.xz":          {"nixos-26.11pre700000.0123456789ab", "0123456789ab"},
		"https://m.test/nixos/26.05-small/nixos-26.05-small.99.abcdefabcdef/nixexprs.tar.xz":       {"nixos-26.05-small.99.abcdefabcdef", "abcdefabcdef"},
		"https://channels.nixos.org/nixos-26.05/nixexprs.tar.xz":                                   {},
		"https://github.com/NixOS/nixpkgs/archive/0123456789abcdef0123456789abcdef01234567.tar.gz": {},
	} {
		version, rev, ok := ChannelVersion(url)
		if version != want[0] || rev != want[1] || ok != (want[0] != "") {
			t.Errorf("ChannelVersion(%q) = %q, %q, %v; want %q", url, version, rev, ok, want)
		}
	}
	if got := ChannelTarball("https://m.test/", "nixos-26.05"); got != "https://m.test/nixos-26.05/nixexprs.tar.xz" {
		t.Errorf("ChannelTarball = %q", got)
	}
	if got := RevisionFile("https://m.test/a/b/nixexprs.tar.xz"); got != "https://m.test/a/b/git-revision" {
		t.Errorf("RevisionFile = %q", got)
	}
}

// A channel that leads to a version of another release is found out.
func TestCheckChannel(t *testing.T) {
	const rest = ".1234.0123456789ab/nixexprs.tar.xz"
	for _, c := range []struct {
		channel, url string
		ok           bool
	}{
		{"nixos-26.05", "https://m.test/nixos/26.05/nixos-26.05" + rest, true},
		{"nixos-26.05", "https://m.test/nixos/26.05/nixos-26.05pre1.0123456789ab/nixexprs.tar.xz", true},
		{"nixos-26.05-small", "https://m.test/nixos/26.05-small/nixos-26.05-small" + rest, true},
		{"nixos-unstable", "https://m.test/nixos/unstable/nixos-26.11pre7.0123456789ab/nixexprs.tar.xz", true},
		{"nixos-26.05", "https://m.test/any.tar.xz", true}, // of a mirror with another layout
		{"nixos-26.05", "https://m.test/nixos/26.05/nixos-23.11" + rest, false},
		{"nixos-26.05", "https://m.test/nixos/26.05/nixos-26.051" + rest, false},
		{"nixos-26.05", "https://m.test/nixos/unstable/nixos-26.11pre7.0123456789ab/nixexprs.tar.xz", false},
		{"nixos-26.05", "https://m.test/nixpkgs/nixpkgs-26.05" + rest, false},
	} {
		if err := CheckChannel(c.channel, c.url); (err == nil) != c.ok {
			t.Errorf("CheckChannel(%s, %s) = %v; want %t", c.channel, c.url, err, c.ok)
		}
	}
}

func TestPins(t *testing.T) {
	pinned := LockedPins()
	for _, system := range []string{"x86_64-linux", "aarch64-linux"} {
		p := pinned[system]
		if len(p.SHA256) != 64 {
			t.Errorf("the Nix pinned for %s is %+v; want a sha256", system, p)
		}
		want := "https://releases.nixos.org/nix/nix-2.35.2/nix-2.35.2-" + system + ".tar.xz"
		if p.URL != want {
			t.Errorf("URL = %q; want %q", p.URL, want)
		}
	}
	if len(pinned) != 2 {
		t.Errorf("Nix is pinned for %d systems; want 2", len(pinned))
	}
}
