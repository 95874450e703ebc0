package blockdev

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"nixsd-native/internal/testenv"
)

// deviceSize is that of the devices in these tests: not a multiple of what RAIDs align to.
const deviceSize = 20<<20 + 3*512

// with returns a device that has some bytes at a place.
func with(at int64, text string) []byte {
	data := make([]byte, deviceSize)
	copy(data[at:], text)
	return data
}

// pvcreate is the label that pvcreate of LVM 2.03.16 writes into the second sector.
const pvcreate = "LABELONE\x01\x00\x00\x00\x00\x00\x00\x00\x44\xbf\xd9\x8f\x20\x00\x00\x00LVM2 001u5c1PhT2tI6fruoDcEL7cWmJRUIJ95Bk"

// What a disk may be a part of is known by its signature, wherever that lies.
func TestMembers(t *testing.T) {
	const raid = "\xfc\x4e\x2b\xa9"
	little := string(binary.LittleEndian.AppendUint64(nil, zfsMagic))
	big := string(binary.BigEndian.AppendUint64(nil, zfsMagic))
	for _, tt := range []struct {
		at   int64
		text string
		want Signature
	}{
		{512, pvcreate, Signature{"LVM2_member", "", "LVM"}},
		{0, "LUKS\xba\xbe\x00\x02", Signature{"crypto_LUKS", "", "dm-crypt"}},
		{4096, raid + string(make([]byte, 28)) + "host:0", Signature{"linux_raid_member", "host:0", "RAID"}},
		{0, raid, Signature{"linux_raid_member", "", "RAID"}},
		{20<<20 - 64<<10, raid, Signature{"linux_raid_member", "", "RAID"}}, // 0.90: the last whole 64 KiB but one
		{20<<20 - 8<<10, raid, Signature{"linux_raid_member", "", "RAID"}},  // 1.0: 8 KiB from the end, aligned to 4
		{deviceSize - 1024, "Intel Raid ISM Cfg Sig. 1.3.00", Signature{"isw_raid_member", "", "RAID"}},
		{128<<10 + 5<<10, little, Signature{"zfs_member", "", "ZFS"}},
		{256<<10 + 128<<10, big, Signature{"zfs_member", "", "ZFS"}},
		{20<<20 - 256<<10 + 255<<10, little, Signature{"zfs_member", "", "ZFS"}},
	} {
		got := Probe(bytes.NewReader(with(tt.at, tt.text)), deviceSize)
		if len(got) == 0 || got[0] != tt.want {
			t.Errorf("Probe() of %q at %d = %+v; want %+v", tt.text, tt.at, got, tt.want)
		}
	}
	if got := Probe(bytes.NewReader(make([]byte, deviceSize)), deviceSize); got != nil {
		t.Errorf("Probe() of zeros = %+v", got)
	}
}

// File systems are known as their own tools make them.
func TestFileSystems(t *testing.T) {
	for _, tt := range []struct {
		argv []string
		size int64
		want Signature
	}{
		{[]string{"mkfs.ext4", "-q", "-F", "-L", "my root"}, 20 << 20, Signature{"ext4", "my root", ""}},
		{[]string{"mkfs.vfat", "-F", "16", "-n", "FIRMWARE"}, 20 << 20, Signature{"vfat", "FIRMWARE", ""}},
		{[]string{"mkfs.vfat", "-F", "32", "-n", "BOOT"}, 64 << 20, Signature{"vfat", "BOOT", ""}},
		{[]string{"mkswap", "-q", "-L", "paging"}, 20 << 20, Signature{"swap", "paging", ""}},
		{[]string{"mkfs.xfs", "-q", "-L", "data"}, 400 << 20, Signature{"xfs", "data", ""}},
		{[]string{"mkfs.btrfs", "-q", "-L", "pool"}, 200 << 20, Signature{"btrfs", "pool", ""}},
	} {
		t.Run(tt.argv[0]+tt.want.Label, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "device")
			if err := os.WriteFile(name, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(name, tt.size); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(testenv.NeedProgram(t, tt.argv[0]), append(tt.argv[1:], name)...)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			f, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if got := Probe(f, tt.size); len(got) != 1 || got[0] != tt.want {
				t.Errorf("Probe() = %+v; want %+v", got, tt.want)
			}
		})
	}
}

// Whatever a card holds, looking at it ends well.
func FuzzProbe(f *testing.F) {
	f.Add([]byte(pvcreate), int64(deviceSize))
	f.Add(with(1024+0x38, "\x53\xef")[:70<<10], int64(1))
	f.Add([]byte{}, int64(-1))
	f.Add([]byte("XFSB"), int64(1<<62))
	f.Fuzz(func(t *testing.T, data []byte, size int64) {
		for _, s := range Probe(bytes.NewReader(data), size) {
			if s.Type == "" || len(s.Label) > 3*256 {
				t.Errorf("Probe() = %+v", s)
			}
		}
	})
}
