package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"nixsd-native/internal/cardtest"
)

// What the throttled card writes and reads in a second, in bytes: as an SD card of class
// 10 does.
const (
	cardWriteRate = 20 << 20
	cardReadRate  = 80 << 20
	cardSize      = 400 << 20
)

// flashed compares writing an image to a card, verification included, with the
// other ways. A card on one bus, which reads and writes in turns, cannot be verified in no
// time: what that costs is measured, too.
func (l *lab) flashed(image string) (all []comparison, err error) {
	if os.Geteuid() != 0 {
		return nil, nil // a loop device needs root
	}
	bmap := l.path("image.bmap")
	if err := quietly(exec.Command("bmaptool", "create", "-o", bmap, image)); err != nil {
		return nil, err
	}
	for _, bus := range []bool{false, true} {
		c, err := cardtest.Start(cardtest.Spec{Size: cardSize, WriteRate: cardWriteRate, ReadRate: cardReadRate, HalfDuplex: bus})
		if err != nil {
			return all, err
		}
		l.cards = append(l.cards, c)
		serial, err := os.ReadFile("/sys/block/" + filepath.Base(c.Device) + "/loop/backing_file")
		if err != nil {
			return all, err
		}
		ours := command{name: "flash, verified", argv: []string{l.program, "flash", "-q", "--yes", "--serial", strings.TrimSpace(string(serial)), image, c.Device}}
		what := fmt.Sprintf("card, %d MiB/s written, %d read", cardWriteRate>>20, cardReadRate>>20)
		if bus {
			what += " in turns"
		}
		all = append(all, comparison{
			name: what, ours: ours, target: "no slower", met: ratio(1),
			theirs: command{name: "bmaptool, not verified", argv: []string{"bmaptool", "-q", "copy", "--bmap", bmap, image, c.Device}},
		}, comparison{
			name: what, ours: ours, target: "no slower", met: ratio(1),
			theirs: command{name: "dd; cmp", argv: []string{"sh", "-ec", fmt.Sprintf(
				"dd if='%s' of=%s bs=4M oflag=direct conv=fsync status=none; cmp -n $(stat -c %%s '%s') '%s' %s", image, c.Device, image, image, c.Device)}},
		})
	}
	return all, nil
}
