package main

import (
	"bytes"
	"errors"
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

// flashed compares writing an image to a card, verification included, with the other
// ways: on a loop device that the kernel throttles, and on one that reads and writes in
// turns, as one bus does, where no verification can be had for nothing.
func (l *lab) flashed(image string) (all []comparison, err error) {
	if os.Geteuid() != 0 {
		return nil, nil // a loop device needs root
	}
	bmap := l.path("image.bmap")
	if err := quietly(exec.Command("bmaptool", "create", "-o", bmap, image)); err != nil {
		return nil, err
	}
	slow := cardtest.Spec{Size: cardSize, WriteRate: cardWriteRate, ReadRate: cardReadRate, HalfDuplex: true}
	throttled, err := l.throttledLoop()
	if err != nil {
		return nil, err
	}
	card, err := cardtest.Start(slow)
	if err != nil {
		return nil, err
	}
	l.undo = append(l.undo, func() { card.Close() })
	rates := fmt.Sprintf("%d MiB/s written, %d read", cardWriteRate>>20, cardReadRate>>20)
	all = l.ways("card, "+rates, image, bmap, throttled)
	inTurns := l.ways("card, "+rates+" in turns", image, bmap, card.Device)
	inTurns[0].target, inTurns[0].met = "none, as it reads nothing back", nil
	return append(all, inTurns...), nil
}

// ways compares the ways to write an image to a device.
func (l *lab) ways(what, image, bmap, device string) []comparison {
	serial, _ := os.ReadFile("/sys/block/" + filepath.Base(device) + "/loop/backing_file")
	ours := command{name: "flash, verified", argv: []string{l.program, "flash", "-q", "--yes", "--serial", strings.TrimSpace(string(serial)), image, device}}
	copied := fmt.Sprintf("dd if='%s' of=%s bs=4M oflag=direct conv=fsync status=none", image, device)
	compared := fmt.Sprintf("blockdev --flushbufs %s; cmp -n $(stat -c %%s '%s') '%s' %s", device, image, image, device)
	mapped := fmt.Sprintf("bmaptool -q copy --bmap '%s' '%s' %s", bmap, image, device)
	against := func(name, script string) comparison {
		return comparison{name: what, ours: ours, theirs: command{name: name, argv: []string{"sh", "-ec", script}}, target: "no slower", met: ratio(1)}
	}
	return []comparison{
		against("bmaptool, not verified", mapped),
		against("bmaptool; cmp", mapped+"; "+compared),
		against("dd; cmp", copied+"; "+compared),
	}
}

// blkio is where the kernel throttles devices for all processes (Documentation/
// admin-guide/cgroup-v1/blkio-controller.rst). cgroup v2 has no such place.
const blkio = "/sys/fs/cgroup/blkio/blkio.throttle."

// throttledLoop makes a loop device that the kernel throttles, in each direction.
func (l *lab) throttledLoop() (device string, err error) {
	file := l.path("card")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Truncate(file, cardSize)); err != nil {
		return "", err
	}
	out, err := exec.Command("losetup", "--find", "--show", file).Output()
	if err != nil {
		return "", fmt.Errorf("losetup: %v", err)
	}
	device = string(bytes.TrimSpace(out))
	l.undo = append(l.undo, func() { quietly(exec.Command("losetup", "-d", device)) })
	number, err := os.ReadFile("/sys/block/" + filepath.Base(device) + "/dev")
	if err != nil {
		return "", err
	}
	for name, rate := range map[string]int{"write_bps_device": cardWriteRate, "read_bps_device": cardReadRate} {
		set := func(rate int) error {
			return os.WriteFile(blkio+name, fmt.Appendf(nil, "%s %d", bytes.TrimSpace(number), rate), 0)
		}
		if err := set(rate); err != nil {
			return "", err
		}
		l.undo = append(l.undo, func() { set(0) })
	}
	return device, nil
}
