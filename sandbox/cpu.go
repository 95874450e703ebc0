package sandbox

import (
	"bytes"
	"io/fs"
	"strconv"
	"time"
)

// tick is the unit of times in /proc/PID/stat: USER_HZ is 100 on every architecture that
// Linux has today (proc_pid_stat(5)).
const tick = 10 * time.Millisecond

// cpuTime adds up the processor time that all processes of a /proc have used, with their
// ended children, but for what process 1 itself used: that is who asks.
func cpuTime(proc fs.FS) (total time.Duration, err error) {
	entries, err := fs.ReadDir(proc, ".")
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && pid > 0 {
			stat, err := fs.ReadFile(proc, e.Name()+"/stat")
			if err != nil {
				continue // it has ended
			}
			own, children := statTimes(stat)
			total += children
			if pid != 1 {
				total += own
			}
		}
	}
	return total, nil
}

// Fields of /proc/PID/stat after the name, which stands in brackets.
const (
	statUser         = 11
	statSystem       = 12
	statChildrenUser = 13
	statChildrenSys  = 14
)

// statTimes reads what a process and its ended children used.
func statTimes(stat []byte) (own, children time.Duration) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) <= statChildrenSys {
		return 0, 0
	}
	ticks := func(i int) time.Duration {
		n, _ := strconv.ParseInt(string(fields[i]), 10, 64)
		return time.Duration(n) * tick
	}
	return ticks(statUser) + ticks(statSystem), ticks(statChildrenUser) + ticks(statChildrenSys)
}
