package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"nixsd-native/internal/testenv"
)

// More exit statuses.
const (
	exitInternal    = 1
	exitBuild       = 6
	exitInterrupted = 130
)

// An ending is a way in which a build ends before its end.
type ending struct {
	name   string
	config string
	at     func(event) bool // when; nil if the build ends by itself
	phase  string           // in which it is then
	do     func(t *testing.T, p *process)
	status int
	says   string // in an error or in standard error
}

func signalMain(s syscall.Signal) func(*testing.T, *process) {
	return func(t *testing.T, p *process) { p.cmd.Process.Signal(s) }
}

// kill9 is kill -9 of a child of the program, or of the program itself if there is no
// name.
func kill9(child string) func(*testing.T, *process) {
	return func(t *testing.T, p *process) {
		t.Helper()
		pid := p.cmd.Process.Pid
		if child != "" {
			pid = childNamed(t, pid, child)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	}
}

const (
	workerName  = "nixsd-native-worker"
	sandboxName = "nixsd-native-sandbox"
)

// endings are those that both root and a user can meet with; main is who is killed.
// TestKills kills at moments between them.
func endings(t *testing.T, main string, killed int) []ending {
	kill := kill9(main)
	return []ending{
		{"syntax error", "{ ... }:\n{\n  networking.hostName = ;\n}\n", nil, "evaluate", nil, exitBuild, "sd-card.nix:3"},
		{"failing builder", afterImage(t, "echo so it is; exit 1"), nil, "build", nil, exitBuild, imageName},
		{"SIGINT", slowImage(t, "SIGINT"), building(imageName), "build", signalMain(syscall.SIGINT), exitInterrupted, "interrupted"},
		{"SIGTERM", hostNamed(t, "ended"), building(systemName), "build", signalMain(syscall.SIGTERM), exitInterrupted, "interrupted"},
		{"SIGHUP", slowImage(t, "SIGHUP"), building(imageName), "build", signalMain(syscall.SIGHUP), exitInterrupted, "interrupted"},
		{"kill -9 at inputs", sdCard(t), phase("inputs"), "inputs", kill, killed, ""},
		{"kill -9 late in the build", slowImage(t, "killed"), building(imageName), "build", kill, killed, ""},
		{"kill -9 at deliver", sdCard(t), phase("deliver"), "deliver", kill, killed, ""},
	}
}

// However a build as root ends, the host is as before, the image of an earlier build
// is untouched, and the next build works.
func TestEndsAsRoot(t *testing.T) {
	foreignless := mustStay(t)
	p := rootBuild(t)
	t.Run("with a handler of somebody else's", func(t *testing.T) {
		foreignHandler(t)
		guard := &afterEnd{places: p, caller: root(), before: lookAtHost()}
		guard.prepare(t)
		all := append(endings(t, workerName, exitInternal),
			ending{"kill -9 at handler", sdCard(t), phase("handler"), "handler", kill9(workerName), exitInternal, ""},
			ending{"kill -9 of the monitor", slowImage(t, "monitor"), building(imageName), "build", kill9(""), -1, ""},
			ending{"kill -9 of the sandbox", slowImage(t, "sandbox"), building(imageName), "build", kill9(sandboxName), -2, "sandbox"},
		)
		for _, e := range all {
			t.Run(e.name, func(t *testing.T) { guard.end(t, e) })
		}
		t.Run("next build", guard.nextBuild)
	})
	foreignless(t)
}

// The same without root, where the one process is everything.
func TestEndsAsUser(t *testing.T) {
	check := mustStay(t)
	p, _ := builds(t)
	guard := &afterEnd{places: p, caller: user(), before: lookAtHost()}
	guard.prepare(t)
	for _, e := range endings(t, "", -1) {
		t.Run(e.name, func(t *testing.T) { guard.end(t, e) })
	}
	t.Run("next build", guard.nextBuild)
	check(t)
}

// An afterEnd knows what must be as before when a build ended.
type afterEnd struct {
	places
	caller caller
	before hostState
	dir    string // where images go
	image  os.FileInfo
	hash   string
}

// prepare delivers an image that later builds would replace.
func (g *afterEnd) prepare(t *testing.T) {
	t.Helper()
	must(t, job{as: g.caller, args: buildArgs(t, g.caller, g.places, "ends")})
	g.dir = filepath.Join(g.caller.home, "ends")
	var err error
	if g.image, err = os.Stat(filepath.Join(g.dir, imageName)); err != nil {
		t.Fatal(err)
	}
	g.hash = testenv.SHA256(t, filepath.Join(g.dir, imageName))
	g.check(t)
}

func (g *afterEnd) start(t *testing.T, config string) *process {
	t.Helper()
	file := g.caller.write(t, "ends-config/sd-card.nix", config)
	return start(t, job{as: g.caller, args: buildArgs(t, g.caller, g.places, "ends", file)})
}

// check compares host and output folder with what they were.
func (g *afterEnd) check(t *testing.T) {
	t.Helper()
	if diff := g.before.settled().Diff(g.before.Snapshot); diff != "" {
		t.Errorf("the host changed: %s", diff)
	}
	checkFiles(t, g.dir, g.caller.uid)
	info, err := os.Stat(filepath.Join(g.dir, imageName))
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(info, g.image) || !info.ModTime().Equal(g.image.ModTime()) || testenv.SHA256(t, filepath.Join(g.dir, imageName)) != g.hash {
		t.Error("the image of the earlier build changed")
	}
}

// end lets a build end in the way of e. A phase may be over before the kill comes;
// then it is tried again.
func (g *afterEnd) end(t *testing.T, e ending) {
	var r result
	for range 5 {
		if e.phase == "handler" { // the emulator is unpacked again, which takes a while
			if err := os.RemoveAll(filepath.Join(g.state, "emulator")); err != nil {
				t.Fatal(err)
			}
		}
		p := g.start(t, e.config)
		if e.at != nil {
			p.await(e.name, e.at)
			e.do(t, p)
		}
		if r = p.wait(); slices.Index(r.phases(), e.phase) == len(r.phases())-1 {
			break
		}
	}
	if last := r.phases()[len(r.phases())-1]; last != e.phase {
		t.Fatalf("ended in phase %s; want %s", last, e.phase)
	}
	if e.status == -2 && r.status > 0 {
		e.status = r.status
	}
	if r.status != e.status || !strings.Contains(r.errs, e.says) || r.out != "" {
		t.Errorf("status %d, standard output %q; want %d, nothing, and %q in\n%s", r.status, r.out, e.status, e.says, tail(strings.Split(r.errs, "\n")))
	}
	if len(r.badJSON) > 0 && e.status != exitInternal && e.status != -1 {
		t.Errorf("printed what is no event: %q", r.badJSON)
	}
	g.check(t)
}

// nextBuild builds what a killed build did not.
func (g *afterEnd) nextBuild(t *testing.T) {
	p := g.start(t, hostNamed(t, "ended"))
	if r := p.wait(); r.status != 0 || len(r.built()) != 3 {
		t.Errorf("the next build = %d, of %q; want three derivations\n%s", r.status, r.built(), tail(p.errs))
	}
	if got := testenv.SHA256(t, filepath.Join(g.dir, imageName)); got == g.hash {
		t.Error("the next build left the old image in place")
	}
	checkFiles(t, g.dir, g.caller.uid)
	if diff := g.before.settled().Diff(g.before.Snapshot); diff != "" {
		t.Errorf("the host changed: %s", diff)
	}
}
