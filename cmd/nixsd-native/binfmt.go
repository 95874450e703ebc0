package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/spf13/pflag"

	"nixsd-native/binfmt"
)

// A binfmtJob is the command binfmt with its flags.
type binfmtJob struct {
	commonFlags
	sourceFlags
	flags  *pflag.FlagSet
	action string
}

func binfmtCommand() command {
	return command{
		name:    "binfmt",
		args:    "status|register|unregister",
		summary: "show, add or remove the host's handler for aarch64 programs",
		help: `A build registers the handler itself and takes it away at its end. With register
it stays until unregister or the next boot, and aarch64 programs run everywhere
on this host. Flags about the emulator are for register, --json is for status:
one object with mounted, enabled, handler, journal, usage and foreign.

Example:
  sudo nixsd-native binfmt register`,
		new: func(fs *pflag.FlagSet) job {
			j := &binfmtJob{flags: fs}
			j.sourceFlags.register(fs)
			j.commonFlags.register(fs)
			return j
		},
	}
}

// binfmtUses has which flags an action has a use for, and why for no others.
var binfmtUses = map[string]struct {
	because string
	flags   []string
}{
	"status":     {"only looks at this host", append([]string{"json"}, plainFlags...)},
	"register":   {"has no result to print", slices.Concat([]string{"offline"}, emulatorFlags, plainFlags)},
	"unregister": {"only removes the handler", plainFlags},
}

func (j *binfmtJob) check(args []string) error {
	if len(args) == 1 {
		j.action = args[0]
	}
	uses, known := binfmtUses[j.action]
	if !known {
		return usageErrorf("", "binfmt takes one of status, register and unregister")
	}
	return firstError(refuseOthers(j.flags, "binfmt "+j.action+" "+uses.because, uses.flags), j.commonFlags.check(), j.sourceFlags.check())
}

func (j *binfmtJob) needs() needs {
	return needs{state: j.state, cache: j.cache, offline: j.offline, trustedDeb: j.qemu.SHA256, files: j.namedFiles(), hostMounts: true, looks: j.action != "register"}
}

func (j *binfmtJob) run(ctx context.Context, a *app) error {
	switch j.action {
	case "status":
		return j.status(ctx, a)
	case "unregister":
		return j.unregister(ctx, a)
	}
	if _, isRoot := a.privileges.(*monitorClient); !isRoot { // before anything is downloaded
		return errNeedsRoot
	}
	mode := emulationFlags{mode: emulationHost}
	w := newWorkspace(a, &j.commonFlags, &j.sourceFlags, &mode)
	err := w.steps(ctx, []step{
		{"inputs", func(ctx context.Context) error {
			if err := w.openCache(); err != nil {
				return err
			}
			return w.resolveEmulator(ctx)
		}},
		{"handler", func(ctx context.Context) error { return w.registerHost(ctx, true) }},
	})
	if err == nil {
		w.rep.Note("registered: aarch64 programs run on this host until binfmt unregister or the next boot")
	}
	return w.finish(err)
}

// unregister tells what became of the handler, which builds may still use.
func (j *binfmtJob) unregister(ctx context.Context, a *app) error {
	text := "removed"
	if before, err := binfmt.ReadStatus(ctx, runDir, &binfmt.Host{}); err == nil && before.Handler == nil {
		text = "nothing was registered"
	}
	if err := a.privileges.UnregisterHost(ctx); err != nil {
		return err
	}
	if after, err := binfmt.ReadStatus(ctx, runDir, &binfmt.Host{}); err == nil && after.Handler != nil {
		text = "the last of the builds that use it removes it"
	}
	sayOnce(a.errs, a.reportOptions(&j.commonFlags), message{kind: "note", text: text})
	return nil
}

// status prints the state of the host's binfmt_misc.
func (j *binfmtJob) status(ctx context.Context, a *app) error {
	s, err := binfmt.ReadStatus(ctx, runDir, &binfmt.Host{})
	if err != nil {
		fmt.Fprintf(a.errs, "warning: %v\n", err)
	}
	if j.json {
		s.Foreign = append([]binfmt.Registered{}, s.Foreign...) // not null
		return json.NewEncoder(a.out).Encode(s)
	}
	say := func(name, value string) { fmt.Fprintf(a.out, "%-12s %s\n", name, value) }
	switch {
	case !s.Mounted:
		say("binfmt_misc", "not mounted")
	case !s.Enabled:
		say("binfmt_misc", "mounted, switched off")
	default:
		say("binfmt_misc", "mounted")
	}
	if s.Handler == nil {
		say("handler", "none of nixsd-native")
	} else {
		say("handler", fmt.Sprintf("%s, %s, flags %s", s.Handler.Name, s.Handler.Interpreter, s.Handler.Flags))
	}
	if s.Journal != nil && s.Journal.Persistent {
		say("kept until", "binfmt unregister, or the next boot")
	}
	if s.Usage != binfmt.UsageUnknown {
		say("usage", fmt.Sprint(s.Usage))
	}
	for _, f := range s.Foreign {
		say("other", fmt.Sprintf("%s, %s", f.Name, f.Interpreter))
	}
	return nil
}
