package main

import (
	"bytes"
	"testing"

	"nixsd-native/nix"
)

func TestFolderOf(t *testing.T) {
	for store, want := range map[string]string{
		"cache": "cache", "/srv/cache": "/srv/cache", "file:///srv/cache": "/srv/cache", "./a b": "./a b",
		"": "", "file://cache": "", "https://x/y": "", "s3://bucket": "", "file://": "",
	} {
		if got, ok := folderOf(store); got != want || ok != (want != "") {
			t.Errorf("folderOf(%q) = %q, %t; want %q", store, got, ok, want)
		}
	}
}

// What a cache without its key holds is told of once, by the name that people know.
func TestUnsigned(t *testing.T) {
	var out bytes.Buffer
	b := newBuild(&buildJob{cacheFlags: cacheFlags{substituters: []string{"/srv/cache"}}}, &app{errs: &out})
	b.rep = newReporter(&out, reportOptions{Format: "plain"})
	for _, path := range []string{"one", "two"} {
		b.nixMessage(nix.Event{Kind: nix.Message, Level: nix.LevelWarn, Text: "warning: ignoring substitute for '/nix/store/" + path +
			"' from 'file:///caches-1', as it's not signed by any of the keys in 'trusted-public-keys'"})
	}
	const want = "warning: store paths of /srv/cache are not used, as no trusted key signed them: name its key with --trusted-public-key KEY\n"
	if got := out.String(); got != want {
		t.Errorf("printed %q; want %q", got, want)
	}
}
