package main

import "testing"

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
