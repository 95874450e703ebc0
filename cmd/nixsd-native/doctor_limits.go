package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"nixsd-native/internal/hostinfo"
	"nixsd-native/sandbox"
)

// A need is how much of a limited resource a build takes: below least the demo was seen
// to fail, below good larger builds do.
type need struct {
	limit       string // in /proc/self/limits
	resource    string // for prlimit(1)
	what, any   string // with a number, and without a limit
	least, good int64
}

var limitNeeds = []need{
	{"Max open files", "nofile", "open files", "any number of open files", sandbox.LeastFiles, 4096},
	{"Max processes", "nproc", "processes", "any number of processes", 32, 1024},
	{"Max file size", "fsize", "bytes of a file", "files of any size", 180 << 20, 16 << 30},
	{"Max address space", "as", "bytes of address space", "any amount of address space", 1 << 30, 64 << 30},
}

func (d *doctor) limits(context.Context) []finding {
	all, err := hostinfo.ReadLimits(d.root)
	if err != nil {
		return warning(err)
	}
	return judgeLimits(all)
}

// judgeLimits looks at hard limits: soft ones are raised where a build starts.
func judgeLimits(all hostinfo.Limits) []finding {
	var low []finding
	var fine []string
	for _, n := range limitNeeds {
		has, known := all[n.limit]
		switch text := "at most " + n.amount(has); {
		case !known:
		case has < n.least:
			low = append(low, problem(fmt.Errorf("%s, and a build needs %s", text, n.amount(n.least)), n.fix())...)
		case has < n.good:
			low = append(low, warning(fmt.Errorf("%s, which may be too few for a large build", text), n.fix())...)
		default:
			fine = append(fine, n.amount(has))
		}
	}
	if low != nil {
		return low
	}
	return ok("allowed: %s", strings.Join(fine, ", "))
}

// amount words a number, of bytes as such.
func (n need) amount(of int64) string {
	kind, bytes := strings.CutPrefix(n.what, "bytes of ")
	switch {
	case of == hostinfo.Unlimited:
		return n.any
	case bytes:
		return size(of) + " of " + kind
	}
	return fmt.Sprintf("%d %s", of, n.what)
}

func (n need) fix() string { return fmt.Sprintf("sudo prlimit --pid $$ --%s=%d", n.resource, n.good) }

// What builds need of a control group; see need.
const (
	leastMemory = 64 << 20 // bytes
	leastTasks  = 16
	goodTasks   = 512
)

func (d *doctor) controlGroup(context.Context) []finding {
	return judgeCgroup(hostinfo.ReadCgroup(d.root))
}

func judgeCgroup(c hostinfo.Cgroup) []finding {
	if c.Version == 0 {
		return ok("none is in force")
	}
	var low []finding
	where := fmt.Sprintf("control group %s (version %d)", c.Path, c.Version)
	const fixMemory = "raise it: systemctl set-property --runtime UNIT MemoryMax=4G, or docker run --memory 4g …"
	const fixTasks = "raise it: systemctl set-property --runtime UNIT TasksMax=4096, or docker run --pids-limit 4096 …"
	switch {
	case c.Memory < leastMemory:
		low = append(low, problem(fmt.Errorf("%s allows %s of memory, too little even for the demo", where, size(c.Memory)), fixMemory)...)
	case c.Memory < needRAM:
		low = append(low, warning(fmt.Errorf("%s allows %s of memory: builders may be killed", where, size(c.Memory)), fixMemory)...)
	}
	switch left := c.Pids - c.PidsUsed; {
	case c.Pids == hostinfo.Unlimited:
	case left < leastTasks:
		low = append(low, problem(fmt.Errorf("%s allows %d processes, %d of them in use", where, c.Pids, c.PidsUsed), fixTasks)...)
	case left < goodTasks:
		low = append(low, warning(fmt.Errorf("%s allows %d processes, %d of them in use", where, c.Pids, c.PidsUsed), fixTasks)...)
	}
	if low != nil {
		return low
	}
	return ok("%s limits nothing that matters", where)
}

// needRAM is the memory below which builders get killed, in bytes; measured with some room.
const needRAM = 1 << 30

func (d *doctor) memory(context.Context) []finding {
	total, available, err := hostinfo.Memory()
	if err != nil {
		return warning(err)
	}
	return judgeMemory(total, available, hostinfo.FreeSwap(d.root))
}

func judgeMemory(total, available, swap int64) []finding {
	text := fmt.Sprintf("%s of %s available, and %s of swap", size(available), size(total), size(swap))
	if available+swap < needRAM {
		return warning(errors.New(text+": builders may be killed"),
			"sudo fallocate -l 4G /swapfile && sudo chmod 600 /swapfile && sudo mkswap /swapfile && sudo swapon /swapfile",
			"or build one thing at a time: nixsd-native build --max-jobs 1 --cores 1")
	}
	return ok("%s", text)
}
