package hostinfo

import (
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// A Cgroup is what the control groups of this process allow: the least of its own and of
// those above it, as far as they can be seen.
type Cgroup struct {
	Version        int    // 1, 2, or 0 where there is none
	Path           string // within the hierarchy that limits memory
	Memory         int64  // bytes, or Unlimited
	Pids, PidsUsed int64  // processes and threads; PidsUsed is of the group with the least left
}

// ReadCgroup reads the limits below a host's root folder, see cgroups(7).
func ReadCgroup(root fs.FS) Cgroup {
	c := Cgroup{Memory: Unlimited, Pids: Unlimited}
	for line := range strings.Lines(text(root, "proc/self/cgroup")) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, group, ok := strings.Cut(rest, ":")
		if !ok || !strings.HasPrefix(group, "/") {
			continue
		}
		switch {
		case controllers == "":
			if exists(root, "sys/fs/cgroup/cgroup.controllers") { // else it limits nothing
				c.Version, c.Path = 2, group
				c.take(root, "sys/fs/cgroup", group, "memory.max", "pids.max")
			}
		case slices.Contains(strings.Split(controllers, ","), "memory"):
			c.Version, c.Path = 1, group
			c.take(root, "sys/fs/cgroup/memory", group, "memory.limit_in_bytes", "")
		case slices.Contains(strings.Split(controllers, ","), "pids"):
			c.Version = 1
			c.take(root, "sys/fs/cgroup/pids", group, "", "pids.max")
		}
	}
	return c
}

// take looks at a group and all above it. In a container the root of what is mounted is
// the container's own group, whatever the path says.
func (c *Cgroup) take(root fs.FS, mount, group, memory, pids string) {
	for at := path.Clean(group); ; at = path.Dir(at) {
		dir := path.Join(mount, at)
		if n, ok := number(root, path.Join(dir, memory)); memory != "" && ok {
			c.Memory = min(c.Memory, n)
		}
		if n, ok := number(root, path.Join(dir, pids)); pids != "" && ok {
			used, _ := number(root, path.Join(dir, "pids.current"))
			if c.Pids == Unlimited || n-used < c.Pids-c.PidsUsed {
				c.Pids, c.PidsUsed = n, used
			}
		}
		if at == "/" {
			return
		}
	}
}

// noLimit is where limits of version 1 begin that are none: the largest multiple of the
// page size is their default.
const noLimit = 1 << 60

// number reads a limit; ok is false if there is none.
func number(root fs.FS, name string) (n int64, ok bool) {
	n, err := strconv.ParseInt(text(root, name), 10, 64)
	return n, err == nil && n < noLimit
}
