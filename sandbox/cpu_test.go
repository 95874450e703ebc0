package sandbox

import (
	"os"
	"testing"
	"testing/fstest"
	"time"
)

// All processes count, the children that they waited for, too, but not process 1 itself,
// and not what is no process. A name may have brackets and spaces.
func TestCPUTime(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	got, err := cpuTime(fstest.MapFS{
		"1/stat":       file("1 (nixsd) S 0 1 1 0 -1 4194560 100 0 0 0 5000 5000 7 3 20 0 1 0 10 0 0\n"),
		"12/stat":      file("12 (a) ) b) R 1 12 12 0 -1 4194560 100 0 0 0 100 20 30 4 20 0 1 0 10 0 0\n"),
		"13/stat":      file("13 (cut) R 1"),
		"14/cmdline":   file("ended"),
		"self/stat":    file("12 (a) R 1 12 12 0 -1 4194560 100 0 0 0 100 20 30 4 20 0 1 0 10 0 0\n"),
		"stat/of/more": file(""),
	})
	if want := 164 * tick; err != nil || got != want {
		t.Errorf("cpuTime = %v, %v; want %v", got, err, want)
	}
	if _, err := cpuTime(os.DirFS("/nonexistent")); err == nil {
		t.Error("cpuTime without a /proc succeeded")
	}
}

// What this process uses is seen.
func TestCPUTimeGrows(t *testing.T) {
	before, err := cpuTime(os.DirFS("/proc"))
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
	}
	if after, err := cpuTime(os.DirFS("/proc")); err != nil || after-before < 50*time.Millisecond {
		t.Errorf("300 ms of work are %v, %v", after-before, err)
	}
}

func FuzzStatTimes(f *testing.F) {
	f.Add([]byte("12 (a) ) b) R 1 12 12 0 -1 4194560 100 0 0 0 100 20 30 4 20 0 1 0 10 0 0\n"))
	f.Add([]byte(")"))
	f.Fuzz(func(t *testing.T, stat []byte) { statTimes(stat) })
}
