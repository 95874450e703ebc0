package hostinfo

import (
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// A Mount is a line of the table of mounts.
type Mount struct {
	Target, Type string
	Options      []string // of the mount and of its file system
}

// Has reports whether an option is set.
func (m Mount) Has(option string) bool { return slices.Contains(m.Options, option) }

// MountOf finds what an absolute path without links lies on, in the table of mounts below
// a host's root folder (proc_pid_mountinfo(5)). The last one over a folder is the one
// that is seen. It is zero if there is no such table.
func MountOf(root fs.FS, file string) Mount {
	var found Mount
	for line := range strings.Lines(text(root, "proc/self/mountinfo")) {
		m, ok := parseMount(line)
		if ok && within(file, m.Target) && len(m.Target) >= len(found.Target) {
			found = m
		}
	}
	return found
}

// parseMount reads a line: id, parent, device, root, target, options, tags, "-", type,
// source, options.
func parseMount(line string) (m Mount, ok bool) {
	f := strings.Fields(line)
	dash := slices.Index(f, "-")
	if dash < 6 || len(f) < dash+4 {
		return m, false
	}
	return Mount{
		Target: unescape(f[4]), Type: f[dash+1],
		Options: append(strings.Split(f[5], ","), strings.Split(f[dash+3], ",")...),
	}, true
}

func within(file, dir string) bool {
	return file == dir || dir == "/" || strings.HasPrefix(file, dir+"/")
}

// unescape undoes the kernel's octal form of blanks and backslashes.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
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
