package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nixsd-native/internal/testenv"
)

// The doctor finds that what builds can build, for root and user.
func TestDoctor(t *testing.T) {
	check := mustStay(t)
	u, r := builds(t)
	for _, c := range []struct {
		caller
		places
		emulation string
	}{{user(), u, "private handler"}, {root(), r, "host handler"}} {
		if c.state == "" {
			continue
		}
		d := examine(t, job{as: c.caller, args: c.with("doctor", "--demo")})
		d.mustBeWell(t, fmt.Sprint("uid ", c.uid))
		for _, name := range []string{"kernel", "namespaces", "builders", "state folder", "Debian's index", c.emulation} {
			d.mustSay(t, name, "ok", "", "")
		}
		plain := must(t, job{as: c.caller, args: c.with("doctor", "--demo")}).out
		if !strings.Contains(plain, "ok       namespaces ") {
			t.Errorf("uid %d: doctor printed %q", c.uid, plain)
		}
	}
	check(t)
}

// binfmt register lets aarch64 programs run everywhere on the host until unregister,
// also over a build.
func TestBinfmt(t *testing.T) {
	needEmulation(t)
	check := mustStay(t)
	p := rootBuild(t)
	program := buildProbe(t, "arm64")
	status := func() (s struct {
		Mounted bool
		Handler *struct{ Name, Interpreter string }
		Journal *struct{ Persistent bool }
	}) {
		t.Helper()
		out := must(t, job{as: root(), args: p.with("binfmt", "status", "--json")}).out
		if err := json.Unmarshal([]byte(out), &s); err != nil {
			t.Fatalf("binfmt status --json = %s, %v", out, err)
		}
		return s
	}
	if s := status(); s.Handler != nil {
		t.Errorf("before register there is %+v", s.Handler)
	}
	if exec.Command(program, "{}").Run() == nil {
		testenv.Need(t, "host without a handler for aarch64", os.ErrExist)
	}
	if r := must(t, job{as: root(), args: p.with("binfmt", "unregister")}); !strings.Contains(r.errs, "nothing was registered") {
		t.Errorf("unregister of nothing says %q", r.errs)
	}
	if r := must(t, job{as: root(), args: p.with("binfmt", "register")}); !strings.Contains(r.errs, "run on this host until binfmt unregister or the next boot") {
		t.Errorf("register says %q", r.errs)
	}
	unregistered := false
	unregister := func() {
		if !unregistered {
			unregistered = true
			if r := must(t, job{as: root(), args: p.with("binfmt", "unregister")}); !strings.Contains(r.errs, "removed") {
				t.Errorf("unregister says %q", r.errs)
			}
		}
	}
	defer unregister()
	if s := status(); !s.Mounted || s.Handler == nil || s.Journal == nil || !s.Journal.Persistent {
		t.Errorf("after register the status is %+v", s)
	}
	if r := readReport(t, output(t, program, "{}")); r.Arch != "arm64" {
		t.Errorf("the program ran as %s", r.Arch)
	}
	config := root().write(t, "binfmt/sd-card.nix", hostNamed(t, "registered"))
	must(t, job{as: root(), args: buildArgs(t, root(), p, "binfmt-out", config)})
	if s := status(); s.Handler == nil {
		t.Error("a build took away a handler that was to stay")
	}
	unregister()
	if s := status(); s.Handler != nil {
		t.Errorf("after unregister there is %+v", s.Handler)
	}
	if exec.Command(program, "{}").Run() == nil {
		t.Error("after unregister the program still runs")
	}
	empty := user().places("binfmt-empty")
	if r := run(t, job{as: user(), args: empty.with("binfmt", "register")}); r.status != exitHost {
		t.Errorf("binfmt register as a user = %d, %s; want %d", r.status, r.errs, exitHost)
	}
	if _, err := os.Lstat(empty.cache); !os.IsNotExist(err) {
		t.Errorf("binfmt register as a user made the cache: %v", err)
	}
	check(t)
}

