package vmtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"nixsd-native/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(runAll(m)) }

func runAll(m *testing.M) int {
	status := m.Run()
	if err := testenv.RemoveLab(lab()); err != nil {
		fmt.Fprintf(os.Stderr, "remove the lab: %v\n", err)
		status = 1
	}
	return status
}

// lab is the folder of this run, which all users can reach.
var lab = sync.OnceValue(func() string {
	dir, err := testenv.NewLab("nixsd-vm")
	if err != nil {
		panic(err)
	}
	return dir
})

// A fixture is made once for each key and then shared by tests, which all fail if it
// could not be made.
type fixture[T any] struct {
	mu   sync.Mutex
	made map[string]T
	bad  map[string]bool
}

func (f *fixture[T]) get(t *testing.T, key string, make_ func() T) T {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.bad[key] {
		t.Fatalf("%s could not be made; see the first failure", key)
	}
	if v, ok := f.made[key]; ok {
		return v
	}
	if f.made == nil {
		f.made, f.bad = map[string]T{}, map[string]bool{}
	}
	f.bad[key] = true // unless make_ returns
	v := make_()
	f.made[key], f.bad[key] = v, false
	return v
}

var programs fixture[string]

// program builds one of this module's programs for an architecture, statically.
func program(t *testing.T, pkg, arch string) string {
	t.Helper()
	return programs.get(t, pkg+" for "+arch, func() string {
		path := filepath.Join(lab(), filepath.Base(pkg)+"-"+arch)
		cmd := exec.Command("go", "build", "-o", path, pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+arch)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go build %s: %v\n%s", pkg, err, out)
		}
		return path
	})
}

// tool is output of a command of this machine.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(testenv.NeedProgram(t, name), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}
