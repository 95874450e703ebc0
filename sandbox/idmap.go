package sandbox

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// RangeSize is the number of ids in a full range: what programs that know 16-bit
// ids can use, and what /etc/subuid hands out.
const RangeSize = 65536

// A Range is a run of host ids, used alike for users and groups.
type Range struct{ First, Count uint32 }

func (r Range) overlaps(o Range) bool {
	return uint64(r.First) < uint64(o.First)+uint64(o.Count) && uint64(o.First) < uint64(r.First)+uint64(r.Count)
}

// Bounds of the ids to choose from. systemd.io/UIDS-GIDS: ordinary users end at
// 60000, containers have 524288–1879048191, 2147483648 and above is unsafe.
const (
	lowestID  = 65536
	lowEnd    = 524288
	highStart = 1879048192
	highEnd   = 2147418112
)

// ChooseRange picks RangeSize+1 host ids that nothing in taken uses: one for the
// worker, then the sandbox's RangeSize. It starts at the high end of the ids below
// systemd's container range, as useradd hands out subordinate ids from the low end.
func ChooseRange(taken []Range) (Range, error) {
	for _, zone := range [][2]uint32{{lowestID, lowEnd}, {highStart, highEnd}} {
		for end := zone[1]; end >= zone[0]+RangeSize+1; end -= RangeSize {
			r := Range{end - RangeSize - 1, RangeSize + 1}
			if free(r, taken) {
				return r, nil
			}
		}
	}
	return Range{}, fmt.Errorf("no %d free user ids on this host", RangeSize+1)
}

func free(r Range, taken []Range) bool {
	for _, t := range taken {
		if r.overlaps(t) {
			return false
		}
	}
	return true
}

// Bounds on the host's id files: lines and bytes a line.
const (
	maxIDLines = 1 << 16
	maxIDLine  = 4096
)

// A SubID is a line of /etc/subuid or /etc/subgid: a user, by name or number, and
// the host ids that are at the user's disposal (subuid(5)).
type SubID struct {
	User string
	Range
}

// ParseSubIDs reads /etc/subuid or /etc/subgid. Lines that are no entries are left
// out, as newuidmap does.
func ParseSubIDs(r io.Reader) []SubID {
	var all []SubID
	eachLine(r, func(fields []string) {
		if len(fields) != 3 || fields[0] == "" {
			return
		}
		first, err1 := strconv.ParseUint(fields[1], 10, 32)
		count, err2 := strconv.ParseUint(fields[2], 10, 32)
		if err1 == nil && err2 == nil && count > 0 {
			all = append(all, SubID{fields[0], Range{uint32(first), uint32(count)}})
		}
	})
	return all
}

// ParseIDs reads the ids in the third field of /etc/passwd or /etc/group.
func ParseIDs(r io.Reader) []Range {
	var all []Range
	eachLine(r, func(fields []string) {
		if len(fields) < 3 {
			return
		}
		if id, err := strconv.ParseUint(fields[2], 10, 32); err == nil {
			all = append(all, Range{uint32(id), 1})
		}
	})
	return all
}

func eachLine(r io.Reader, visit func(fields []string)) {
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, maxIDLine)
	for n := 0; n < maxIDLines && scan.Scan(); n++ {
		if line := strings.TrimSpace(scan.Text()); line != "" && !strings.HasPrefix(line, "#") {
			visit(strings.Split(line, ":"))
		}
	}
}

// Subordinate returns the user's first run of at least RangeSize-1 subordinate ids;
// with the user's own id as 0 they make a full range. ok is false if there is none.
func Subordinate(ids []SubID, name string, uid int) (r Range, ok bool) {
	for _, id := range ids {
		if (id.User == name || id.User == strconv.Itoa(uid)) && id.Count >= RangeSize-1 {
			return Range{id.First, RangeSize - 1}, true
		}
	}
	return Range{}, false
}
