// Package inspect reads what the image of an SD card holds and whether a board could boot
// it and somebody log in, from the bytes alone: nothing is mounted, and nothing of the
// image is run or trusted.
package inspect

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// A Report is what Read found in an image.
type Report struct {
	Size       int64       `json:"size"`  // bytes
	Table      string      `json:"table"` // mbr or gpt
	ID         string      `json:"id"`    // of the table, as sfdisk shows it
	Partitions []Partition `json:"partitions"`
	Boot       []Entry     `json:"boot"`     // what u-boot's menu offers, the default first
	System     System      `json:"system"`   // what the default entry starts
	Warnings   []string    `json:"warnings"` // each may keep a board from booting, or everybody out
	Broken     []string    `json:"-"`        // those of them with which no board boots
}

// A Partition is one entry of the table that is in use.
type Partition struct {
	Number   int     `json:"number"`
	Type     string  `json:"type"`  // as sfdisk shows it: hexadecimal, or a GUID
	Start    int64   `json:"start"` // bytes
	Size     int64   `json:"size"`  // bytes
	Bootable bool    `json:"bootable"`
	Volume   *Volume `json:"volume"` // nil if it holds no file system that is known
}

// A Volume is a file system.
type Volume struct {
	Type  string `json:"type"` // ext4, fat12, fat16 or fat32
	Label string `json:"label"`
	ID    string `json:"id"`   // as blkid shows it
	Size  int64  `json:"size"` // bytes, like all that follow
	Free  int64  `json:"free"`
	Clean bool   `json:"clean"` // unmounted, without known errors

	broken bool // its reader could come to no end
}

// An Entry is what u-boot's menu (extlinux.conf) offers.
type Entry struct {
	Label   string `json:"label"`
	Title   string `json:"title"`
	Kernel  string `json:"kernel"` // paths, in the file system with the menu
	Initrd  string `json:"initrd"`
	FDTDir  string `json:"fdtdir,omitempty"`
	FDT     string `json:"fdt,omitempty"`
	Options string `json:"options"` // the kernel's command line
}

// A System is what an entry starts.
type System struct {
	Name     string  `json:"name"`    // of the distribution
	Version  string  `json:"version"` // of it, "" if not told
	Kernel   string  `json:"kernel"`  // release
	HostName string  `json:"host_name"`
	SSH      bool    `json:"ssh"` // whether sshd starts
	Logins   []Login `json:"logins"`
	WiFi     bool    `json:"-"` // whether wpa_supplicant starts, as networking.wireless has it
}

// A Login is a user who could log in.
type Login struct {
	User     string `json:"user"`
	Keys     []Key  `json:"keys"`
	Password string `json:"password"` // set, empty, or none
	Auto     bool   `json:"auto"`     // logged in at the console without being asked
}

// A Key is a public ssh key that lets in.
type Key struct {
	Fingerprint string `json:"fingerprint"` // SHA256:…
	Type        string `json:"type"`
	Comment     string `json:"comment"`
}

// Words of Login.Password.
const (
	PasswordSet   = "set"
	PasswordEmpty = "empty"
	PasswordNone  = "none"
)

// A NotImageError says that a file is no image of a disk.
type NotImageError struct{ Reason string }

func (e *NotImageError) Error() string { return "this is no image of a disk: " + e.Reason }

// warn adds a warning, once.
func (r *Report) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for _, w := range r.Warnings {
		if w == text {
			return
		}
	}
	r.Warnings = append(r.Warnings, text)
}

// fail adds a warning of what keeps every board from booting.
func (r *Report) fail(format string, args ...any) {
	r.warn(format, args...)
	r.Broken = append(r.Broken, fmt.Sprintf(format, args...))
}

// Read reads an image, or a device with one, of so many bytes. Its error is a
// *NotImageError if there is no partition table; all else that is wrong is a warning.
func Read(f *os.File, size int64) (r *Report, err error) {
	// The library that reads file systems indexes into what a damaged image says.
	defer func() {
		if p := recover(); p != nil {
			r, err = nil, &NotImageError{fmt.Sprintf("its file systems are damaged (%v)", p)}
		}
	}()
	d := &disk{File: f, report: &Report{Size: size, Boot: []Entry{}, System: System{Logins: []Login{}}, Warnings: []string{}}}
	if err := d.readTable(); err != nil {
		return nil, err
	}
	certain := len(d.report.Broken)
	d.readVolumes()
	d.readBoot()
	if d.unread || d.read > maxRead { // what lacks may be where nobody could look
		d.report.Broken = d.report.Broken[:certain]
	}
	if d.read > maxRead {
		d.report.warn("reading it takes too much: its file systems are damaged, or made to do harm")
	}
	return d.report, nil
}

// A disk is an image that is being read.
type disk struct {
	*os.File
	report *Report
	trees  map[int]*tree // by the number of their partition
	read   int64         // bytes, so far
	unread bool          // a partition holds something that is not known here
}

// maxRead bounds what is read of an image, in bytes: what points at itself in it must have
// an end. An image of NixOS with 10,000 store paths takes 35 MiB, as the folder that holds
// them is read for each path.
const maxRead = 256 << 20

// ReadAt is the file's, within the bound.
func (d *disk) ReadAt(b []byte, at int64) (int, error) {
	if d.read += int64(len(b)); d.read > maxRead {
		return 0, errors.New("reading it takes too much")
	}
	return d.File.ReadAt(b, at)
}

// section is a partition of it.
func (d *disk) section(p *Partition) *io.SectionReader {
	return io.NewSectionReader(d, p.Start, p.Size)
}
