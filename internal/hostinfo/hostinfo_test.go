package hostinfo

import (
	"strings"
	"testing"
)

func TestParseMeminfo(t *testing.T) {
	total, available, err := parseMeminfo(strings.NewReader("MemTotal:       24668920 kB\nMemFree:        20000000 kB\nMemAvailable:   23000000 kB\nHugePages_Total:       0\n"))
	if err != nil || total != 24668920<<10 || available != 23000000<<10 {
		t.Errorf("parseMeminfo = %d, %d, %v", total, available, err)
	}
	for _, text := range []string{"", "MemTotal: x kB\n", "MemTotal: 5 kB\n"} {
		if _, _, err := parseMeminfo(strings.NewReader(text)); err == nil {
			t.Errorf("parseMeminfo(%q) succeeded", text)
		}
	}
}

func TestThisHost(t *testing.T) {
	if total, available, err := Memory(); err != nil || available > total {
		t.Errorf("Memory = %d, %d, %v", total, available, err)
	}
	if d, err := DiskOf(t.TempDir()); err != nil || d.Free < 0 || d.Free > d.Size || d.Inodes > d.AllInodes {
		t.Errorf("DiskOf = %+v, %v", d, err)
	}
	if _, err := DiskOf("/nonexistent"); err == nil {
		t.Error("DiskOf a missing folder succeeded")
	}
	if KernelRelease() == "" {
		t.Error("KernelRelease is empty")
	}
}
