package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"nixsd-native/internal/testenv"
)

// A limit is a way in which a folder takes no more.
type limit struct {
	name string
	says string // what the C library calls it
	// dir makes a folder that takes size bytes; grow makes it take all that is needed.
	dir func(t *testing.T, path string, size string) (grow func())
}

var limits = []limit{
	{"full disk", "no space left on device", fullDisk},
	{"quota", "disk quota exceeded", quota},
}

// fullDisk mounts a file system of its own (ENOSPC).
func fullDisk(t *testing.T, dir, size string) (grow func()) {
	t.Helper()
	owned := fmt.Sprintf("mode=755,uid=%d,gid=%d,size=", user().uid, user().uid)
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, owned+size); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return func() {
		if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, owned+"4g"); err != nil {
			t.Fatal(err)
		}
	}
}

// quota mounts a file system with a quota (EDQUOT), of the kind that all kernels have
// which have its file system at all: of a group of btrfs, not of a user.
func quota(t *testing.T, dir, size string) (grow func()) {
	t.Helper()
	btrfs, file := testenv.NeedProgram(t, "btrfs"), filepath.Join(lab(), "quota.btrfs")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(file) })
	if err := os.Truncate(file, diskSize); err != nil {
		t.Fatal(err)
	}
	output(t, testenv.NeedProgram(t, "mkfs.btrfs"), "-q", "-f", file)
	output(t, testenv.NeedProgram(t, "mount"), "-t", "btrfs", "-o", "loop", file, dir)
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	output(t, btrfs, "quota", "enable", dir)
	output(t, btrfs, "qgroup", "limit", size, dir)
	if err := os.Chown(dir, user().uid, user().uid); err != nil {
		t.Fatal(err)
	}
	return func() { output(t, btrfs, "qgroup", "limit", "none", dir) }
}

// mustBeFull fails unless a run ended as one whose disk is full, and said whose.
func (r result) mustBeFull(t *testing.T, what, path, says string) {
	t.Helper()
	if line := strings.ToLower(r.errs); !strings.Contains(line, says) {
		t.Errorf("%s says nothing of %q:\n%s", what, says, r.errs)
	}
	r.mustBeClear(t, what, exitOutput, path)
}

// A disk that is full, or a quota that is used up, ends the run with the folder's name;
// nothing half is left, what was there stays, and with more space the next run succeeds.
func TestFullDisks(t *testing.T) {
	testenv.NeedRoot(t)
	check := mustStay(t)
	p, _ := builds(t)
	u := user()
	for i, l := range limits {
		t.Run("cache, "+l.name, func(t *testing.T) {
			s := newShelf(t, 2<<20)
			dir := u.folder(t, "full-cache")
			grow := l.dir(t, dir, "3m")
			d := disk{caller: u, places: places{filepath.Join(u.home, "full-state"), dir}}
			j := job{as: u, dir: u.folder(t, "full-"+l.says[:2]), args: s.fetch(d.places, "--log-format", "plain")}
			run(t, j).mustBeFull(t, "fetch", dir, l.says)
			d.cacheMustBeWhole(t)
			mustNotLock(t, j.dir)
			grow()
			must(t, j)
			if got := d.cacheMustBeWhole(t); got != 3 {
				t.Errorf("the next fetch left %d files; want 3", got)
			}
		})
		if i > 0 && testenv.Times(0, 1) == 0 {
			continue
		}
		t.Run("state, "+l.name, func(t *testing.T) {
			dir := u.folder(t, "full-state-"+l.says[:2])
			grow := l.dir(t, dir, "40m") // Nix has more
			d := disk{caller: u, places: places{dir, p.cache}}
			j := job{as: u, args: d.with("shell", "--demo", "--offline", "--log-format", "plain", "--", "true")}
			run(t, j).mustBeFull(t, "shell", dir, l.says)
			grow()
			must(t, j)
			d.storeMustBeWhole(t)
		})
		t.Run("output, "+l.name, func(t *testing.T) {
			dir := u.folder(t, "full-out")
			grow := l.dir(t, dir, "4m")
			earlier := u.write(t, "full-out/"+imageName, "an earlier image")
			args := buildArgs(t, u, p, "full-out", "--log-format", "plain", "--offline")
			run(t, job{as: u, args: args}).mustBeFull(t, "build", "output "+dir, l.says)
			if data, err := os.ReadFile(earlier); string(data) != "an earlier image" || len(listing(t, dir)) != 1 {
				t.Errorf("the folder holds %q, the earlier image is %.40q, %v", listing(t, dir), data, err)
			}
			grow()
			must(t, job{as: u, args: args})
			checkFiles(t, dir, u.uid)
		})
	}
	check(t)
}

