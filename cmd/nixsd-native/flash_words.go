package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"nixsd-native/internal/blockdev"
	"nixsd-native/internal/flash"
	"nixsd-native/internal/shell"
)

// describe returns what will be overwritten, by what.
func (c *openCard) describe(name string, im *flash.Image) []string {
	lines := [][]string{{"card", describeDisk(c.disk)}}
	for i, part := range c.content {
		lines = append(lines, []string{map[bool]string{true: "on it"}[i == 0], cleanWord(part)})
	}
	image := cleanWord(name)
	if im.Size > 0 {
		image += ", " + size(im.Size)
	}
	return align(append(lines, []string{"image", image}), nil)
}

func describeDisk(d blockdev.Disk) string {
	text := fmt.Sprintf("%s: %s", d.Name, d.Kind)
	if model := cleanWord(d.Vendor + " " + d.Model); model != "" && model != d.Kind {
		text += " " + model
	}
	if d.Serial != "" {
		text += ", serial " + cleanWord(d.Serial)
	}
	return text + ", " + size(d.Size)
}

// list prints the disks that can be taken out.
func (j *flashJob) list(a *app) error {
	all, err := blockdev.List(hostRoot())
	if err != nil {
		return err
	}
	if j.common.json {
		return json.NewEncoder(a.out).Encode(map[string]any{"disks": diskRecords(all)})
	}
	if len(all) == 0 {
		fmt.Fprintln(a.errs, "There is no SD card, USB disk or other disk that can be taken out.")
		return nil
	}
	table := [][]string{{"device", "size", "what", "serial", "on it"}}
	for _, d := range all {
		on := onDisk(d)
		if err := d.Refused(); err != nil {
			on = strings.TrimPrefix(on+"; NOT TO BE WRITTEN TO: "+err.Error(), "; ")
		}
		table = append(table, []string{"/dev/" + d.Name, size(d.Size), cleanWord(d.Kind + " " + d.Vendor + " " + d.Model), cleanWord(d.Serial), cleanWord(on)})
	}
	_, err = fmt.Fprintln(a.out, strings.Join(align(table, map[int]bool{1: true}), "\n"))
	return err
}

// onDisk tells what udev knows to be on a disk.
func onDisk(d blockdev.Disk) string {
	var all []string
	if d.Content != "" {
		all = append(all, d.Content)
	}
	for _, p := range d.Parts {
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s %s", p.Name, size(p.Size), p.Content)))
	}
	return strings.Join(all, "; ")
}

// A diskRecord is what --json tells of a disk.
type diskRecord struct {
	Device  string `json:"device"`
	Kind    string `json:"kind"`
	Vendor  string `json:"vendor"`
	Model   string `json:"model"`
	Serial  string `json:"serial"`
	Size    int64  `json:"size"`
	Content string `json:"content"`
	Refused string `json:"refused,omitempty"`
}

func diskRecords(all []blockdev.Disk) []diskRecord {
	records := []diskRecord{}
	for _, d := range all {
		r := diskRecord{"/dev/" + d.Name, d.Kind, d.Vendor, d.Model, d.Serial, d.Size, onDisk(d), ""}
		if err := d.Refused(); err != nil {
			r.Refused = err.Error()
		}
		records = append(records, r)
	}
	return records
}

// refusal says why a device is not written to.
func (j *flashJob) refusal(err error) error {
	var refused *blockdev.RefusedError
	var part *blockdev.PartError
	switch {
	case errors.As(err, &refused):
		return usageErrorf(refused.Advice, "%s: %v", j.device, refused)
	case errors.As(err, &part):
		return usageErrorf("name the whole disk: /dev/"+part.Disk, "%s: %v", j.device, part)
	case errors.Is(err, fs.ErrPermission):
		return usageErrorf("use sudo", "%s: %v", j.device, bare(err))
	case err != nil:
		return usageErrorf("run \"nixsd-native flash\" for the disks that there are", "%s: %v", j.device, bare(err))
	}
	return nil
}

// imageError says what is wrong with the image, before anything was written.
func (j *flashJob) imageError(err error) error {
	var format *flash.FormatError
	if errors.As(err, &format) {
		advice := "name the .img or .img.zst that a build delivered"
		if format.Unpack != "" {
			advice = fmt.Sprintf("unpack it first: %s %s", format.Unpack, shell.Path(j.image))
		}
		return usageErrorf(advice, "%s: %v", j.image, format)
	}
	return &codedError{exitVerify, fmt.Sprintf("%s: %v", j.image, err), []string{"the file is damaged: copy or build it again"}}
}

// imageAdvice is what helps with an image that turned out to be a bad one.
func imageAdvice(err error) string {
	switch {
	case errors.Is(err, flash.ErrShorter):
		return "something else changes the file: let that end first"
	case errors.Is(err, flash.ErrSum):
		return "the image is damaged, or not the one that its .sha256 is of: copy or build it again"
	}
	return "the image is damaged: copy or build it again"
}

// failed says what went wrong, and what state the card is in.
func (j *flashJob) failed(a *app, c *openCard, state flash.State, err error) error {
	after := fmt.Sprintf("the card in %s was not changed", c.disk.Name)
	if state == flash.Unbootable {
		after = fmt.Sprintf("the card in %s is not usable as it is: what was on it is gone, it has no partition table, and nothing boots from it; run the command again", c.disk.Name)
	}
	var image *flash.ImageError
	var space *flash.SizeError
	var access *flash.AccessError
	var lost *flash.LostError
	coded := func(code int, what string, hints ...string) error {
		return &codedError{code, fmt.Sprintf("%s: %v", what, err), append(hints, after)}
	}
	switch {
	case errors.Is(err, errInterrupted), errors.Is(err, context.Canceled):
		sayOnce(a.errs, a.reportOptions(&j.common), message{kind: "warning", text: after})
		return err
	case errors.As(err, &image):
		return coded(exitVerify, j.image, imageAdvice(err))
	case errors.As(err, &space) && state == flash.Untouched:
		return usageErrorf(fmt.Sprintf("use a card of at least %s", size(space.Image)), "%s: %v", c.disk.Name, space)
	case errors.As(err, &space):
		return coded(exitOutput, c.disk.Name, "use a larger card")
	case errors.As(err, &lost):
		return coded(exitVerify, c.disk.Name, "this card is broken or counterfeit, or its reader is: use another")
	case errors.As(err, &access) && c.gone(j):
		return coded(exitOutput, c.disk.Name, "it was taken out")
	case errors.As(err, &access):
		return coded(exitOutput, c.disk.Name, "this card or its reader is broken, or is losing its contact: try another; \"sudo dmesg\" may tell more")
	}
	return coded(exitInternal, c.disk.Name)
}

// gone reports whether the card was taken out, which the kernel may need a moment for.
func (c *openCard) gone(j *flashJob) bool {
	time.Sleep(200 * time.Millisecond)
	now, err := blockdev.OfFile(hostRoot(), j.files[flashDevice])
	return err != nil || !c.disk.Same(now)
}
