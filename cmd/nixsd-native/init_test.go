package main

import (
	"testing"
	"testing/fstest"
)

func TestNearZone(t *testing.T) {
	zones := fstest.MapFS{}
	for _, name := range []string{"America/New_York", "America/Argentina/Ushuaia", "Europe/Berlin", "UTC", "posix/Asia/Tokyo", "zone.tab"} {
		zones[name] = new(fstest.MapFile)
	}
	for name, want := range map[string]string{
		"europe/berlin": "Europe/Berlin", "Berlin": "Europe/Berlin", "new york": "America/New_York", "ushuaia": "America/Argentina/Ushuaia",
		"utc": "UTC", "erlin": "", "tokyo": "", "zone.tab": "", "": "", "../UTC": "",
	} {
		if got := nearZone(zones, name); got != want {
			t.Errorf("nearZone(%q) = %q; want %q", name, got, want)
		}
	}
}
