// Package blockdev tells which disks may be given away to be overwritten: what they are,
// what is on them, and what on this machine uses them. All facts are the kernel's and
// udev's, read from /sys, /proc and /run; a device itself is read by Probe alone.
package blockdev

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Kinds of disks that can be taken away. All others are Fixed.
const (
	SD        = "SD card"
	USB       = "USB disk"
	Removable = "removable disk"
	Loop      = "loop device" // is offered to nobody, and taken by those who name it
	Fixed     = ""
)

// A Disk is a whole disk.
type Disk struct {
	Name     string // such as sdb
	Number   string // major:minor
	Kind     string
	Vendor   string
	Model    string
	Serial   string // of a loop device, the file behind it
	Size     int64  // bytes; 0 if there is no card in the reader
	ReadOnly bool
	Sequence string // another one for every card in the same reader; "" before Linux 5.15
	Content  string // what udev found on the whole of it, such as "ext4 backup"
	Parts    []Part
	Uses     []Use

	dir string // in /sys
}

// A Part is a partition that the kernel knows.
type Part struct {
	Name, Number string
	Start, Size  int64  // bytes
	Content      string // what udev found in it
}

// sector is the unit of sizes in /sys, whatever the disk's (Documentation/ABI/stable/sysfs-block).
const sector = 512

// A PartError says that a device is a part of a disk.
type PartError struct{ Name, Disk string }

func (e *PartError) Error() string { return fmt.Sprintf("%s is a part of the disk %s", e.Name, e.Disk) }

// Find returns the disk with a device number (major:minor). root is the machine's root
// folder. Its error is a *PartError if the number is a partition's, and one that
// errors.Is knows as fs.ErrNotExist if the kernel has no such block device.
func Find(root fs.FS, number string) (Disk, error) {
	return find(root, "sys/dev/block/"+number)
}

func find(root fs.FS, link string) (Disk, error) {
	to, err := fs.ReadLink(root, link)
	if err != nil {
		return Disk{}, err
	}
	dir := path.Join(path.Dir(link), to)
	s := system{root}
	if s.exists(dir + "/partition") {
		return Disk{}, &PartError{path.Base(dir), path.Base(path.Dir(dir))}
	}
	d := Disk{
		Name: path.Base(dir), Number: s.text(dir + "/dev"), dir: dir,
		Size: s.number(dir+"/size") * sector, ReadOnly: s.text(dir+"/ro") == "1", Sequence: s.text(dir + "/diskseq"),
	}
	d.Content = s.content(d.Number)
	s.identify(&d)
	s.addParts(&d)
	s.addUses(&d)
	return d, nil
}

// List returns the disks that can be taken away, with what may keep them from being
// overwritten.
func List(root fs.FS) ([]Disk, error) {
	entries, err := fs.ReadDir(root, "sys/block")
	if err != nil {
		return nil, err
	}
	var all []Disk
	for _, e := range entries {
		d, err := find(root, "sys/block/"+e.Name())
		if err == nil && d.Kind != Fixed && d.Kind != Loop && d.Size > 0 {
			all = append(all, d)
		}
	}
	return all, nil
}

// Same reports whether a disk is still what it was: not another card in the same reader.
func (d Disk) Same(now Disk) bool {
	return d.Number == now.Number && d.Name == now.Name && d.Size == now.Size && d.Serial == now.Serial && d.Sequence == now.Sequence
}

// A RefusedError says why a disk is not to be overwritten.
type RefusedError struct{ Reason, Advice string }

func (e *RefusedError) Error() string { return e.Reason }

// Refused returns a *RefusedError, or nil if nothing that the kernel knows is against
// overwriting the disk.
func (d Disk) Refused() error {
	switch {
	case d.Kind == Loop && (d.Serial == "" || strings.HasPrefix(d.Serial, "/dev/")):
		return &RefusedError{fmt.Sprintf("%s has no file behind it", d.Name), "attach one first: losetup"}
	case d.Kind == Fixed && strings.HasPrefix(d.dir, "sys/devices/virtual/"):
		return &RefusedError{fmt.Sprintf("%s is made of other disks or of memory", d.Name), "name a card's whole disk"}
	case d.Kind == Fixed:
		return &RefusedError{fmt.Sprintf("%s cannot be taken out of this machine", d.Name), "only SD cards, USB disks and other removable disks are written to"}
	case d.Size == 0:
		return &RefusedError{fmt.Sprintf("there is no card in %s", d.Name), "put one in"}
	case d.ReadOnly:
		return &RefusedError{fmt.Sprintf("%s is write-protected", d.Name), "look for a switch on the card or its adapter"}
	case len(d.Uses) > 0:
		return d.Uses[0].refusal()
	}
	return nil
}

// addParts adds the partitions, in the order in which they lie.
func (s system) addParts(d *Disk) {
	entries, _ := fs.ReadDir(s.root, d.dir)
	for _, e := range entries {
		dir := path.Join(d.dir, e.Name())
		if !s.exists(dir + "/partition") {
			continue
		}
		p := Part{Name: e.Name(), Number: s.text(dir + "/dev"), Start: s.number(dir+"/start") * sector, Size: s.number(dir+"/size") * sector}
		p.Content = s.content(p.Number)
		d.Parts = append(d.Parts, p)
	}
	slices.SortFunc(d.Parts, func(a, b Part) int { return int(min(max(a.Start-b.Start, -1), 1)) })
}

// A system is a machine's root folder.
type system struct{ root fs.FS }

func (s system) exists(name string) bool {
	_, err := fs.Stat(s.root, name)
	return err == nil
}

// text returns what a file of /sys says, or "".
func (s system) text(name string) string {
	data, err := fs.ReadFile(s.root, name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

func (s system) number(name string) int64 {
	n, err := strconv.ParseInt(s.text(name), 10, 64)
	if err != nil || n < 0 || n > 1<<53 {
		return 0
	}
	return n
}

// content returns what udev says of a device's content.
func (s system) content(number string) string {
	about := map[string]string{}
	for line := range strings.Lines(s.text("run/udev/data/b" + number)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			about[name] = value
		}
	}
	return strings.TrimSpace(about["E:ID_FS_TYPE"] + " " + about["E:ID_FS_LABEL"])
}
