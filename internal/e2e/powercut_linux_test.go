package e2e

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"nixsd-native/internal/testenv"
	"nixsd-native/nix"
)

// shutdownIoctl makes a file system forget what is not on disk, as a power cut does:
// EXT4_IOC_SHUTDOWN, which is XFS_IOC_GOINGDOWN (fs/ext4/ext4.h, fs/xfs/xfs_fs.h), with
// the flag that writes not even the journal (EXT4_GOING_FLAGS_NOLOGFLUSH).
const (
	shutdownIoctl = 0x8004587d
	noLogFlush    = 2
)

// A disk is a file system in a file, with everything that a caller's runs use.
type disk struct {
	kind, file, dir string
	caller
	places
}

// diskSize is what the demo fits in, twice, in bytes. The file has holes.
const diskSize = 4 << 30

// mountOptions make the harm of a missing fsync as large as it can be: no write-back by
// ext4 on rename, and a journal that is written when it must be, or nearly never.
var mountOptions = map[string]string{"ext4": "noauto_da_alloc,commit=300", "xfs": ""}

// newDisk makes a file system of a kind for a caller.
func newDisk(t *testing.T, c caller, kind, name string) *disk {
	t.Helper()
	d := &disk{kind: kind, file: filepath.Join(lab(), name+"."+kind), dir: filepath.Join(lab(), name+"-"+kind)}
	mkfs := testenv.NeedProgram(t, "mkfs."+kind)
	if err := os.WriteFile(d.file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(d.file, diskSize); err != nil {
		t.Fatal(err)
	}
	force := map[string]string{"ext4": "-F", "xfs": "-f"}[kind]
	output(t, mkfs, "-q", force, d.file)
	if err := os.Mkdir(d.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.unmount(t); os.Remove(d.file); os.Remove(d.dir) })
	d.mount(t)
	d.caller = caller{c.uid, filepath.Join(d.dir, "home")}
	d.places = d.caller.places("cut")
	d.folder(t, ".")
	return d
}

func (d *disk) mount(t *testing.T) {
	t.Helper()
	options := strings.Trim("loop,"+mountOptions[d.kind], ",")
	output(t, testenv.NeedProgram(t, "mount"), "-t", d.kind, "-o", options, d.file, d.dir)
}

// unmount waits for processes that are about to end, and until the kernel has let go of the
// disk: a mount namespace that outlives its processes for a moment holds it, and who mounts
// it then gets the file system that was cut off.
func (d *disk) unmount(t *testing.T) {
	t.Helper()
	var err error
	for range 200 {
		err = unix.Unmount(d.dir, 0)
		if (err == nil || err == unix.EINVAL) && !d.attached() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("unmount %s: %v; attached: %v", d.dir, err, d.attached())
}

// attached reports whether a loop device has the disk's file.
func (d *disk) attached() bool {
	return slices.ContainsFunc(testenv.Loops(), func(loop string) bool { return strings.HasSuffix(loop, ": "+d.file) })
}

// save keeps the disk as it is; restore makes it that again.
func (d *disk) save(t *testing.T) (restore func()) {
	t.Helper()
	d.unmount(t)
	saved := d.file + ".saved"
	t.Cleanup(func() { os.Remove(saved) })
	copySparse := func(from, to string) {
		output(t, testenv.NeedProgram(t, "cp"), "--sparse=always", from, to)
	}
	copySparse(d.file, saved)
	d.mount(t)
	return func() {
		d.unmount(t)
		copySparse(saved, d.file)
		d.mount(t)
	}
}

// cut is the power cut: nothing reaches the disk from now on, and what has not is lost.
func (d *disk) cut(t *testing.T) {
	t.Helper()
	f, err := os.Open(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	flag := uint32(noLogFlush)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), shutdownIoctl, uintptr(unsafe.Pointer(&flag)))
	testenv.Need(t, d.kind+" that can be shut down", errnoError(errno))
}

