package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// memoryVariable names the test that runs in a process of its own to be measured.
const memoryVariable = "NIXSD_TEST_MEMORY_OF"

// Memory runs f in a process of its own, which is the test t again, and returns the most
// memory that the process had, in bytes. An error of f fails the test.
func Memory(t *testing.T, f func() error) int64 {
	t.Helper()
	if os.Getenv(memoryVariable) == t.Name() {
		if err := f(); err != nil {
			t.Fatal(err)
		}
		status, _ := os.ReadFile("/proc/self/status")
		fmt.Printf("%s\n", status)
		t.SkipNow() // it is for the other process to go on
	}
	pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(t.Name()), "/", "$/^") + "$"
	cmd := exec.Command("/proc/self/exe", "-test.run="+pattern)
	cmd.Env = append(os.Environ(), memoryVariable+"="+t.Name())
	out, err := cmd.CombinedOutput()
	_, rest, ok := strings.Cut(string(out), "\nVmHWM:") // proc_pid_status(5)
	if err != nil || !ok {
		t.Fatalf("%v\n%s", err, out)
	}
	var kilobytes int64
	if _, err := fmt.Sscan(rest, &kilobytes); err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}
