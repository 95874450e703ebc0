package hostinfo

import (
	"io/fs"
	"regexp"
	"strconv"
	"strings"
)

// containerKind is a word such as lxc and systemd-nspawn, of which systemd(1) has a list.
var containerKind = regexp.MustCompile(`^[A-Za-z0-9._-]{1,40}$`)

// cgroupMarks are parts of paths of control groups by which container managers are known.
var cgroupMarks = []struct{ part, kind string }{
	{"/kubepods", "kubernetes"}, {"/docker", "docker"}, {"/libpod", "podman"}, {"/lxc", "lxc"}, {"/containerd", "containerd"},
	{"/machine.slice/systemd-nspawn", "systemd-nspawn"},
}

// Container returns what kind of container a host's root folder belongs to, "unnamed" if
// its kind cannot be told, or "" if it is none. Managers leave a file, a variable of
// process 1, or a name of its control group.
func Container(root fs.FS) string {
	switch {
	case exists(root, ".dockerenv"):
		return "docker"
	case exists(root, "run/.containerenv"):
		return "podman"
	}
	kind := text(root, "run/systemd/container")
	if kind == "" { // which systemd writes from this, for everybody to read
		for v := range strings.SplitSeq(text(root, "proc/1/environ"), "\x00") {
			if value, ok := strings.CutPrefix(v, "container="); ok {
				kind = value
			}
		}
	}
	if kind == "wsl" { // which is a virtual machine, whose root has all rights
		return ""
	}
	if kind != "" && !containerKind.MatchString(kind) {
		return "unnamed"
	}
	if kind != "" {
		return kind
	}
	groups := text(root, "proc/1/cgroup")
	for _, m := range cgroupMarks {
		if strings.Contains(groups, m.part) {
			return m.kind
		}
	}
	return ""
}

// WSL returns the version of the Windows Subsystem for Linux by a kernel's release, or 0.
// The first one has no kernel of its own, and no namespaces.
func WSL(release string) int {
	switch lower := strings.ToLower(release); {
	case !strings.Contains(lower, "microsoft"):
		return 0
	case strings.Contains(lower, "wsl2") || !strings.HasPrefix(lower, "4.4."): // kernels of one's own keep "microsoft"
		return 2
	}
	return 1
}

// Booted reports whether systemd runs the host (sd_booted(3)).
func Booted(root fs.FS) bool { return exists(root, "run/systemd/system") }

// Bounding returns the capabilities that process 1 of a host, or of a container, and all
// its children can have at most, as the bits of capabilities(7). ok is false if they
// cannot be told.
func Bounding(root fs.FS) (bits uint64, ok bool) {
	for line := range strings.Lines(text(root, "proc/1/status")) {
		if value, found := strings.CutPrefix(line, "CapBnd:"); found {
			bits, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			return bits, err == nil
		}
	}
	return 0, false
}
