package nix

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
)

// installChannel runs InstallChannel.
func installChannel(ctx context.Context, s Store, tarball []byte) error {
	return s.InstallChannel(ctx, bytes.NewReader(tarball), int64(len(tarball)), sampleHash)
}

// checkChannel tests that a channel, and nothing else, is there.
func checkChannel(t *testing.T, s Store) {
	t.Helper()
	dir := filepath.Join(s.Dir, strings.TrimPrefix(ChannelPath(sampleHash), "/nix/"))
	want := `Lrwxrwxrwx .version lib/.version
-r--r--r-- default.nix { }
dr-xr-xr-x maintainers 
-r-xr-xr-x maintainers/run.sh #!/bin/sh
dr-xr-xr-x nixos 
-r--r--r-- nixos/default.nix { }
`
	if got := tree(t, dir); got != want {
		t.Errorf("the channel is\n%s; want\n%s", got, want)
	}
	if names, err := filepath.Glob(filepath.Join(s.Dir, ownDir, "*")); err != nil || len(names) != 1 {
		t.Errorf("nixsd holds %v, %v; want channels only", names, err)
	}
}

func TestInstallChannel(t *testing.T) {
	for _, format := range []string{"zstd", "gzip", "none"} {
		s := newStore(t)
		tarball := compress(t, format, archive(t, channelEntries()...))
		for range 2 { // the second finds the first's
			if err := installChannel(t.Context(), s, tarball); err != nil {
				t.Fatalf("%s: %v", format, err)
			}
			checkChannel(t, s)
		}
	}
}

// TestInstallChannelInterrupted shows that a channel is there whole or not at all.
func TestInstallChannelInterrupted(t *testing.T) {
	tarball := archive(t, channelEntries()...)
	interrupted(t, []string{"Sync fails", "canceled when asked", "canceled after a file"}, // nothing is registered
		func(ctx context.Context, s Store) error { return installChannel(ctx, s, tarball) },
		func(t *testing.T, s Store) {
			if exists(s.Dir, channelDir, sampleHash) {
				t.Error("the channel is there")
			}
			if err := installChannel(t.Context(), s, tarball); err != nil {
				t.Fatalf("the second time: %v", err)
			}
			checkChannel(t, s)
		})
}
