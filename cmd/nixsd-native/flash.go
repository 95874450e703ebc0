package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/pflag"

	"nixsd-native/internal/blockdev"
	"nixsd-native/internal/flash"
)

// A flashJob is the command flash with its flags.
type flashJob struct {
	yes           bool
	serial        string
	common        commonFlags // those about what is printed
	image, device string      // device is "" to list what there is
	files         []*os.File  // as opens has them
	doubts        []string    // about the image, for the user to know
}

func flashCommand() command {
	return command{
		name:    "flash",
		args:    "[IMAGE DEVICE]",
		summary: "write an image to an SD card, and read it back",
		help: `IMAGE is a .img or a .img.zst; DEVICE is the whole card, such as /dev/sdb.
Without both, the disks that can be taken out are listed. Nothing that is in use
is written to, and you are asked to type the card's name before. As root, only
the files are opened; all else is done by a process without privileges.

  nixsd-native flash
  sudo nixsd-native flash nixos.img /dev/sdb
  sudo nixsd-native flash --yes --serial 4C530001 nixos.img.zst /dev/sdb

A card that fails, or has less memory than it says, is found out, and left
without a partition table, so that nothing boots from it.`,
		new: func(fs *pflag.FlagSet) job {
			j := new(flashJob)
			fs.BoolVar(&j.yes, "yes", false, "do not ask; needs --serial")
			fs.StringVar(&j.serial, "serial", "", "the card's serial `number`, as the list shows it: no other card is written to")
			fs.StringVar(&j.common.logFormat, "log-format", "auto", "`auto|plain|json|raw`: how progress is printed")
			fs.BoolVar(&j.common.json, "json", false, "print the result as one JSON object")
			fs.BoolVarP(&j.common.quiet, "quiet", "q", false, "print warnings, errors and questions only")
			return j
		},
	}
}

func (j *flashJob) check(args []string) error {
	switch {
	case len(args) == 0 && (j.yes || j.serial != ""):
		return usageErrorf("", "--yes and --serial are for IMAGE and DEVICE")
	case len(args) == 1:
		return usageErrorf("run \"nixsd-native flash\" for the disks that there are", "flash takes an IMAGE and a DEVICE, or neither")
	case len(args) > 2:
		return usageErrorf("", "flash takes one IMAGE and one DEVICE")
	case j.yes && j.serial == "":
		return usageErrorf("run \"nixsd-native flash\" for the serial numbers; a loop device's is the file behind it", "--yes needs --serial, so that no other card is overwritten")
	}
	if err := j.common.checkLogFormat(); err != nil {
		return err
	}
	if len(args) == 2 {
		j.image, j.device = args[0], args[1]
	}
	return nil
}

// The files of flash, in the order of opens.
const (
	flashImage = iota
	flashSum
	flashDevice
)

func (j *flashJob) opens() []string {
	if j.device == "" {
		return nil
	}
	return []string{j.image, j.image + ".sha256", j.device}
}

// open opens image and checksum for reading, and the device after it was looked at.
func (j *flashJob) open(name string) (*os.File, error) {
	switch name {
	case j.device:
		f, err := blockdev.Open(hostRoot(), name)
		return f, j.refusal(err)
	case j.image + ".sha256":
		f, err := openNamed(name)
		if errors.Is(err, fs.ErrNotExist) {
			return os.Open(os.DevNull) // it need not be there
		}
		return f, err
	}
	return openNamed(name)
}

// hostRoot is where facts about disks are read.
func hostRoot() fs.FS { return os.DirFS("/") }

func (j *flashJob) take(files []*os.File) { j.files = files }

func (j *flashJob) run(ctx context.Context, a *app) error {
	if j.device == "" {
		return j.list(a)
	}
	im, err := j.openImage()
	if err != nil {
		return err
	}
	card, err := j.openCard(im)
	if err != nil {
		return err
	}
	if err := j.confirm(ctx, a, im, card); err != nil {
		return err
	}
	rep := a.newReporter(&j.common)
	rep.Phase("flash")
	start := time.Now()
	r, err := flash.Write(ctx, card.Card, im, progressOf(rep, card.disk.Name))
	if err != nil {
		rep.Close(false)
		return j.failed(a, card, r.State, err)
	}
	rep.Close(true)
	return j.tell(a, card, r, time.Since(start))
}

// progressOf shows the bytes written and checked.
func progressOf(rep *reporter, name string) flash.Progress {
	return func(written, checked, total int64) {
		rep.Bytes("writing "+name, written, total)
		rep.Bytes("checking "+name, checked, total)
	}
}

// A flashRecord is what --json prints.
type flashRecord struct {
	Image   string  `json:"image"`
	Device  string  `json:"device"`
	Serial  string  `json:"serial"`
	Size    int64   `json:"size"`    // bytes of the image
	Written int64   `json:"written"` // bytes that were sent to the card
	Checked int64   `json:"checked"` // bytes that were read back and compared
	Seconds float64 `json:"seconds"`
}

func (j *flashJob) tell(a *app, c *openCard, r flash.Result, took time.Duration) error {
	if j.common.json {
		return json.NewEncoder(a.out).Encode(flashRecord{j.image, j.device, c.disk.Serial, r.Image, r.Written, r.Checked, took.Seconds()})
	}
	_, err := fmt.Fprintf(a.out, "%s: %s holds it: all %s, zeros among them, were read back and are right, after %s. The card can be taken out.\n",
		clean(j.image), c.disk.Name, size(r.Image), duration(took))
	return err
}