// A command in the shell works on the store and hands its status on.
func TestShell(t *testing.T) {
	check := mustStay(t)
	u, r := builds(t)
	for _, c := range []struct {
		caller
		places
	}{{user(), u}, {root(), r}} {
		if c.state == "" {
			continue
		}
		shell := func(input string, more ...string) result {
			return run(t, job{as: c.caller, input: input, args: append(c.with("shell", "--demo", "-q"), more...)})
		}
		if r := shell("", "--", "nix-store", "--verify", "--check-contents"); r.status != 0 {
			t.Errorf("uid %d: nix-store --verify --check-contents = %d\n%s", c.uid, r.status, r.errs)
		}
		if r := shell("", "--", "nix-store", "--realise", "/nix/store/00000000000000000000000000000000-none"); r.status != 1 {
			t.Errorf("uid %d: a failing command = %d, %s; want 1", c.uid, r.status, r.errs)
		}
		if r := shell("echo on $(uname -n) as $(id -u); exit 7\n"); r.status != 7 || !strings.Contains(r.out+r.errs, "on nixsd as 0") {
			t.Errorf("uid %d: a shell that says exit 7 = %d, %q", c.uid, r.status, r.out)
		}
		if r := shell("kill -9 $$\n"); r.status != 128+9 {
			t.Errorf("uid %d: a shell that kills itself = %d; want %d", c.uid, r.status, 128+9)
		}
		if r := shell("", "--", "no-such-program"); r.status == 0 {
			t.Errorf("uid %d: a program that does not exist = 0", c.uid)
		}
	}
	check(t)
}

// clean removes what it is told to, and nothing that is not the program's.
func TestClean(t *testing.T) {
	check := mustStay(t)
	from := userInputs(t)
	u := user()
	p := u.places("clean")
	if r := run(t, job{as: u, args: p.with("clean", "--all")}); r.status != 0 {
		t.Errorf("clean --all of nothing = %d, %s", r.status, r.errs)
	}
	if err := os.Mkdir(p.cache, 0o755); err != nil {
		t.Fatal(err)
	}
	u.own(t, p.cache)
	for _, name := range listing(t, from.cache) {
		copyTree(t, filepath.Join(from.cache, name), filepath.Join(p.cache, name), u.uid)
	}
	foreign := filepath.Join(p.cache, "notes.txt")
	if err := os.WriteFile(foreign, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	must(t, job{as: u, args: p.with("shell", "--demo", "-q", "--offline", "--", "nix-store", "--version")})
	has := func(path string) bool { _, err := os.Lstat(path); return err == nil }
	if !has(filepath.Join(p.state, "root/nix/store")) {
		t.Fatal("shell made no store")
	}
	files := len(listing(t, p.cache))

	must(t, job{as: u, args: p.with("clean")})
	if !has(filepath.Join(p.state, "root/nix/store")) || len(listing(t, p.cache)) < files-1 {
		t.Error("clean removed more than what was left over")
	}
	must(t, job{as: u, args: p.with("clean", "--store")})
	if has(filepath.Join(p.state, "root/nix/store")) || len(listing(t, p.cache)) < files-1 {
		t.Error("clean --store left the store, or removed downloads")
	}
	must(t, job{as: u, args: p.with("shell", "--demo", "-q", "--offline", "--", "nix-store", "--version")})
	must(t, job{as: u, args: p.with("clean", "--cache")})
	if got := listing(t, p.cache); len(got) != 1 || !has(foreign) || !has(filepath.Join(p.state, "root/nix/store")) {
		t.Errorf("clean --cache left %q, or took the store or a file of somebody else's", got)
	}
	must(t, job{as: u, args: p.with("clean", "--all")})
	if has(p.state) || !has(foreign) {
		t.Errorf("clean --all left the state folder, or took a file of somebody else's")
	}
	if err := os.Remove(foreign); err != nil {
		t.Fatal(err)
	}
	must(t, job{as: u, args: p.with("clean", "--all")})
	if has(p.cache) {
		t.Error("clean --all left the empty cache")
	}
	check(t)
}

// Commands that only look or remove make no folders, for root either.
func TestNothingMade(t *testing.T) {
	check := mustStay(t)
	for _, c := range callers() {
		dir, p := c.folder(t, "nothing"), c.places("nothing")
		for _, args := range [][]string{{"clean"}, {"clean", "--all"}, {"fetch", "--check"}, {"binfmt", "status"}, {"bundle", "verify", c.write(t, "nothing/no.bundle", "none")}} {
			r := run(t, job{as: c, dir: dir, isolated: true, args: p.with(args...)})
			if args[0] == "clean" && (r.status != 0 || !strings.Contains(r.errs, "nothing to clean: "+p.state+" is not there")) {
				t.Errorf("uid %d: %q = %d, %s", c.uid, args, r.status, r.errs)
			}
			if r.status != 0 && r.status != exitNetwork && r.status != exitVerify {
				t.Errorf("uid %d: %q = %d, %s", c.uid, args, r.status, r.errs)
			}
			for _, made := range []string{p.state, p.cache} {
				if _, err := os.Lstat(made); !os.IsNotExist(err) {
					t.Errorf("uid %d: %q made %s: %v", c.uid, args, made, err)
				}
			}
		}
	}
	check(t)
}
