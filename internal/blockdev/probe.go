package blockdev

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
)

// A Signature is what Probe found.
type Signature struct {
	Type  string // as blkid calls it
	Label string
	// Member names what a device with it is a part of: LVM, RAID, dm-crypt, ZFS or
	// bcache; "" for file systems and the like.
	Member string
}

// A magic is bytes at a place, by which a format is known. Their sources are the formats'
// own headers; libblkid knows the same.
type magic struct {
	kind, member string
	at           int64 // bytes; negative from the end
	bytes        string
	label, size  int64 // place of the label, and its length
}

var magics = []magic{
	{kind: "crypto_LUKS", member: "dm-crypt", bytes: "LUKS\xba\xbe"},
	{kind: "LVM2_member", member: "LVM", at: 0x018, bytes: "LVM2 001"},
	{kind: "LVM2_member", member: "LVM", at: 0x218, bytes: "LVM2 001"},
	{kind: "LVM2_member", member: "LVM", at: 0x418, bytes: "LVM2 001"},
	{kind: "LVM2_member", member: "LVM", at: 0x618, bytes: "LVM2 001"},
	{kind: "linux_raid_member", member: "RAID", bytes: "\xfc\x4e\x2b\xa9", label: 32, size: 32},
	{kind: "linux_raid_member", member: "RAID", at: 4096, bytes: "\xfc\x4e\x2b\xa9", label: 4096 + 32, size: 32},
	{kind: "isw_raid_member", member: "RAID", at: -1024, bytes: "Intel Raid ISM Cfg Sig. "},
	{kind: "ddf_raid_member", member: "RAID", at: -512, bytes: "\xde\x11\xde\x11"},
	{kind: "bcache", member: "bcache", at: 4096 + 24, bytes: "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81"},
	{kind: "btrfs", at: 65536 + 64, bytes: "_BHRfS_M", label: 65536 + 299, size: 256},
	{kind: "xfs", bytes: "XFSB", label: 108, size: 12},
	{kind: "ext4", at: 1024 + 0x38, bytes: "\x53\xef", label: 1024 + 0x78, size: 16},
	{kind: "f2fs", at: 1024, bytes: "\x10\x20\xf5\xf2"},
	{kind: "swap", at: 4086, bytes: "SWAPSPACE2", label: 1052, size: 16},
	{kind: "ntfs", at: 3, bytes: "NTFS    "},
	{kind: "exfat", at: 3, bytes: "EXFAT   "},
	{kind: "vfat", at: 82, bytes: "FAT32   ", label: 71, size: 11},
	{kind: "vfat", at: 54, bytes: "FAT16   ", label: 43, size: 11},
	{kind: "vfat", at: 54, bytes: "FAT12   ", label: 43, size: 11},
	{kind: "iso9660", at: 32769, bytes: "CD001", label: 32808, size: 32},
}

// Probe looks at a device, or a part of one, for what makes it a part of something
// larger, and for file systems. What is there comes in the order of importance.
func Probe(r io.ReaderAt, size int64) (all []Signature) {
	for _, m := range magics {
		at := m.at
		if at < 0 {
			at += size
		}
		if has(r, at, m.bytes) {
			all = append(all, Signature{m.kind, label(r, m), m.member})
		}
	}
	if hasRAIDAtEnd(r, size) {
		all = append([]Signature{{"linux_raid_member", "", "RAID"}}, all...)
	}
	if hasZFS(r, size) {
		all = append([]Signature{{"zfs_member", "", "ZFS"}}, all...)
	}
	return all
}

func has(r io.ReaderAt, at int64, want string) bool {
	got := make([]byte, len(want))
	if at < 0 {
		return false
	}
	n, _ := r.ReadAt(got, at)
	return string(got[:n]) == want
}

func label(r io.ReaderAt, m magic) string {
	text := make([]byte, m.size)
	n, _ := r.ReadAt(text, m.label)
	text, _, _ = bytes.Cut(text[:n], []byte{0})
	return strings.TrimSpace(strings.ToValidUTF8(string(text), "?"))
}

// hasRAIDAtEnd looks for the superblocks of versions 0.90 and 1.0, which lie where mdadm's
// super0.c and super1.c put them.
func hasRAIDAtEnd(r io.ReaderAt, size int64) bool {
	const magic = "\xfc\x4e\x2b\xa9"
	return has(r, size&^0xffff-0x10000, magic) || has(r, (size/sector-16)&^7*sector, magic)
}

// ZFS writes four labels, two at either end, each with a ring of uberblocks (OpenZFS,
// include/sys/vdev_impl.h).
const (
	zfsLabel     = 256 << 10
	zfsRing      = 128 << 10 // in a label, to its end
	zfsUberblock = 1 << 10   // at least
	zfsMagic     = 0x00bab10c
)

func hasZFS(r io.ReaderAt, size int64) bool {
	end := size &^ (zfsLabel - 1)
	ring := make([]byte, zfsLabel-zfsRing)
	for _, at := range []int64{0, zfsLabel, end - 2*zfsLabel, end - zfsLabel} {
		if at < 0 {
			continue
		}
		n, _ := r.ReadAt(ring, at+zfsRing)
		for i := 0; i+zfsUberblock <= n; i += zfsUberblock {
			if binary.LittleEndian.Uint64(ring[i:]) == zfsMagic || binary.BigEndian.Uint64(ring[i:]) == zfsMagic {
				return true
			}
		}
	}
	return false
}
