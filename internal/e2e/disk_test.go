package e2e

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nixsd-native/internal/testenv"
)

// output runs a program that succeeds, and returns all it prints.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// A partitionTable is what sfdisk --json prints.
type partitionTable struct {
	Label, ID  string
	Unit       string
	Partitions []struct {
		Start, Size int64 // sectors of 512 bytes
		Type        string
		Bootable    bool
	}
}

func readPartitions(t *testing.T, image string) partitionTable {
	t.Helper()
	var table struct{ PartitionTable partitionTable }
	out := output(t, testenv.NeedProgram(t, "sfdisk"), "--json", image)
	if err := json.Unmarshal([]byte(out), &table); err != nil || len(table.PartitionTable.Partitions) != 2 {
		t.Fatalf("sfdisk --json: %s, %v; want two partitions", out, err)
	}
	return table.PartitionTable
}

// partitions are files with an image's partitions.
type partitions struct{ fat, ext4 string }

// splitImage copies the partitions into files named after name.
func splitImage(t *testing.T, image, name string) partitions {
	t.Helper()
	table := readPartitions(t, image)
	p := partitions{filepath.Join(lab(), name+".fat"), filepath.Join(lab(), name+".ext4")}
	for i, file := range []string{p.fat, p.ext4} {
		part := table.Partitions[i]
		if err := copyFile(image, file, part.Start*512, part.Size*512); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Remove(file) })
	}
	return p
}

// The tools of others find the image in order and of the shape that it must have.
func TestDisk(t *testing.T) {
	check := mustStay(t)
	builds(t)
	image := filepath.Join(user().home, "first", imageName)
	output(t, testenv.NeedProgram(t, "sfdisk"), "--verify", image)
	table := readPartitions(t, image)
	if table.Label != "dos" || table.ID != "0x2178694e" {
		t.Errorf("label %q, id %q; want dos, 0x2178694e", table.Label, table.ID)
	}
	fat, root := table.Partitions[0], table.Partitions[1]
	if fat.Type != "b" || fat.Bootable || fat.Start*512 != 8<<20 || fat.Size*512 != 30<<20 {
		t.Errorf("firmware partition %+v; want type b, 30 MiB at 8 MiB", fat)
	}
	if root.Type != "83" || !root.Bootable || root.Start != fat.Start+fat.Size {
		t.Errorf("root partition %+v; want type 83, bootable, right behind the first", root)
	}
	p := splitImage(t, image, "disk")
	fsck := testenv.NeedProgram(t, "fsck.ext4")
	output(t, fsck, "-fn", p.ext4)
	output(t, testenv.NeedProgram(t, "fsck.vfat"), "-n", p.fat)
	if fatLabel, rootLabel := volumeLabels(t, p); fatLabel != "FIRMWARE" || rootLabel != "NIXOS_SD" {
		t.Errorf("labels %q and %q; want FIRMWARE and NIXOS_SD", fatLabel, rootLabel)
	}
	checkBootFiles(t, p)
	breakInodes(t, p.ext4)
	err := exec.Command(fsck, "-fn", p.ext4).Run()
	if ee := (*exec.ExitError)(nil); !errors.As(err, &ee) {
		t.Errorf("fsck.ext4 of a damaged file system = %v; want a complaint", err)
	}
	check(t)
}

// volumeLabels reads the labels where FAT16 and ext4 have them.
func volumeLabels(t *testing.T, p partitions) (fat, ext4 string) {
	t.Helper()
	read := func(name string, at int64, size int) string {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		b := make([]byte, size)
		if _, err := f.ReadAt(b, at); err != nil {
			t.Fatal(err)
		}
		return strings.TrimRight(string(b), " \x00")
	}
	return read(p.fat, 0x2b, 11), read(p.ext4, 1024+0x78, 16)
}

// checkBootFiles looks for what boards and u-boot start from.
func checkBootFiles(t *testing.T, p partitions) {
	t.Helper()
	debugfs := testenv.NeedProgram(t, "debugfs")
	extlinux := output(t, debugfs, "-R", "cat /boot/extlinux/extlinux.conf", p.ext4)
	for _, want := range []string{"LINUX ", "INITRD ", "root=LABEL=NIXOS_SD"} {
		if !strings.Contains(extlinux, want) {
			t.Errorf("extlinux.conf has no %q:\n%s", want, extlinux)
		}
	}
	shadow := output(t, debugfs, "-R", "cat /etc/shadow", p.ext4)
	if !strings.Contains(shadow, "\nroot:*:") || !strings.Contains(shadow, "\nnixos:*:") {
		t.Errorf("/etc/shadow lets somebody in by password:\n%s", shadow)
	}
	fat, err := os.ReadFile(p.fat)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"U-BOOT  BIN", "CONFIG  TXT"} {
		if !bytes.Contains(fat, []byte(name)) {
			t.Errorf("the firmware partition has no %q", name)
		}
	}
}

// breakInodes changes the count of free inodes in the superblock.
func breakInodes(t *testing.T, ext4 string) {
	t.Helper()
	f, err := os.OpenFile(ext4, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(binary.LittleEndian.AppendUint32(nil, 1), 1024+0x10); err != nil {
		t.Fatal(err)
	}
}
