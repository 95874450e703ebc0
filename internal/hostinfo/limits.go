package hostinfo

import (
	"errors"
	"io/fs"
	"math"
	"strconv"
	"strings"
)

// Unlimited is the value of a limit that does not limit.
const Unlimited = math.MaxInt64

// Limits are the hard resource limits of this process by their names in /proc (proc(5)),
// such as "Max open files".
type Limits map[string]int64

// ReadLimits reads them below a host's root folder.
func ReadLimits(root fs.FS) (Limits, error) {
	all := Limits{}
	for line := range strings.Lines(text(root, "proc/self/limits")) {
		f := strings.Fields(line)
		at := 0 // of the soft limit, which ends the name
		for i, word := range f {
			if _, err := strconv.ParseInt(word, 10, 64); err == nil || word == "unlimited" {
				at = i
				break
			}
		}
		if at == 0 || at+1 >= len(f) {
			continue
		}
		n, err := strconv.ParseInt(f[at+1], 10, 64)
		if err != nil {
			n = Unlimited
		}
		all[strings.Join(f[:at], " ")] = n
	}
	if len(all) == 0 {
		return nil, errors.New("/proc/self/limits does not tell the limits")
	}
	return all, nil
}
