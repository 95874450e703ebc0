package blockdev

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// A Use is something on this machine that needs a disk, or a part of one.
type Use struct {
	Device string // such as sdb1, or dm-0 above it
	What   string // such as "mounted at /media/card"
	end    string // the command that ends it; "" if that would be no good advice
}

func (u Use) String() string { return u.Device + " is " + u.What }

func (u Use) refusal() error {
	advice := "the running system needs it; name another disk"
	if u.end != "" {
		advice = "if you can do without it: " + u.end
	}
	return &RefusedError{u.String(), advice}
}

// maxDepth bounds how many devices stand on one another: LVM on dm-crypt on RAID is three.
const maxDepth = 16

// addUses adds what uses the disk and its parts, directly or through other devices.
func (s system) addUses(d *Disk) {
	s.addUsesOf(d, *d)
	if d.Kind == Loop {
		s.addTwins(d)
	}
}

// addUsesOf adds what uses a disk, which is another one's twin or itself.
func (s system) addUsesOf(d *Disk, of Disk) {
	s.usesOf(d, of.Name, of.Number, maxDepth)
	for _, p := range of.Parts {
		s.usesOf(d, p.Name, p.Number, maxDepth)
	}
}

// addTwins adds what uses other loop devices with the same file behind them.
func (s system) addTwins(d *Disk) {
	files, _ := fs.Glob(s.root, "sys/block/loop*/loop/backing_file")
	for _, f := range files {
		dir := path.Dir(path.Dir(f))
		twin := Disk{Name: path.Base(dir), Number: s.text(dir + "/dev"), dir: dir}
		if twin.Name == d.Name || !s.sameFile(s.text(f), d.Serial) {
			continue
		}
		s.addParts(&twin)
		before := len(d.Uses)
		s.addUsesOf(d, twin)
		for i := range d.Uses[before:] {
			d.Uses[before+i].What += ", with the file of " + d.Name + " behind it"
		}
	}
}

// sameFile reports whether two names are one file's, as far as files can be looked at.
func (s system) sameFile(a, b string) bool {
	one, err := fs.Stat(s.root, strings.TrimPrefix(a, "/"))
	other, otherErr := fs.Stat(s.root, strings.TrimPrefix(b, "/"))
	return a == b || err == nil && otherErr == nil && os.SameFile(one, other)
}

func (s system) usesOf(d *Disk, name, number string, depth int) {
	add := func(u Use) {
		if !slices.Contains(d.Uses, u) {
			d.Uses = append(d.Uses, u)
		}
	}
	for _, m := range s.mounts() {
		if m.number == number || m.source == "/dev/"+name {
			add(Use{name, "mounted at " + m.at, m.end(name)})
		}
	}
	if pools, _ := fs.Glob(s.root, "sys/fs/btrfs/*/devices/"+name); len(pools) > 0 && len(d.Uses) == 0 {
		add(Use{name, "part of a mounted btrfs", ""})
	}
	for line := range strings.Lines(s.text("proc/swaps")) {
		if fields := strings.Fields(line); len(fields) > 0 && unescape(fields[0]) == "/dev/"+name {
			add(Use{name, "used as swap space", "sudo swapoff /dev/" + name})
		}
	}
	if d.Kind != Loop || name != d.Name {
		s.addLoops(name, add)
	}
	holders, _ := fs.ReadDir(s.root, "sys/class/block/"+name+"/holders")
	for _, h := range holders {
		add(s.holding(name, h.Name()))
		if depth > 0 {
			s.usesOf(d, h.Name(), s.text("sys/class/block/"+h.Name()+"/dev"), depth-1)
		}
	}
}

// addLoops adds loop devices on a device.
func (s system) addLoops(name string, add func(Use)) {
	files, _ := fs.Glob(s.root, "sys/block/loop*/loop/backing_file")
	for _, f := range files {
		if loop := path.Base(path.Dir(path.Dir(f))); s.text(f) == "/dev/"+name {
			add(Use{name, "behind the loop device " + loop, "sudo losetup -d /dev/" + loop})
		}
	}
}

// holding tells what a device that stands on another one is.
func (s system) holding(name, holder string) Use {
	id, mapped := s.text("sys/class/block/"+holder+"/dm/uuid"), s.text("sys/class/block/"+holder+"/dm/name")
	switch {
	case strings.HasPrefix(id, "LVM-"):
		return Use{name, fmt.Sprintf("part of LVM (%s)", mapped), "sudo vgchange -an, for its group"}
	case strings.HasPrefix(id, "CRYPT-"):
		return Use{name, fmt.Sprintf("open in dm-crypt (%s)", mapped), "sudo cryptsetup close " + mapped}
	case mapped != "":
		return Use{name, fmt.Sprintf("part of the mapped device %s", mapped), "sudo dmsetup remove " + mapped}
	case strings.HasPrefix(holder, "md"):
		return Use{name, fmt.Sprintf("part of the RAID %s", holder), "sudo mdadm --stop /dev/" + holder}
	}
	return Use{name, "part of " + holder, ""}
}

// A mount is a line of mountinfo.
type mount struct{ number, at, source string }

// systemFolders are those without which a machine does not go on.
var systemFolders = []string{"/", "/boot", "/efi", "/etc", "/home", "/nix", "/opt", "/root", "/srv", "/usr", "/var"}

// end returns the command that unmounts it.
func (m mount) end(name string) string {
	if slices.ContainsFunc(systemFolders, func(dir string) bool { return m.at == dir || dir != "/" && strings.HasPrefix(m.at, dir+"/") }) {
		return ""
	}
	return "sudo umount /dev/" + name
}

// mounts reads /proc/self/mountinfo (Documentation/filesystems/proc.rst, 3.5).
func (s system) mounts() (all []mount) {
	for line := range strings.Lines(s.text("proc/self/mountinfo")) {
		head, tail, _ := strings.Cut(line, " - ")
		before, after := strings.Fields(head), strings.Fields(tail)
		if len(before) > 4 && len(after) > 1 {
			all = append(all, mount{before[2], unescape(before[4]), unescape(after[1])})
		}
	}
	return all
}

// unescape undoes how the kernel writes blanks in names: as \040.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
