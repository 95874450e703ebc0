package hostinfo

import (
	"strings"
	"testing"
)

// Memory that is told is there.
func FuzzParseMeminfo(f *testing.F) {
	f.Add("MemTotal:       24668920 kB\nMemFree:        20000000 kB\nMemAvailable:   23000000 kB\n")
	f.Add("MemTotal: 9223372036854775807 kB\nMemAvailable: -1 kB\n")
	f.Fuzz(func(t *testing.T, text string) {
		total, available, err := parseMeminfo(strings.NewReader(text))
		if err == nil && (total <= 0 || available <= 0) {
			t.Errorf("parseMeminfo(%q) = %d, %d", text, total, available)
		}
	})
}
