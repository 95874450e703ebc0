package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/term"

	"nixsd-native/internal/blockdev"
	"nixsd-native/internal/flash"
	"nixsd-native/internal/inspect"
	"nixsd-native/internal/shell"
)

// An openCard is the card that is to be overwritten.
type openCard struct {
	*flash.Card
	disk    blockdev.Disk
	content []string // what is on it, a part each
}

// headSize is how much of an image its partition table may need, in bytes: a GPT of 128
// entries needs 17 KiB.
const headSize = 1 << 20

// openImage takes the image, once it looks like one.
func (j *flashJob) openImage() (*flash.Image, error) {
	if err := checkKind(j.image, j.files[flashImage]); err != nil {
		return nil, err
	}
	im, err := flash.OpenImage(j.files[flashImage])
	if err != nil {
		return nil, j.imageError(err)
	}
	head, length, err := im.Head(headSize)
	if err != nil {
		return nil, j.imageError(err)
	}
	defer head.Close()
	parts, err := inspect.Partitions(head, length)
	if err != nil {
		return nil, &codedError{exitVerify, fmt.Sprintf("%s: %v", j.image, err), []string{"name the .img or .img.zst that a build delivered"}}
	}
	length = im.Size
	for _, p := range parts {
		im.Need(p.Start + p.Size)
	}
	if info, err := j.files[flashImage].Stat(); err == nil && info.Mode().IsRegular() && length == info.Size() {
		if err := inspect.CutOff(parts, length); err != nil {
			return nil, j.imageError(err)
		}
		if r, err := inspect.Read(j.files[flashImage], length); err == nil {
			for _, reason := range r.Broken {
				j.doubts = append(j.doubts, "no board would boot it: "+reason)
			}
		}
	}
	text, err := io.ReadAll(io.LimitReader(j.files[flashSum], maxSumFile))
	switch sum := expectedSum(text, filepath.Base(j.image)); {
	case sum != "":
		im.Expect(sum, sha256.New())
	case err != nil || len(text) > 0:
		j.doubts = append(j.doubts, fmt.Sprintf("%s.sha256 has no sum of %s: it is not compared", j.image, filepath.Base(j.image)))
	}
	return im, nil
}

// maxSumFile bounds the file with the checksum, in bytes.
const maxSumFile = 64 << 10

// expectedSum returns what a file such as sha256sum(1) writes says of the image, or "". A
// sum alone, without a name, is the image's.
func expectedSum(text []byte, image string) string {
	for line := range strings.Lines(string(text)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		sum, name = strings.ToLower(sum), path.Clean(strings.TrimLeft(name, " *"))
		if (name == image || name == ".") && hexSHA256.MatchString(sum) {
			return sum
		}
	}
	return ""
}

// openCard looks at the device again, through its descriptor, and at what is on it.
func (j *flashJob) openCard(im *flash.Image) (*openCard, error) {
	f := j.files[flashDevice]
	d, err := blockdev.OfFile(hostRoot(), f)
	if err == nil {
		err = d.Refused()
	}
	if err != nil {
		return nil, j.refusal(err)
	}
	c := &openCard{disk: d}
	if c.Card, err = flash.OpenCard(f); err != nil {
		return nil, j.failed(nil, c, flash.Untouched, err)
	}
	if err := c.examine(f); err != nil {
		return nil, j.refusal(err)
	}
	switch {
	case im.Size > c.Size:
		return nil, j.failed(nil, c, flash.Untouched, &flash.SizeError{Image: im.Size, Card: c.Size})
	case c.Sector != tableSector:
		return nil, usageErrorf("use another card", "%s has sectors of %d bytes, but the image's partition table counts in %d: nothing would find its partitions", d.Name, c.Sector, tableSector)
	case j.serial != "" && d.Serial == "":
		return nil, usageErrorf("leave out --yes and --serial, and type its name", "%s does not tell a serial number", d.Name)
	case j.serial != "" && d.Serial != j.serial:
		return nil, usageErrorf("name the other card, or this one's number if it is the one you mean", "%s has the serial number %s, not %s", d.Name, d.Serial, j.serial)
	}
	return c, nil
}

// tableSector is the unit of the partition tables of images, in bytes.
const tableSector = 512

// examine finds out what is on the card. What is a part of something larger is refused,
// whether or not that is in use now.
func (c *openCard) examine(f *os.File) error {
	parts := c.disk.Parts
	if len(parts) == 0 { // the kernel looks for none on a loop device
		table, _ := inspect.Partitions(f, c.Size)
		for _, p := range table {
			parts = append(parts, blockdev.Part{Name: fmt.Sprintf("%s partition %d", c.disk.Name, p.Number), Start: p.Start, Size: p.Size})
		}
	}
	parts = append([]blockdev.Part{{Name: c.disk.Name, Size: c.Size}}, parts...)
	for i, p := range parts {
		found := blockdev.Probe(io.NewSectionReader(f, p.Start, p.Size), p.Size)
		for _, s := range found {
			if s.Member != "" {
				return &blockdev.RefusedError{
					Reason: fmt.Sprintf("%s is part of %s (%s)", p.Name, s.Member, s.Type),
					Advice: fmt.Sprintf("if nothing on it is needed any more: sudo wipefs --all --force %s", wiped(p, c.disk)),
				}
			}
		}
		text := fmt.Sprintf("%s: %s", p.Name, size(p.Size))
		if len(found) > 0 {
			text += strings.TrimRight(fmt.Sprintf(", %s %s", found[0].Type, found[0].Label), " ")
		}
		if i > 0 || len(found) > 0 {
			c.content = append(c.content, text)
		}
	}
	if len(c.content) == 0 {
		c.content = []string{"nothing that is known"}
	}
	return nil
}

// wiped names what wipefs is to wipe.
func wiped(p blockdev.Part, d blockdev.Disk) string {
	if p.Number == "" {
		return "/dev/" + d.Name
	}
	return "/dev/" + p.Name
}

// confirm shows what will be overwritten, and asks.
func (j *flashJob) confirm(ctx context.Context, a *app, im *flash.Image, c *openCard) error {
	if !j.yes || !j.common.quiet {
		fmt.Fprintln(a.errs, strings.Join(c.describe(j.image, im), "\n"))
	}
	for _, doubt := range j.doubts {
		fmt.Fprintf(a.errs, "warning: %s\n", cleanWord(doubt))
	}
	if !j.yes {
		if !term.IsTerminal(int(os.Stdin.Fd())) {
			return usageErrorf(fmt.Sprintf("in scripts: --yes --serial %s", shell.Word(c.disk.Serial)), "there is no terminal to ask at whether %s may be overwritten", c.disk.Name)
		}
		d := dialogue{ctx, os.Stdin, a.errs}
		var answer string
		if err := d.ask("All of it will be lost. To go on, type "+c.disk.Name, "", func(typed string) error { answer = typed; return nil }); err != nil {
			return err
		}
		if answer != c.disk.Name {
			return usageErrorf("run the command again and type "+c.disk.Name, "that is not %s: nothing was written", c.disk.Name)
		}
	}
	now, err := blockdev.OfFile(hostRoot(), j.files[flashDevice])
	if err != nil || !c.disk.Same(now) {
		return usageErrorf("run the command again", "there is another card in %s now: nothing was written", c.disk.Name)
	}
	return nil
}
