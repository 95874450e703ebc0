package main

import (
	"strings"
	"testing"

	"nixsd-native/internal/blockdev"
	"nixsd-native/internal/flash"
	"nixsd-native/internal/inspect"
)

// No name in an image or on a card makes a line of its own, as one that is no name of the
// image's would be.
func TestForgedLines(t *testing.T) {
	const forged = "x\nimage  good.img\r\n\x1b[2Jlogin"
	r := &inspect.Report{
		Table: "mbr", Warnings: []string{forged},
		Partitions: []inspect.Partition{{Number: 1, Volume: &inspect.Volume{Label: forged}}},
		Boot:       []inspect.Entry{{Label: forged, Title: forged, Kernel: forged, Options: forged}},
		System: inspect.System{Name: forged, Version: forged, Kernel: forged, HostName: forged, Logins: []inspect.Login{
			{User: forged, Password: inspect.PasswordSet, Keys: []inspect.Key{{Comment: forged}}},
		}},
	}
	c := &openCard{disk: blockdev.Disk{Name: "sdx", Vendor: forged, Model: forged, Serial: forged}, content: []string{forged, forged}}
	for _, lines := range [][]string{describeImage(forged, r), c.describe(forged, &flash.Image{})} {
		for _, l := range lines {
			if strings.ContainsAny(l, "\n\r\x1b") {
				t.Errorf("a line with more than one: %q", l)
			}
		}
	}
	if len(describeImage(forged, r)) != 9 {
		t.Errorf("lines: %q", describeImage(forged, r))
	}
}
