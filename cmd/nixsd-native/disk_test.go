package main

import (
	"testing"

	"nixsd-native/internal/hostinfo"
)

// A twentieth of a disk is left to others, but never more than 1 GiB or 10,000 inodes.
func TestScarce(t *testing.T) {
	const gib = 1 << 30
	for _, tt := range []struct {
		disk   hostinfo.Disk
		scarce bool
	}{
		{hostinfo.Disk{Size: 1000 * gib, Free: gib, AllInodes: 1_000_000, Inodes: 10_000}, false},
		{hostinfo.Disk{Size: 1000 * gib, Free: gib - 1, AllInodes: 1_000_000, Inodes: 10_000}, true},
		{hostinfo.Disk{Size: 1000 * gib, Free: gib, AllInodes: 1_000_000, Inodes: 9_999}, true},
		{hostinfo.Disk{Size: 2 * gib, Free: gib / 9, AllInodes: 1000, Inodes: 50}, false},
		{hostinfo.Disk{Size: 2 * gib, Free: gib / 11, AllInodes: 1000, Inodes: 50}, true},
		{hostinfo.Disk{Size: 2 * gib, Free: gib, AllInodes: 1000, Inodes: 49}, true},
		{hostinfo.Disk{Size: 100 * gib, Free: 50 * gib}, false}, // btrfs counts no inodes
		{hostinfo.Disk{Size: 100 * gib}, true},
	} {
		if got := scarce(tt.disk); (got != "") != tt.scarce {
			t.Errorf("scarce(%+v) = %q", tt.disk, got)
		}
	}
}
