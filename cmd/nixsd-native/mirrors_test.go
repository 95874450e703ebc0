package main

import (
	"slices"
	"strings"
	"testing"

	"nixsd-native/nix"
)

// A file of upstream's is had at the mirrors in their order, then at home; a channel,
// which may be at another version elsewhere, is resolved at the mirrors alone.
func TestMirrored(t *testing.T) {
	f := &nixosFlags{
		channelMirrors: []string{"https://one.test/c/", "https://two.test/c"},
		nixMirrors:     []string{"https://three.test"},
	}
	for _, tt := range []struct {
		flags *nixosFlags
		url   string
		want  []string
	}{
		{f, nix.ReleasesURL + "/nix/x.tar.xz", []string{"https://three.test/nix/x.tar.xz", nix.ReleasesURL + "/nix/x.tar.xz"}},
		{f, nix.ChannelsURL + "/a/b", []string{"https://one.test/c/a/b", "https://two.test/c/a/b", nix.ChannelsURL + "/a/b"}},
		{f, nix.ChannelsURL + ".evil.test/b", []string{nix.ChannelsURL + ".evil.test/b"}},
		{&nixosFlags{}, nix.ReleasesURL + "/x", []string{nix.ReleasesURL + "/x"}},
	} {
		if got := tt.flags.mirrored(tt.url); !slices.Equal(got, tt.want) {
			t.Errorf("mirrored(%q) = %q; want %q", tt.url, got, tt.want)
		}
	}
	if got, want := f.channelURLs("nixos-26.05"), []string{"https://one.test/c/nixos-26.05/nixexprs.tar.xz", "https://two.test/c/nixos-26.05/nixexprs.tar.xz"}; !slices.Equal(got, want) {
		t.Errorf("channelURLs = %q; want %q", got, want)
	}
	if got, want := (&nixosFlags{}).channelURLs("nixos-26.05"), []string{nix.ChannelsURL + "/nixos-26.05/nixexprs.tar.xz"}; !slices.Equal(got, want) {
		t.Errorf("channelURLs without mirrors = %q; want %q", got, want)
	}
}

// The command that is printed for a machine with a network uses the same mirrors.
func TestFetchLineMirrors(t *testing.T) {
	w := &workspace{
		system: nativeSystem(), app: &app{privileges: &local{}}, sources: &sourceFlags{mirrors: []string{"http://debian.test/debian"}},
		emulation: &emulationFlags{mode: emulationAuto},
		nixos:     &nixosFlags{channelMirrors: []string{"https://one.test", "https://two.test"}, nixMirrors: []string{"https://three.test/a b"}},
	}
	const want = "nixsd-native fetch --debian-mirror http://debian.test/debian --channel-mirror https://one.test --channel-mirror https://two.test --nix-mirror 'https://three.test/a b'"
	if got := w.fetchLine(); !strings.HasPrefix(got, want) {
		t.Errorf("fetchLine() = %s; want %s", got, want)
	}
}
