package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nixsd-native/internal/testenv"
)

// The image is the same again after "clean --all", made from an empty state and
// without a network, although the first try to install Nix was killed; made by a user with
// subordinate ids; and on a file system on which files take other room.
func TestSameImageAgain(t *testing.T) {
	testenv.OnDemand(t, "long")
	check := mustStay(t)
	testenv.NeedRoot(t)
	u, r := builds(t)
	want := manifestIn(t, filepath.Join(user().home, "first")).SHA256
	third := cleaned(t, u, r)
	killedAtBootstrap(t, third)
	check(t)

	again := start(t, job{as: root(), isolated: true, args: buildArgs(t, root(), third, "third", "--offline")})
	var sub *process
	mapped := places{user().places("subordinate").state, u.cache}
	if _, err := exec.LookPath("newuidmap"); err == nil {
		sub = start(t, subordinate(t, buildArgs(t, user(), mapped, "subordinate", "--offline")))
	}
	t.Run("after clean", func(t *testing.T) {
		r := again.wait()
		if r.status != 0 || len(r.built()) < 8 {
			t.Fatalf("build = %d, of %q\n%s", r.status, r.built(), tail(again.errs))
		}
		dir := filepath.Join(root().home, "third")
		checkFiles(t, dir, 0)
		if got := manifestIn(t, dir).SHA256; got != want {
			t.Errorf("the image's sha256 is %s; want %s", got, want)
		}
	})
	t.Run("subordinate ids", func(t *testing.T) {
		testenv.NeedProgram(t, "newuidmap")
		r := sub.wait()
		if r.status != 0 || len(r.built()) < 8 {
			t.Fatalf("build = %d, of %q\n%s", r.status, r.built(), tail(sub.errs))
		}
		dir := filepath.Join(user().home, "subordinate")
		checkFiles(t, dir, user().uid)
		if m := manifestIn(t, dir); m.SHA256 != want || m.Users != "range" || m.Emulation != "private" {
			t.Errorf("manifest: sha256 %s, users %q, emulation %q; want %s, range, private", m.SHA256, m.Users, m.Emulation, want)
		}
		checkStoreOwners(t, mapped)
		builderAttacks(t, subordinate(t, nil), mapped, true)
	})
	t.Run("xfs", func(t *testing.T) {
		d := newDisk(t, user(), "xfs", "same")
		d.cache = u.cache
		must(t, job{as: d.caller, isolated: true, args: buildArgs(t, d.caller, d.places, "out", "--offline")})
		if got := manifestIn(t, filepath.Join(d.home, "out")).SHA256; got != want {
			t.Errorf("the image's sha256 is %s; want %s", got, want)
		}
	})
	check(t)
}

// cleaned returns places of root's that were in use until "clean --all" and have an
// empty state and a filled cache.
func cleaned(t *testing.T, u, r places) places {
	t.Helper()
	p := copyPlaces(t, r, "third")
	p.cache = filepath.Join(root().home, "third-cache")
	copyDownloads(t, u.cache, p, true)
	unchanged := must(t, job{as: root(), args: buildArgs(t, root(), p, "third")})
	if len(unchanged.built()) > 0 {
		t.Errorf("the copied state built %q; want nothing", unchanged.built())
	}
	must(t, job{as: root(), args: p.with("clean", "--all")})
	for _, dir := range []string{p.state, p.cache} {
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("clean --all left %s: %v", dir, err)
		}
	}
	if err := os.RemoveAll(filepath.Join(root().home, "third")); err != nil {
		t.Fatal(err)
	}
	copyDownloads(t, u.cache, p, true)
	return p
}

// killedAtBootstrap leaves a half-installed Nix.
func killedAtBootstrap(t *testing.T, p places) {
	t.Helper()
	build := start(t, job{as: root(), isolated: true, args: buildArgs(t, root(), p, "third", "--offline")})
	build.await("Nix is installed", phase("bootstrap"))
	kill9(workerName)(t, build)
	if r := build.wait(); r.status != exitInternal || r.phases()[len(r.phases())-1] != "bootstrap" {
		t.Errorf("killed at bootstrap: %d in %q; want %d", r.status, r.phases(), exitInternal)
	}
}

// The name and the subordinate ids that the user has in the job of subordinate.
const (
	userName = "nixsd-e2e"
	subFirst = 700_000
	subCount = 65536
)

// subordinate is a job of the user, who for this run has a name and subordinate ids.
func subordinate(t *testing.T, args []string) job {
	t.Helper()
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	c := user()
	entry := fmt.Sprintf("%s:x:%d:%d::%s:/bin/sh\n", userName, c.uid, c.uid, c.home)
	ids := root().write(t, "etc/subids", fmt.Sprintf("%s:%d:%d\n", userName, subFirst, subCount))
	binds := map[string]string{"/etc/passwd": root().write(t, "etc/passwd", string(passwd)+entry), "/etc/subuid": ids, "/etc/subgid": ids}
	for target := range binds {
		_, err := os.Stat(target)
		testenv.Need(t, target, err)
	}
	return job{as: c, binds: binds, args: args}
}

// checkStoreOwners fails unless the user owns the store and nobody but the user and
// the subordinate ids anything in the state folder.
func checkStoreOwners(t *testing.T, p places) {
	t.Helper()
	seen := map[int]bool{}
	filepath.WalkDir(p.state, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			t.Error(err)
			return nil
		}
		info, err := d.Info()
		if err != nil {
			t.Error(err)
			return nil
		}
		seen[owner(info)] = true
		return nil
	})
	for id := range seen {
		if id != user().uid && (id < subFirst || id >= subFirst+subCount) {
			t.Errorf("something in %s belongs to %d", p.state, id)
		}
	}
	paths := listing(t, filepath.Join(p.state, "root/nix/store"))
	if !slices.ContainsFunc(paths, func(name string) bool { return strings.HasSuffix(name, imageName) }) {
		t.Errorf("the store of %s has no image", p.state)
	}
}
