package blockdev

import (
	"errors"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	root := machine(t, nil)
	d, err := Find(root, "179:0")
	if err != nil {
		t.Fatal(err)
	}
	d.dir = ""
	want := Disk{Name: "mmcblk0", Number: "179:0", Kind: SD, Model: "SC32G", Serial: "0x12ab34cd", Size: 30000000 * 512, Sequence: "7",
		Parts: []Part{
			{"mmcblk0p1", "179:1", 16384 * 512, 100000 * 512, "vfat FIRMWARE"},
			{"mmcblk0p2", "179:2", 77824 * 512, 100000 * 512, "ext4 NIXOS_SD"},
		}}
	if !reflect.DeepEqual(d, want) {
		t.Errorf("Find(179:0) = %+v; want %+v", d, want)
	}
	if d, _ := Find(root, "8:16"); d.Vendor != "Maker" || d.Model != "Stick sdb" || d.Serial != "USB-sdb" || d.Kind != USB {
		t.Errorf("Find(8:16) = %+v", d)
	}
	if d, _ := Find(root, "8:0"); d.Serial != "SERIAL" || d.Kind != Fixed {
		t.Errorf("Find(8:0) = %+v", d)
	}
	var part *PartError
	if _, err := Find(root, "8:33"); !errors.As(err, &part) || *part != (PartError{"sdc1", "sdc"}) {
		t.Errorf("Find(8:33) = %v; want a *PartError", err)
	}
	if _, err := Find(root, "1:1"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Find(1:1) = %v; want fs.ErrNotExist", err)
	}
}

// Nothing that is in use or cannot be taken out is given away.
func TestRefused(t *testing.T) {
	root := machine(t, nil)
	for number, want := range map[string][2]string{ // reason and advice, in parts
		"179:0":  {"", ""},
		"7:0":    {"", ""},
		"8:0":    {"sda cannot be taken out of this machine", "only SD cards"},
		"179:32": {"mmcblk1 cannot be taken out", ""},
		"11:0":   {"sr0 cannot be taken out", ""},
		"8:16":   {"sdb is behind the loop device loop1", "losetup -d /dev/loop1"},
		"8:32":   {"sdc1 is mounted at /media/me/my card", "sudo umount /dev/sdc1"},
		"8:48":   {"there is no card in sdd", "put one in"},
		"8:64":   {"sde1 is mounted at /mnt/b", "umount"},
		"8:80":   {"sdf1 is part of a mounted btrfs", "name another"},
		"8:96":   {"sdg is part of the RAID md127", "mdadm --stop /dev/md127"},
		"8:112":  {"sdh is write-protected", "switch"},
		"253:0":  {"dm-0 is made of other disks", ""},
		"9:127":  {"md127 is made of other disks", ""},
		"7:1":    {"loop1 has no file behind it", "losetup"},
		"7:3":    {"loop4p1 is mounted at /mnt/card, with the file of loop3 behind it", "sudo umount /dev/loop4p1"},
		"7:2":    {"loop2 is made of other disks", ""},
	} {
		d, err := Find(root, number)
		if err != nil {
			t.Fatal(err)
		}
		err = d.Refused()
		var r *RefusedError
		switch {
		case want[0] == "" && err != nil:
			t.Errorf("%s: Refused() = %v; want none", number, err)
		case want[0] != "" && (!errors.As(err, &r) || !strings.Contains(r.Reason, want[0]) || !strings.Contains(r.Advice, want[1])):
			t.Errorf("%s: Refused() = %v; want %q", number, err, want)
		}
	}
}

// What stands on other devices is found, down to the mount at the top.
func TestUses(t *testing.T) {
	d, err := Find(machine(t, nil), "8:0")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, u := range d.Uses {
		got = append(got, u.String())
	}
	want := []string{"sda1 is mounted at /boot/efi", "sda2 is open in dm-crypt (cryptroot)", "dm-0 is part of LVM (vg-root)", "dm-1 is mounted at /", "sda3 is used as swap space"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Uses = %q; want %q", got, want)
	}
	for _, u := range d.Uses {
		if strings.Contains(u.What, "mounted") && u.end != "" {
			t.Errorf("%v: the advice is %q; want none", u, u.end)
		}
	}
}

func TestHolderLoop(t *testing.T) {
	root := machine(t, map[string]string{"sys/devices/virtual/block/dm-1/holders/dm-0": "x"})
	if d, err := Find(root, "8:0"); err != nil || len(d.Uses) == 0 || len(d.Uses) > 10 {
		t.Errorf("Find() = %+v, %v", d, err)
	}
}

func TestList(t *testing.T) {
	all, err := List(machine(t, nil))
	var got []string
	for _, d := range all {
		got = append(got, d.Name)
	}
	want := []string{"mmcblk0", "sdb", "sdc", "sde", "sdf", "sdg", "sdh"}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("List() = %q, %v; want %q", got, err, want)
	}
}

// Another card in the same reader is another disk.
func TestSame(t *testing.T) {
	a, err := Find(machine(t, nil), "8:16")
	if err != nil {
		t.Fatal(err)
	}
	b := a
	if b.Sequence = "8"; a.Same(b) || !a.Same(a) {
		t.Error("Same() does not tell cards apart")
	}
	if b = a; !a.Same(b) {
		t.Error("a disk is not the same as itself")
	}
	if b.Size++; a.Same(b) {
		t.Error("Same() does not tell sizes apart")
	}
}

func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{`a\040b`: "a b", `\134`: `\`, `a\04`: `a\04`, `\999`: `\999`, `\040`: " "} {
		if got := unescape(in); got != want {
			t.Errorf("unescape(%q) = %q; want %q", in, got, want)
		}
	}
}

// The machine that this runs on is read without a surprise: the disk of / is refused.
func TestThisMachine(t *testing.T) {
	root := os.DirFS("/")
	for _, m := range (system{root}).mounts() {
		if m.at != "/" {
			continue
		}
		d, err := Find(root, m.number)
		var part *PartError
		switch {
		case errors.As(err, &part), errors.Is(err, fs.ErrNotExist): // a partition, or no device
		case err != nil || d.Refused() == nil || len(d.Uses) == 0:
			t.Errorf("the disk of / is %+v, %v", d, err)
		}
	}
}