// A store whose disk is full is refused before the build; one that fills up during it
// has nothing half that counts as whole.
func TestFullStore(t *testing.T) {
	testenv.OnDemand(t, "long")
	testenv.NeedRoot(t)
	check := mustStay(t)
	p, _ := builds(t)
	t.Run("tmpfs", func(t *testing.T) {
		u := user()
		dir := u.folder(t, "full-store")
		fullDisk(t, dir, "4g")
		d := disk{caller: u, places: places{filepath.Join(dir, "state"), p.cache}}
		output(t, testenv.NeedProgram(t, "cp"), "--archive", p.state, d.state)
		config := u.write(t, "full-store-config/sd-card.nix", hostNamed(t, "full-store"))
		args := buildArgs(t, u, d.places, "full-store-out", "--offline", config)
		build := start(t, job{as: u, args: args})
		build.await("a build", building(systemName))
		filler := fill(t, dir)
		r := build.wait()
		if r.status != exitBuild && r.status != exitOutput || !strings.Contains(r.errs, "--state-dir") {
			t.Errorf("build = %d; want %d or %d, and what to do:\n%s", r.status, exitBuild, exitOutput, r.errs)
		}
		plain := append(args, "--log-format", "plain")
		next := run(t, job{as: u, args: plain})
		want := exitHost // as the forecast finds no room
		if next.status == exitOutput {
			want = exitOutput // nor had the evaluation any, for its derivations
		}
		next.mustBeClear(t, "the next build", want, d.state)
		if err := os.Truncate(filler, 0); err != nil {
			t.Fatal(err)
		}
		must(t, job{as: u, args: args})
		d.storeMustBeWhole(t)
	})
	check(t)
}

// fill takes all space of a file system.
func fill(t *testing.T, dir string) (filler string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	chunk := make([]byte, 1<<20)
	for _, err = f.Write(chunk); err == nil; _, err = f.Write(chunk) {
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	return f.Name()
}

// readOnly makes a folder read-only, as another mount of it, until the test ends.
func readOnly(t *testing.T, from, to string) {
	t.Helper()
	err := unix.Mount(from, to, "", unix.MS_BIND, "")
	if err == nil {
		t.Cleanup(func() { unix.Unmount(to, unix.MNT_DETACH) })
		err = unix.Mount("", to, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, "")
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A cache on a read-only medium is as good as another, as long as it is complete; a
// read-only state or output folder is named.
func TestReadOnly(t *testing.T) {
	testenv.NeedRoot(t)
	check := mustStay(t)
	p, _ := builds(t)
	u := user()
	t.Run("cache", func(t *testing.T) {
		medium := places{filepath.Join(u.home, "ro-state"), u.folder(t, "ro-cache")}
		readOnly(t, p.cache, medium.cache)
		readOnly(t, u.folder(t, "ro-nothing"), filepath.Join(medium.cache, "emulator")) // fetch unpacks none
		must(t, job{as: u, isolated: true, args: medium.with("shell", "--demo", "--offline", "--", "true")})
		medium.state = p.state
		t.Cleanup(func() { os.RemoveAll(filepath.Join(p.state, "emulator")) }) // which others do not expect there
		must(t, job{as: u, isolated: true, args: buildArgs(t, u, medium, "ro-built", "--offline")})
		if got, want := manifestIn(t, filepath.Join(u.home, "ro-built")).SHA256, manifestIn(t, filepath.Join(u.home, "first")).SHA256; got != want {
			t.Errorf("from a read-only cache: %s; want %s", got, want)
		}
		s := newShelf(t, 1<<10)
		r := run(t, job{as: u, dir: u.folder(t, "ro-fetch"), args: s.fetch(medium, "--log-format", "plain")})
		r.mustBeClear(t, "fetch into a read-only cache", exitOutput, medium.cache)
	})
	t.Run("state", func(t *testing.T) {
		dir := u.folder(t, "ro-state-folder")
		readOnly(t, p.state, dir)
		r := run(t, job{as: u, args: buildArgs(t, u, places{dir, p.cache}, "ro-out", "--log-format", "plain", "--offline")})
		r.mustBeClear(t, "read-only state", exitOutput, dir)
	})
	t.Run("output", func(t *testing.T) {
		dir := u.folder(t, "ro-output")
		readOnly(t, filepath.Join(u.home, "first"), dir)
		r := run(t, job{as: u, args: buildArgs(t, u, p, "ro-output", "--log-format", "plain", "--offline")})
		r.mustBeClear(t, "read-only output", exitOutput, "read-only file system")
	})
	check(t)
}
