package inspect

import (
	"encoding/binary"
	"path"
	"slices"
	"strings"
)

// menus is where u-boot looks for its menu (its doc/develop/distro.rst).
var menus = []string{"/extlinux/extlinux.conf", "/boot/extlinux/extlinux.conf"}

// readBoot does what u-boot does: it takes the first menu on a bootable partition.
func (d *disk) readBoot() {
	r := d.report
	d.checkFirmware()
	parts := slices.Clone(r.Partitions)
	slices.SortStableFunc(parts, func(a, b Partition) int {
		switch {
		case a.Bootable == b.Bootable:
			return 0
		case a.Bootable:
			return -1
		}
		return 1
	})
	for _, p := range parts {
		t := d.trees[p.Number]
		for _, menu := range menus {
			if t == nil || !t.has(menu) {
				continue
			}
			if !p.Bootable && p.Number != parts[0].Number {
				tell := r.warn // some versions of u-boot look at all partitions then
				if parts[0].Bootable {
					tell = r.fail
				}
				tell("the boot menu is on partition %d, which is not marked bootable", p.Number)
			}
			r.Boot = parseMenu(t.text(menu), path.Dir(menu))
			d.checkEntries(t)
			return
		}
	}
	if other := d.otherBoot(); other != "" {
		r.warn("there is no boot menu (extlinux/extlinux.conf) for u-boot, but %s, of which no more is known here", other)
		return
	}
	r.fail("there is no boot menu (extlinux/extlinux.conf) for u-boot")
}

// others are what boards start besides: u-boot a program for UEFI or a script (its
// doc/develop/distro.rst), a Raspberry Pi's firmware a kernel.
var others = []string{"/EFI/BOOT/BOOTAA64.EFI", "/boot.scr", "/boot/boot.scr", "/boot.scr.uimg", "/kernel8.img", "/kernel_2712.img", "/kernel.img"}

// otherBoot returns the first of others that is there.
func (d *disk) otherBoot() string {
	for _, p := range d.report.Partitions {
		for _, file := range others {
			if t := d.trees[p.Number]; t != nil && t.has(file) {
				return file
			}
		}
	}
	return ""
}

// checkFirmware warns if a FAT partition is there for a board's firmware, but has none.
func (d *disk) checkFirmware() {
	for _, p := range d.report.Partitions {
		if t := d.trees[p.Number]; t != nil && strings.HasPrefix(p.Volume.Type, "fat") && len(t.list("/")) == 0 {
			d.report.warn("partition %d (%s) is empty: a Raspberry Pi finds no firmware there; boards whose firmware is elsewhere do not mind", p.Number, p.Volume.Label)
		}
	}
}

// checkEntries warns of what the entries name and is not there, and reads the system
// that the first starts.
func (d *disk) checkEntries(t *tree) {
	r := d.report
	if len(r.Boot) == 0 {
		r.fail("the boot menu is empty")
		return
	}
	for i, e := range r.Boot {
		tell := r.warn
		if i == 0 { // what starts by itself
			tell = r.fail
		}
		for _, file := range []struct{ what, path string }{{"kernel", e.Kernel}, {"initrd", e.Initrd}, {"device tree", e.FDT}} {
			if file.path != "" && !t.has(file.path) {
				tell("boot entry %q: its %s %s is not there", e.Label, file.what, file.path)
			}
		}
		if e.FDTDir != "" && !t.has(e.FDTDir) { // u-boot goes on with the firmware's
			r.warn("boot entry %q: its folder of device trees %s is not there", e.Label, e.FDTDir)
		}
		if e.Kernel == "" {
			tell("boot entry %q names no kernel", e.Label)
		} else if head, err := t.head(e.Kernel, 64); err == nil && !isKernel(head) {
			tell("boot entry %q: %s is no kernel for AArch64", e.Label, e.Kernel)
		}
	}
	d.checkRoot(r.Boot[0])
	d.readSystem(r.Boot[0])
}

// isKernel looks for the magic number of an AArch64 kernel (the kernel's
// Documentation/arch/arm64/booting.rst), or of one that gzip or zstd compressed.
func isKernel(head []byte) bool {
	return len(head) == 64 && (binary.LittleEndian.Uint32(head[56:]) == 0x644d5241 ||
		head[0] == 0x1f && head[1] == 0x8b || binary.LittleEndian.Uint32(head) == 0xfd2fb528)
}

// option returns the value of the last option of that name on the kernel's command line.
func (e Entry) option(name string) (value string) {
	for _, o := range strings.Fields(e.Options) {
		if v, ok := strings.CutPrefix(o, name+"="); ok {
			value = v
		}
	}
	return value
}

// checkRoot warns if the root that the kernel is told of is not in the image.
func (d *disk) checkRoot(e Entry) {
	root := e.option("root")
	for kind, get := range map[string]func(Volume) string{
		"LABEL=": func(v Volume) string { return v.Label },
		"UUID=":  func(v Volume) string { return v.ID },
	} {
		want, ok := strings.CutPrefix(root, kind)
		if ok && !slices.ContainsFunc(d.report.Partitions, func(p Partition) bool { return p.Volume != nil && get(*p.Volume) == want }) {
			d.report.fail("boot entry %q: no file system is %s", e.Label, root)
		}
	}
}

// parseMenu reads an extlinux.conf (u-boot's doc/usage/cmd/extlinux.rst); names in it are
// relative to its folder. The default entry comes first.
func parseMenu(text, dir string) []Entry {
	all, first := []Entry{}, ""
	for line := range strings.Lines(text) {
		word, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		value = strings.TrimSpace(value)
		word = strings.ToUpper(word)
		if word == "DEFAULT" {
			first = value
		}
		if word == "LABEL" {
			all = append(all, Entry{Label: value})
		}
		if len(all) == 0 {
			continue
		}
		all[len(all)-1].set(word, value, dir)
	}
	slices.SortStableFunc(all, func(a, b Entry) int {
		switch {
		case a.Label == b.Label || a.Label != first && b.Label != first:
			return 0
		case a.Label == first:
			return -1
		}
		return 1
	})
	return all
}

func (e *Entry) set(word, value, dir string) {
	file := func() string {
		if value == "" {
			return ""
		}
		if path.IsAbs(value) {
			return path.Clean(value)
		}
		return path.Join(dir, value)
	}
	switch word {
	case "MENU":
		if title, ok := strings.CutPrefix(value, "LABEL "); ok {
			e.Title = strings.TrimSpace(title)
		}
	case "LINUX", "KERNEL":
		e.Kernel = file()
	case "INITRD":
		e.Initrd = file()
	case "FDT", "DEVICETREE":
		e.FDT = file()
	case "FDTDIR", "DEVICETREEDIR":
		e.FDTDir = file()
	case "APPEND":
		e.Options = value
	}
}
