package blockdev

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// machine returns the root folder of a machine, of files with their texts; one that
// begins with "-> " is a link. It is as Linux 6.12 shows a laptop with an SSD that holds
// the system on LVM on dm-crypt, an SD card in a slot, a USB stick, a USB card reader with
// one of two slots filled, and a few more.
func machine(t *testing.T, more map[string]string) fs.FS {
	t.Helper()
	const (
		sata = "sys/devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0"
		usb  = "sys/devices/pci0000:00/0000:00:14.0/usb2/2-1"
		card = "sys/devices/pci0000:00/0000:00:1c.0/0000:02:00.0/rtsx_pci_sdmmc.0/mmc_host/mmc0/mmc0:aaaa"
		emmc = "sys/devices/platform/fe330000.mmc/mmc_host/mmc1/mmc1:0001"
		virt = "sys/devices/virtual/block/"
	)
	files := map[string]string{
		"tmp/disk.img": "x", "tmp/link.img": "-> disk.img",
		"proc/swaps": "Filename\tType\tSize\tUsed\tPriority\n/dev/sda3 partition 1 0 -2\n",
		"proc/self/mountinfo": "26 1 253:1 / / rw - ext4 /dev/mapper/vg-root rw\n" +
			"27 26 8:1 / /boot/efi rw - vfat /dev/sda1 rw\n" +
			"28 26 8:33 / /media/me/my\\040card rw - vfat /dev/sdc1 rw\n" +
			"30 26 259:1 / /mnt/card rw - ext4 /dev/loop4p1 rw\n" +
			"29 26 0:55 /sub /mnt/b rw - btrfs /dev/sde1 rw\n",
		"sys/fs/btrfs/0a-1b/devices/sdf1": "-> nowhere",
		"run/udev/data/b179:1":            "S:disk/by-id/x\nE:ID_FS_TYPE=vfat\nE:ID_FS_LABEL=FIRMWARE\n",
		"run/udev/data/b179:2":            "E:ID_FS_TYPE=ext4\nE:ID_FS_LABEL=NIXOS_SD\n",
	}
	disk := func(dir, name, number string, mb string, more map[string]string) {
		files[dir+"/dev"], files[dir+"/size"], files[dir+"/ro"] = number, mb+"000", "0"
		files[dir+"/removable"], files[dir+"/diskseq"] = "0", "7"
		files["sys/block/"+name] = "-> ../../" + dir
		files["sys/class/block/"+name] = "-> ../../../" + dir
		files["sys/dev/block/"+number] = "-> ../../../" + dir
		for k, v := range more {
			files[dir+"/"+k] = v
		}
	}
	part := func(dir, name, number, start string) {
		disk(dir+"/"+name, name, number, "100", map[string]string{"partition": "1", "start": start})
		delete(files, "sys/block/"+name)
	}
	scsi := func(vendor, model string) map[string]string {
		return map[string]string{"device/vendor": vendor + "  ", "device/model": model + "   ", "device/type": "0"}
	}
	disk(sata+"/block/sda", "sda", "8:0", "1000000", scsi("ATA", "SSD"))
	files[sata+"/block/sda/device/vpd_pg80"] = "\x00\x80\x00\x06SERIAL"
	part(sata+"/block/sda", "sda1", "8:1", "2048")
	part(sata+"/block/sda", "sda2", "8:2", "4096")
	part(sata+"/block/sda", "sda3", "8:3", "8192")
	files[sata+"/block/sda/sda2/holders/dm-0"] = "x"
	disk(virt+"dm-0", "dm-0", "253:0", "100", map[string]string{"dm/uuid": "CRYPT-LUKS2-1", "dm/name": "cryptroot", "holders/dm-1": "x"})
	disk(virt+"dm-1", "dm-1", "253:1", "100", map[string]string{"dm/uuid": "LVM-2", "dm/name": "vg-root"})
	for _, name := range []string{"sdb", "sdc", "sdd", "sde", "sdf", "sdg"} {
		files[usb+name+"/idVendor"], files[usb+name+"/serial"] = "1234", "USB-"+name
		dir := usb + name + "/2-1:1.0/host6/target6:0:0/6:0:0:0/block/" + name
		number := map[string]string{"sdb": "8:16", "sdc": "8:32", "sdd": "8:48", "sde": "8:64", "sdf": "8:80", "sdg": "8:96"}[name]
		disk(dir, name, number, "4000", scsi("Maker", "Stick "+name))
	}
	dirOf := func(name string) string { return usb + name + "/2-1:1.0/host6/target6:0:0/6:0:0:0/block/" + name }
	part(dirOf("sdc"), "sdc1", "8:33", "2048")
	files[dirOf("sdd")+"/size"] = "0"
	part(dirOf("sde"), "sde1", "8:65", "2048")
	part(dirOf("sdf"), "sdf1", "8:81", "2048")
	files[dirOf("sdg")+"/holders/md127"] = "x"
	disk(virt+"md127", "md127", "9:127", "100", map[string]string{"md/level": "raid1"})
	disk(card+"/block/mmcblk0", "mmcblk0", "179:0", "30000", map[string]string{"device/type": "SD", "device/name": "SC32G", "device/serial": "0x12ab34cd"})
	part(card+"/block/mmcblk0", "mmcblk0p2", "179:2", "77824")
	part(card+"/block/mmcblk0", "mmcblk0p1", "179:1", "16384")
	disk(emmc+"/block/mmcblk1", "mmcblk1", "179:32", "60000", map[string]string{"device/type": "MMC", "device/name": "DF4064", "device/serial": "0x1"})
	disk(sata+"9/block/sr0", "sr0", "11:0", "700", map[string]string{"device/type": "5", "removable": "1"})
	disk(sata+"8/block/sdh", "sdh", "8:112", "700", map[string]string{"device/type": "0", "removable": "1", "ro": "1"})
	disk(virt+"loop0", "loop0", "7:0", "700", map[string]string{"loop/backing_file": "/tmp/card.img"})
	disk(virt+"loop1", "loop1", "7:1", "700", map[string]string{"loop/backing_file": "/dev/sdb"})
	disk(virt+"loop2", "loop2", "7:2", "0", nil)
	disk(virt+"loop3", "loop3", "7:3", "700", map[string]string{"loop/backing_file": "/tmp/disk.img"})
	disk(virt+"loop4", "loop4", "7:4", "700", map[string]string{"loop/backing_file": "/tmp/link.img"})
	part(virt+"loop4", "loop4p1", "259:1", "2048")
	for name, text := range more {
		files[name] = text
	}
	return plant(t, files)
}

// plant writes files and links into a folder.
func plant(t *testing.T, files map[string]string) fs.FS {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if to, link := strings.CutPrefix(text, "-> "); link {
			err = os.Symlink(to, path)
		} else {
			err = os.WriteFile(path, []byte(text+"\n"), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return os.DirFS(root)
}
