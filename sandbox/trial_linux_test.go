package sandbox

import (
	"os"
	"strings"
	"testing"
)

// A folder that a store can be in passes, and nothing is left in it; others do not.
func TestTryFolder(t *testing.T) {
	dir := t.TempDir()
	if err := TryFolder(dir, false); err != nil {
		t.Errorf("TryFolder = %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("TryFolder left %v, %v", left, err)
	}
	if err := TryFolder("/proc", false); err == nil {
		t.Error("TryFolder found that a store can be in /proc")
	}
	if f := Try(dir+"/none", true).Folder; f == nil || !strings.Contains(f.Message, "no such file") {
		t.Errorf("Try of no folder = %+v", f)
	}
}
