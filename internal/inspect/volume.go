package inspect

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/google/uuid"
)

// readVolumes looks for a file system in each partition.
func (d *disk) readVolumes() {
	d.trees = map[int]*tree{}
	for i := range d.report.Partitions {
		p := &d.report.Partitions[i]
		head := make([]byte, 2048)
		if n, _ := io.ReadFull(d.section(p), head); n < len(head) {
			continue
		}
		switch {
		case isExt4(head):
			p.Volume = ext4Volume(head[1024:])
		case isFAT(head):
			p.Volume = d.fatVolume(p, head)
		}
		v := p.Volume
		if v == nil {
			d.unread = d.unread || !d.isEmpty(p)
			continue
		}
		if v.Size > p.Size {
			d.report.warn("partition %d: its file system has %d bytes, the partition only %d", p.Number, v.Size, p.Size)
			continue
		}
		if !v.Clean {
			d.report.warn("partition %d: the file system was not unmounted cleanly, or has errors", p.Number)
		}
		if v.broken {
			d.unread = true
			continue
		}
		t, err := d.openTree(p)
		if err != nil {
			d.unread = true
			d.report.warn("partition %d: %v", p.Number, err)
			continue
		}
		d.trees[p.Number] = t
	}
}

// emptyHead is how much of a partition is zeros before it counts as empty, in bytes: btrfs has
// its superblock at 64 KiB, which is the last of them all.
const emptyHead = 68 << 10

func (d *disk) isEmpty(p *Partition) bool {
	head := make([]byte, min(emptyHead, max(0, p.Size)))
	n, _ := d.section(p).ReadAt(head, 0)
	return len(bytes.Trim(head[:n], "\x00")) == 0
}

func isExt4(head []byte) bool {
	return binary.LittleEndian.Uint16(head[1024+0x38:]) == 0xef53
}

// ext4Volume reads the superblock (the kernel's Documentation/filesystems/ext4/super.rst).
func ext4Volume(sb []byte) *Volume {
	u16, u32 := binary.LittleEndian.Uint16, binary.LittleEndian.Uint32
	wide := func(low, high int) int64 {
		n := int64(u32(sb[low:]))
		if u32(sb[0x60:])&0x80 != 0 { // INCOMPAT_64BIT
			n |= int64(u32(sb[high:])) << 32
		}
		return n
	}
	block := int64(1024) << min(u32(sb[0x18:]), 6)
	id, _ := uuid.FromBytes(sb[0x68:0x78])
	state, recover := u16(sb[0x3a:]), u32(sb[0x60:])&4 != 0 // INCOMPAT_RECOVER
	return &Volume{
		Type: "ext4", Label: text(sb[0x78:0x88]), ID: id.String(),
		Size: clamp(wide(0x4, 0x150), block), Free: clamp(wide(0xc, 0x158), block),
		Clean: state&1 != 0 && state&2 == 0 && !recover,
	}
}

// clamp multiplies a count that an image tells with a block size, within int64.
func clamp(count, block int64) int64 {
	if count < 0 || count > (1<<62)/block {
		return 1 << 62
	}
	return count * block
}

// text is a field that zeros or blanks fill up.
func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return strings.ToValidUTF8(strings.TrimSpace(string(b)), "�")
}

func isFAT(head []byte) bool {
	perSector := binary.LittleEndian.Uint16(head[11:])
	return head[510] == 0x55 && head[511] == 0xaa && perSector >= 512 && perSector <= 4096 && perSector&(perSector-1) == 0 &&
		head[13] != 0 && head[16] != 0 && binary.LittleEndian.Uint16(head[14:]) != 0
}

// fatVolume reads the boot sector, and counts what its table says is free (Microsoft's
// FAT specification of 2004, sections 3 and 4).
func (d *disk) fatVolume(p *Partition, head []byte) *Volume {
	u16, u32 := binary.LittleEndian.Uint16, binary.LittleEndian.Uint32
	perSector, reserved, fats := int64(u16(head[11:])), int64(u16(head[14:])), int64(head[16])
	total, fatSize, extended := int64(u16(head[19:])), int64(u16(head[22:])), 36
	if total == 0 {
		total = int64(u32(head[32:]))
	}
	if fatSize == 0 {
		fatSize, extended = int64(u32(head[36:])), 64
	}
	root := (int64(u16(head[17:]))*32 + perSector - 1) / perSector
	clusters := (total - reserved - fats*fatSize - root) / int64(head[13])
	v := &Volume{Label: text(head[extended+7 : extended+18]), Size: total * perSector, Clean: true}
	serial := u32(head[extended+3:])
	v.ID = fmt.Sprintf("%04X-%04X", serial>>16, serial&0xffff)
	bits := 32
	switch {
	case clusters < 4085:
		bits = 12
	case clusters < 65525:
		bits = 16
	}
	v.Type = fmt.Sprintf("fat%d", bits)
	room := min(p.Size, d.report.Size-p.Start) // an image may be cut off
	if clusters < 0 || v.Size > p.Size || fatSize*perSector > min(room, maxRead) || clusters*int64(bits) > fatSize*perSector*8 {
		v.Clean, v.broken = false, true
		return v
	}
	t := fatTable{bytes: make([]byte, fatSize*perSector), bits: bits, clusters: clusters}
	if n, _ := d.section(p).ReadAt(t.bytes, reserved*perSector); n < len(t.bytes) || t.loops() {
		v.Clean, v.broken = false, true
		return v
	}
	v.Free = t.free() * int64(head[13]) * perSector
	return v
}
