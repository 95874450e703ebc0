package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"nixsd-native/internal/testenv"
)

// smallRoom is how much more the disk that is filled has than the store takes, in bytes.
const smallRoom = 700 << 20

// A builder that fills the disk, at once or bit by bit, is stopped before others have
// nothing left, and what it wrote is gone.
func TestFillDisk(t *testing.T) {
	check := mustStay(t)
	t.Cleanup(func() { check(t) }) // when the disk is gone
	p := rootBuild(t)
	small := places{filepath.Join(mountSmallDisk(t, diskUsage(t, p.state)+smallRoom), "state"), p.cache}
	if out, err := exec.Command("cp", "--archive", p.state, small.state).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v: %s", err, out)
	}
	path := addProbe(t, job{as: root()}, small, runtime.GOARCH)
	before := freeOn(t, small.state)
	for _, how := range []string{"reserved", "inodes", "bytes"}[:testenv.Times(1, 3)] {
		r := run(t, job{as: root(), args: probeArgs(small, path, "fill", how)})
		if r.status != exitOutput || !strings.Contains(r.errs, "\nerror: stopped, as the disk of "+small.state+" is almost full") || !strings.Contains(r.errs, "\nhint: ") {
			t.Errorf("%s: status %d; want %d, the reason and a hint:\n%s", how, r.status, exitOutput, r.errs)
		}
		if r.took > patience/2 {
			t.Errorf("%s: it took %v", how, r.took)
		}
		after := freeOn(t, small.state)
		t.Logf("%s: stopped after %v; free before and after: %d, %d MiB; %d, %d inodes", how, r.took, before.bytes>>20, after.bytes>>20, before.inodes, after.inodes)
		if after.bytes < before.bytes-8<<20 || after.inodes < before.inodes-100 {
			t.Errorf("%s: %+v are free afterwards; before it were %+v", how, after, before)
		}
		must(t, job{as: root(), args: small.with("shell", "--demo", "-q", "--offline", "--", "nix-store", "--verify-path", path)})
	}
}

// diskUsage is what a folder takes on disk, in bytes.
func diskUsage(t *testing.T, dir string) int64 {
	t.Helper()
	kib, _, _ := strings.Cut(output(t, "du", "-sk", dir), "\t")
	n, err := strconv.ParseInt(kib, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n << 10
}

// mountSmallDisk mounts an empty disk of so many bytes until the test ends, and returns
// where.
func mountSmallDisk(t *testing.T, size int64) string {
	t.Helper()
	image, dir := filepath.Join(lab(), "small.img"), filepath.Join(lab(), "small")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(image) })
	if err := os.Truncate(image, size); err != nil {
		t.Fatal(err)
	}
	output(t, testenv.NeedProgram(t, "mkfs.ext4"), "-q", "-m", "0", image)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(testenv.NeedProgram(t, "mount"), "-o", "loop", image, dir).CombinedOutput()
	if err != nil {
		testenv.Need(t, "loop devices", err)
		t.Fatalf("mount: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
		os.Remove(dir)
	})
	return dir
}

type free struct{ bytes, inodes int64 }

func freeOn(t *testing.T, dir string) free {
	t.Helper()
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	return free{int64(st.Bavail) * st.Bsize, int64(st.Ffree)}
}
