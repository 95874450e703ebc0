// Package hostinfo asks the kernel for what a forecast and a diagnosis need: its
// release, memory and free disk space, the limits that hold for this process, and what
// kind of host it is.
package hostinfo

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"strconv"
	"strings"
)

// A Disk is a file system: bytes, and inodes where it counts them.
type Disk struct {
	Size, Free        int64
	AllInodes, Inodes int64 // Inodes are free
}

// Memory returns the host's memory and how much of it programs can still get, in
// bytes.
func Memory() (total, available int64, err error) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	return parseMeminfo(f)
}

// FreeSwap returns how much of a host's swap is free, in bytes.
func FreeSwap(root fs.FS) int64 {
	for line := range strings.Lines(text(root, "proc/meminfo")) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "SwapFree:" {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return max(0, min(n, math.MaxInt64>>10)) << 10
		}
	}
	return 0
}

// parseMeminfo reads /proc/meminfo (proc_meminfo(5)), whose numbers are in KiB.
func parseMeminfo(r io.Reader) (total, available int64, err error) {
	scan := bufio.NewScanner(io.LimitReader(r, 64<<10))
	for scan.Scan() {
		fields := strings.Fields(scan.Text())
		if len(fields) < 2 {
			continue
		}
		n, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64>>10 {
			continue
		}
		switch fields[0] {
		case "MemTotal:":
			total = n << 10
		case "MemAvailable:":
			available = n << 10
		}
	}
	if total == 0 || available == 0 {
		return 0, 0, errors.New("/proc/meminfo does not tell the memory")
	}
	return total, available, nil
}
