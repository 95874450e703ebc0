package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/spf13/pflag"

	"nixsd-native/sandbox"
)

// A doctorJob is the command doctor with its flags: those of the build that is asked
// about, as far as they have to do with the host.
type doctorJob struct{ buildJob }

func doctorCommand() command {
	return command{
		name:    "doctor",
		summary: "tell what this host can do, and what would help",
		help: `Everything is tried, not guessed. Give it the flags of the build that you have
in mind. A line is a "problem" if that build could not work, and a "warning" if
it could go wrong; below stands what helps. With a problem the exit code is 3.
Run it with sudo to learn what a build with sudo can do.

Example:
  sudo nixsd-native doctor --demo`,
		new: func(fs *pflag.FlagSet) job {
			j := new(doctorJob)
			j.register(fs)
			return j
		},
	}
}

func (j *doctorJob) register(fs *pflag.FlagSet) {
	fs.StringVarP(&j.output, "output", "o", ".", "`file or folder` for the image")
	fs.BoolVar(&j.demo, "demo", false, "look at what the demo needs, instead of NixOS")
	j.nixosFlags.inputs(fs)
	fs.StringArrayVar(&j.flakes, "flake", nil, "look at what a flake `REF#NAME` needs; repeatable")
	j.sourceFlags.register(fs)
	j.sourceFlags.registerBundle(fs)
	j.emulationFlags.register(fs)
	j.cacheFlags.register(fs)
	j.buildersFlags.register(fs)
	j.commonFlags.register(fs)
	j.assembly, j.compress, j.sandboxed = assemblyAuto, compressNone, true // as build has them
}

func (j *doctorJob) check(args []string) error {
	return firstError(noArguments(args), j.buildJob.check(nil))
}

// needs are those of the build without what it builds, which is not the host's matter.
func (j *doctorJob) needs() needs {
	lock := ""
	if !j.demo {
		lock = j.lockPath(j.configs)
	}
	return needs{
		state: j.state, cache: j.cache, lockFile: lock, files: slices.Concat(j.namedFiles(), j.nixosFlags.files(), j.buildersFlags.files()),
		output: j.output, offline: j.offline, trustedDeb: j.qemu.SHA256, caches: j.cacheFlags.folders(), diagnose: true,
	}
}

// A check is a row of the table of what the doctor looks at.
type check struct {
	group, name string
	try         func(d *doctor, ctx context.Context) []finding
}

// checks in their order: later ones know what earlier ones found.
func checks() []check {
	return []check{
		{"host", "kernel", (*doctor).kernel},
		{"host", "caller", (*doctor).caller},
		{"host", "container", (*doctor).container},
		{"host", "WSL", (*doctor).wsl},
		{"host", "AppArmor", (*doctor).appArmor},
		{"host", "SELinux", (*doctor).seLinux},
		{"host", "limits", (*doctor).limits},
		{"host", "control group", (*doctor).controlGroup},
		{"host", "memory", (*doctor).memory},
		{"sandbox", "sysctls", (*doctor).sysctls},
		{"sandbox", "namespaces", (*doctor).namespaces},
		{"sandbox", "builders", (*doctor).buildersNamespaces},
		{"network", "remote builder", (*doctor).remoteBuilders},
		{"folders", "state folder", (*doctor).stateFolder},
		{"folders", "cache folder", (*doctor).cacheFolder},
		{"folders", "output folder", (*doctor).outputFolder},
		{"folders", "inputs", (*doctor).inputsAtHand},
		{"folders", "disk", (*doctor).disks},
		{"emulation", "host handler", (*doctor).hostHandler},
		{"emulation", "private handler", (*doctor).privateHandler},
		{"emulation", "emulation", (*doctor).emulationChosen},
		{"emulation", "other handlers", (*doctor).otherHandlers},
		{"network", "proxy", (*doctor).proxy},
		{"network", "names", (*doctor).names},
		{"network", "sources", (*doctor).sourcesAnswer},
		{"network", "clock", (*doctor).clock},
	}
}

// A doctor is one examination: a build that is never begun, and what was found so far.
type doctor struct {
	*build
	root   fs.FS // of the host
	isRoot bool

	lacksNamespaces error         // of namespaces
	trial           sandbox.Trial // likewise
	folders         bool          // of stateFolder: it can be used, and is ours
	hasStore        bool          // likewise
	busy            bool          // likewise: a build has it
	lacksOutput     bool          // of outputFolder
	inputsHere      bool          // of inputsAtHand: no network is needed for them
	hostErr         error         // of hostHandler
	privateErr      error         // of privateHandler
	asked           []askedSource // of sourcesAnswer
}

func (j *doctorJob) run(ctx context.Context, a *app) error {
	d := &doctor{build: newBuild(&j.buildJob, a), root: os.DirFS("/")}
	_, d.isRoot = d.privileges.(*monitorClient)
	var all []finding
	for _, c := range checks() {
		for _, f := range c.try(d, ctx) {
			f.Group, f.Name = c.group, firstOf(f.Name, c.name)
			all = append(all, f)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	d.close()
	d.rep.Close(false)
	e := examination{Checks: all}
	e.CanBuild, e.ExitStatus = verdict(all)
	if j.quiet && !j.json {
		e = e.withoutFine()
	}
	if err := e.print(d.out, j.json, d.colors()); err != nil {
		return err
	}
	if !e.CanBuild {
		return &codedError{exitHost, "a build could not work on this host", []string{"mend the lines marked \"problem\""}}
	}
	return nil
}

// runUnsplit is run where root cannot even have a mount namespace, as in most containers.
// This process gives up its rights for good, and says why.
func (j *doctorJob) runUnsplit(a *app, why error) error {
	ctx, stop := signalContext()
	defer stop()
	if err := dropRoot(); err != nil {
		return why
	}
	l, err := newLocal(j.needs())
	if err != nil {
		return err
	}
	defer l.close()
	l.lost = why
	a.privileges = l
	return j.run(ctx, a)
}

// facts are what the sandbox's diagnoses go by.
func (d *doctor) facts() sandbox.Facts {
	program, _ := os.Executable()
	return sandbox.ReadFacts(d.root, d.isRoot, program)
}

// emulatesHere reports whether the build that is asked about would emulate.
func (d *doctor) emulatesHere() bool { return d.emulation.emulatesOn(d.system) }

// skipNetwork is what checks of the network say if there is to be none.
func (d *doctor) skipNetwork() []finding {
	if d.sources.offline {
		return skipped("not looked at, as --offline uses no network")
	}
	if d.client != nil {
		return nil
	}
	var err error // no folder could be used; servers answer all the same
	if d.client, err = d.newClient(nil); err != nil {
		return skipped(fmt.Sprintf("not looked at: %v", err))
	}
	return nil
}

// suiteOf is the suite whose index a build reads, or "".
func (d *doctor) suiteOf() string {
	switch {
	case d.sources.qemu.Suite != "" && d.emulatesHere():
		return d.sources.qemu.Suite
	case d.demo:
		return demoSuite
	}
	return ""
}
