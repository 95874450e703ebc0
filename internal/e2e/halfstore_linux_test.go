package e2e

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nixsd-native/internal/testenv"
)

// harm is what can be wrong with a state folder.
type harm struct {
	name string
	do   func(t *testing.T, d *disk)
}

// stored finds the one file below the folder /nix that matches.
func (d *disk) stored(t *testing.T, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(d.state, "root/nix", pattern))
	if err != nil || len(found) == 0 {
		t.Fatalf("the store has no %s: %v", pattern, err)
	}
	return found[0]
}

func removes(pattern string) func(*testing.T, *disk) {
	return func(t *testing.T, d *disk) {
		t.Helper()
		removeWritable(d.stored(t, pattern))
	}
}

func empties(pattern string) func(*testing.T, *disk) {
	return func(t *testing.T, d *disk) {
		t.Helper()
		if err := os.Truncate(d.stored(t, pattern), 0); err != nil {
			t.Fatal(err)
		}
	}
}

// harms are made to a store in which Nix is installed.
var harms = []harm{
	{name: "no database", do: removes("var/nix/db/db.sqlite")},
	{name: "empty database", do: empties("var/nix/db/db.sqlite")},
	{name: "no schema", do: removes("var/nix/db")},
	{name: "no record", do: removes("nixsd/nix-*.json")},
	{name: "empty record", do: empties("nixsd/nix-*.json")},
	{name: "no store", do: removes("store")},
	{name: "no Nix", do: removes("store/*-nix-2*")},
	{name: "no shell", do: removes("store/*-busybox-static-*")},
	{name: "no channel", do: removes("nixsd/channels/*")},
	{name: "nothing but the store", do: func(t *testing.T, d *disk) { removes("nixsd")(t, d); removes("var")(t, d) }},
}

// installArgs install Nix and run nothing else.
func (d *disk) installArgs() []string {
	return d.with("shell", "--demo", "--offline", "-q", "--", "true")
}

// A store that is half there, for whatever reason, is whole after the next run.
func TestHalfStore(t *testing.T) {
	check := mustStay(t)
	p, _ := builds(t)
	u := user()
	d := &disk{caller: u, places: places{filepath.Join(u.home, "half-state"), p.cache}}
	if err := os.RemoveAll(d.state); err != nil {
		t.Fatal(err)
	}
	for range testenv.Times(1, 20) {
		build := start(t, job{as: u, args: d.installArgs()})
		time.Sleep(rand.N(3 * time.Second))
		kill9("")(t, build)
		build.wait()
		if rand.N(2) == 0 {
			continue // killed twice
		}
		must(t, job{as: u, args: d.installArgs()})
		d.storeMustBeWhole(t)
		removeWritable(d.state)
	}
	must(t, job{as: u, args: d.installArgs()})
	for i, h := range harms {
		if i%4 > 0 && testenv.Times(0, 1) == 0 {
			continue
		}
		h.do(t, d)
		if r := run(t, job{as: u, args: d.installArgs()}); r.status != 0 {
			t.Errorf("%s: the next run = %d\n%s", h.name, r.status, r.errs)
		}
		d.storeMustBeWhole(t)
	}
	check(t)
}

// A store path that somebody removed is made again, by the run after the one that
// misses it.
func TestMissingPath(t *testing.T) {
	testenv.OnDemand(t, "long")
	check := mustStay(t)
	p, _ := builds(t)
	u := user()
	d := &disk{caller: u, places: places{filepath.Join(u.home, "missing-state"), p.cache}}
	output(t, testenv.NeedProgram(t, "cp"), "--archive", p.state, d.state)
	args := buildArgs(t, u, d.places, "missing-out", "--offline", "--log-format", "plain")
	must(t, job{as: u, args: args})
	removes("store/*-"+imageName)(t, d)
	if r := run(t, job{as: u, args: args}); r.status == 0 || !strings.Contains(r.errs, "run the command again") {
		t.Errorf("without the image, build = %d\n%s", r.status, r.errs)
	}
	must(t, job{as: u, args: args})
	checkFiles(t, filepath.Join(u.home, "missing-out"), u.uid)
	d.storeMustBeWhole(t)
	check(t)
}