func errnoError(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

// cutDuring runs a job and cuts the power when wait returns, or when the job ends.
func (d *disk) cutDuring(t *testing.T, j job, wait func(p *process)) {
	t.Helper()
	syscall.Sync() // what this test wrote
	p := start(t, j)
	wait(p)
	d.cut(t)
	for _, child := range append(descendants(p.cmd.Process.Pid), proc{pid: p.cmd.Process.Pid}) {
		syscall.Kill(child.pid, syscall.SIGKILL)
	}
	p.wait()
	d.unmount(t)
	d.mount(t)
}

// within waits for a random part of a time.
func within(longest time.Duration) func(*process) {
	return func(*process) { time.Sleep(rand.N(longest)) }
}

// cacheMustBeWhole fails unless each file of a cache that is named after its hash has it.
func (d *disk) cacheMustBeWhole(t *testing.T) (files int) {
	t.Helper()
	entries, _ := os.ReadDir(d.cache) // it may be gone
	for _, e := range entries {
		name := filepath.Join(d.cache, e.Name())
		if len(e.Name()) > 64 && e.Type().IsRegular() {
			files++
			if got := testenv.SHA256(t, name); got != e.Name()[:64] {
				t.Errorf("%s has the sha256 %s", name, got)
			}
		}
	}
	return files
}

// storeMustBeWhole asks Nix.
func (d *disk) storeMustBeWhole(t *testing.T) {
	t.Helper()
	r := run(t, job{as: d.caller, args: d.with("shell", "--demo", "--offline", "-q", "--", "nix-store", "--verify", "--check-contents")})
	if r.status != 0 || strings.Contains(r.errs, "was modified") || strings.Contains(r.errs, "disappeared") {
		t.Errorf("nix-store --verify = %d\n%s", r.status, r.errs)
	}
}

// fetchCut is a power cut while inputs are downloaded and the lock is written.
func (d *disk) fetchCut(t *testing.T, s *shelf) {
	t.Helper()
	j := job{as: d.caller, dir: d.folder(t, "fetch"), args: s.fetch(places{d.state + "-fetch", d.cache})}
	d.cutDuring(t, j, within(700*time.Millisecond))
	d.cacheMustBeWhole(t)
	j.dir = d.folder(t, "fetch")
	if _, err := os.Stat(filepath.Join(j.dir, nix.LockName)); err == nil {
		lockIn(t, j.dir)
	}
	must(t, j)
	if got := d.cacheMustBeWhole(t); got != len(s.files) {
		t.Errorf("the next fetch left %d files; want %d", got, len(s.files))
	}
	lockIn(t, j.dir)
}

// installCut is a power cut while Nix is installed in an empty store.
func (d *disk) installCut(t *testing.T) {
	t.Helper()
	d.cutDuring(t, job{as: d.caller, args: d.with("shell", "--demo", "--offline", "-q", "--", "true")}, within(4*time.Second))
	d.storeMustBeWhole(t)
}

// buildCut is a power cut while an image is built and delivered in place of another.
func (d *disk) buildCut(t *testing.T, config string, sums []string, wait func(*process)) {
	t.Helper()
	j := job{as: d.caller, isolated: true, args: buildArgs(t, d.caller, d.places, "out", "--offline", config)}
	d.cutDuring(t, j, wait)
	image := filepath.Join(d.home, "out", imageName)
	if got := testenv.SHA256(t, image); !slices.Contains(sums, got) {
		t.Errorf("the image's sha256 is %s; want one of %q", got, sums)
	}
	line, err := os.ReadFile(image + ".sha256")
	if sum, _, _ := strings.Cut(string(line), " "); err != nil || !slices.Contains(sums, sum) {
		t.Errorf("the checksum is %q, %v", line, err)
	}
	if m := manifestIn(t, filepath.Join(d.home, "out")); !slices.Contains(sums, m.SHA256) {
		t.Errorf("the manifest is of %q", m.SHA256)
	}
	must(t, j)
	if got := testenv.SHA256(t, image); got != sums[1] {
		t.Errorf("the next build made an image with the sha256 %s; want %s", got, sums[1])
	}
	checkFiles(t, filepath.Join(d.home, "out"), d.uid)
	d.storeMustBeWhole(t)
}

// A power cut at any moment loses nothing that was there, and leaves nothing half that
// the next run would take for whole.
func TestPowerCut(t *testing.T) {
	testenv.NeedRoot(t)
	check := mustStay(t)
	p, _ := builds(t)
	for _, kind := range []string{"ext4", "xfs"} {
		t.Run("fetch on "+kind, func(t *testing.T) {
			d := newDisk(t, user(), kind, "cut-fetch")
			s := newShelf(t, 2<<20)
			s.chunk = func(string) error { time.Sleep(5 * time.Millisecond); return nil }
			restore := d.save(t)
			for range testenv.Times(1, 20) {
				d.fetchCut(t, s)
				restore()
			}
		})
		t.Run("install on "+kind, func(t *testing.T) {
			if kind == "xfs" {
				testenv.OnDemand(t, "long")
			}
			d := newDisk(t, user(), kind, "cut-install")
			d.cache = p.cache
			restore := d.save(t)
			for range testenv.Times(1, 10) {
				d.installCut(t)
				restore()
			}
		})
		t.Run("build on "+kind, func(t *testing.T) { buildCuts(t, kind, p) })
	}
	check(t)
}

// buildCuts cuts builds over an image and a store of an earlier one.
func buildCuts(t *testing.T, kind string, p places) {
	testenv.OnDemand(t, "long")
	d := newDisk(t, user(), kind, "cut-build")
	d.cache = p.cache
	output(t, testenv.NeedProgram(t, "cp"), "--archive", p.state, d.state)
	output(t, "cp", "--archive", filepath.Join(user().home, "first"), filepath.Join(d.home, "out"))
	config := d.write(t, "config/sd-card.nix", hostNamed(t, "after-the-cut"))
	restore := d.save(t)
	out := filepath.Join(d.home, "out", imageName)
	sums := []string{testenv.SHA256(t, out), ""}
	built := must(t, job{as: d.caller, isolated: true, args: buildArgs(t, d.caller, d.places, "out", "--offline", config)})
	sums[1] = testenv.SHA256(t, out)
	moments := []func(*process){func(p *process) { p.await("the image is built", building(imageName)) }}
	for range testenv.Times(0, 9) {
		moments = append(moments, within(built.took))
	}
	for _, wait := range moments {
		restore()
		d.buildCut(t, config, sums, wait)
	}
}
