package inspect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/diskfs/go-diskfs/backend"
	"github.com/diskfs/go-diskfs/partition"
	"github.com/diskfs/go-diskfs/partition/gpt"
	"github.com/diskfs/go-diskfs/partition/mbr"
)

// sector is the unit of partition tables on SD cards, in bytes.
const sector = 512

// errReadOnly is what the library gets that wants to write.
var errReadOnly = errors.New("images are only read")

// These make a disk a backend.Storage.
func (d *disk) Sys() (*os.File, error)                  { return d.File, nil }
func (d *disk) Writable() (backend.WritableFile, error) { return nil, errReadOnly }
func (d *disk) Path() string                            { return d.Name() }

// Partitions reads the partition table of an image, or of the beginning of one, which
// has so many bytes, and nothing else. Its error is a *NotImageError if there is none.
func Partitions(f *os.File, size int64) (all []Partition, err error) {
	defer func() {
		if p := recover(); p != nil {
			all, err = nil, &NotImageError{fmt.Sprintf("its partition table is damaged (%v)", p)}
		}
	}()
	d := &disk{File: f, report: &Report{Size: size}}
	err = d.readTable()
	return d.report.Partitions, err
}

// readTable reads the partition table, and warns of what does not fit.
func (d *disk) readTable() error {
	if err := d.checkGPT(); err != nil {
		return err
	}
	table, err := partition.Read(d, sector, sector)
	if err != nil {
		return &NotImageError{"it has no partition table"}
	}
	r := d.report
	switch t := table.(type) {
	case *mbr.Table:
		id := make([]byte, 4)
		// The signature of the disk in an MBR, and of its end.
		if _, err := d.ReadAt(id, 440); err != nil {
			return err
		}
		r.Table, r.ID = "mbr", fmt.Sprintf("0x%02x%02x%02x%02x", id[3], id[2], id[1], id[0])
		for i, p := range t.Partitions {
			if p.Type != mbr.Empty {
				r.Partitions = append(r.Partitions, Partition{Number: i + 1, Type: fmt.Sprintf("%x", byte(p.Type)),
					Start: p.GetStart(), Size: p.GetSize(), Bootable: p.Bootable})
			}
		}
	case *gpt.Table:
		r.Table, r.ID = "gpt", t.UUID()
		for _, p := range t.Partitions {
			if p.Type != gpt.Unused {
				// Bit 2 of the attributes is "legacy BIOS bootable" (UEFI, 5.3.3).
				r.Partitions = append(r.Partitions, Partition{Number: p.GetIndex(), Type: string(p.Type),
					Start: p.GetStart(), Size: p.GetSize(), Bootable: p.Attributes&4 != 0})
			}
		}
	}
	return d.checkTable()
}

// Bounds of a GPT, which others make with 128 entries of 128 bytes (UEFI, 5.3.2): the
// library takes memory for as many as it says.
const (
	maxEntries   = 1024
	maxEntrySize = 4096
)

// checkGPT looks at the headers of a GPT, if there are any, where the library does: at the
// beginning and in the last whole sector.
func (d *disk) checkGPT() error {
	end, err := d.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	for _, at := range []int64{sector, (end/sector - 1) * sector} {
		header := make([]byte, 88)
		if _, err := d.ReadAt(header, at); err != nil || string(header[:8]) != "EFI PART" {
			continue
		}
		count, size := binary.LittleEndian.Uint32(header[80:]), binary.LittleEndian.Uint32(header[84:])
		if count > maxEntries || size > maxEntrySize {
			return &NotImageError{fmt.Sprintf("its partition table is damaged (it has %d entries of %d bytes)", count, size)}
		}
	}
	return nil
}

// CutOff is the error of an image of so many bytes that ends before its partitions do, or
// nil.
func CutOff(all []Partition, size int64) error {
	end := int64(0)
	for _, p := range all {
		end = max(end, p.Start+p.Size)
	}
	if end <= size {
		return nil
	}
	return fmt.Errorf("its partitions end at %d bytes, but it has only %d: it is cut off", end, size)
}

func (d *disk) checkTable() error {
	r := d.report
	if len(r.Partitions) == 0 {
		return &NotImageError{"its partition table is empty"}
	}
	if err := CutOff(r.Partitions, r.Size); err != nil {
		r.fail("%v", err)
	}
	if !slices.ContainsFunc(r.Partitions, func(p Partition) bool { return p.Bootable }) {
		r.warn("no partition is marked bootable, so u-boot looks at the first one only")
	}
	return nil
}
