package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"nixsd-native/binfmt"
	"nixsd-native/internal/fetch"
	"nixsd-native/nix"
)

// errNotTried says that a handler was not asked for.
var errNotTried = errors.New("not tried")

// inputsAtHand does what a build does to find its inputs, without network.
func (d *doctor) inputsAtHand(ctx context.Context) []finding {
	if d.busy {
		return skipped("not looked for, as a build uses the state folder now")
	}
	if !d.folders {
		return skipped("not looked for, as the state folder comes first")
	}
	wanted := d.sources.offline
	d.sources.offline = true
	err := d.fetchInputs(ctx)
	d.sources.offline = wanted
	d.inputsHere = err == nil
	if again := d.openCache(); again != nil { // now with the network, if there is to be one
		return problem(again)
	}
	switch missing := (*fetch.OfflineError)(nil); {
	case err == nil:
		return ok("all of them are on this machine, and sound")
	case wanted:
		return problem(err)
	case errors.As(err, &missing):
		return ok("to be downloaded, as they are not all on this machine")
	case exitCode(err) == exitNetwork:
		return ok("to be downloaded: %v", err)
	default:
		return problem(err)
	}
}

// hostHandler registers the emulator on the host, as a build would, for as long as the
// doctor runs; or, without an emulator at hand, a handler that meets no file.
func (d *doctor) hostHandler(ctx context.Context) []finding {
	d.hostErr = errNotTried
	switch {
	case d.emulatesHere() && d.emulation.mode == emulationHost && !d.isRoot:
		d.hostErr = errNeedsRoot
		return problem(errNeedsRoot)
	case !d.emulatesHere() || d.emulation.mode == emulationPrivate:
		return skipped("not tried, as no handler of the host's is asked for")
	case !d.isRoot:
		return skipped("not tried, as only root may register one")
	case d.inputs.emulator == nil || !d.inputs.emulator.Pinned:
		if d.hostErr = d.privileges.TryHost(ctx); d.hostErr == nil {
			return ok("registers and is removed; no aarch64 program was run, as %s", d.lacksEmulator())
		}
	default:
		if d.hostErr = d.registerHost(ctx, false); d.hostErr == nil {
			d.hostErr = d.inSandbox(ctx, sandboxRequest{Bare: true, Prove: true}, nil, nil)
		}
		if d.hostErr == nil {
			return ok("registers, and an aarch64 program runs with it (%s)", d.inputs.emulator.Name)
		}
	}
	if d.emulation.mode == emulationHost {
		return problem(d.hostErr)
	}
	return warning(d.hostErr)
}

// privateHandler registers the emulator in a sandbox, and runs an aarch64 program there;
// or, without an emulator at hand, registers this program in its place and runs none.
func (d *doctor) privateHandler(ctx context.Context) []finding {
	d.privateErr = errNotTried
	if d.lacksNamespaces != nil || !d.emulatesHere() || d.emulation.mode == emulationHost {
		return skipped("not tried, as none is asked for, or there are no namespaces to try it in")
	}
	emulator, proves, err := d.openEmulator(ctx)
	if err != nil {
		d.privateErr = err
		return problem(err)
	}
	defer emulator.Close()
	d.privateErr = d.inSandbox(ctx, sandboxRequest{Bare: true, Private: true, Prove: proves}, emulator, nil)
	switch {
	case d.privateErr == nil && proves:
		return ok("registers, and an aarch64 program runs with it (%s)", d.inputs.emulator.Name)
	case d.privateErr == nil:
		return ok("registers; no aarch64 program was run, as %s", d.lacksEmulator())
	case d.hostErr == nil: // which is enough
		return ok("none can be had (%v), and none is needed, as the host's works", d.privateErr)
	}
	return problem(d.privateErr)
}

// lacksEmulator says why there is no emulator to try.
func (d *doctor) lacksEmulator() string {
	if d.busy {
		return "the emulator is in the folders that a build uses now"
	}
	return "the emulator is not on this machine yet"
}

// openEmulator unpacks the emulator if it is at hand; else this program stands in for it.
func (d *doctor) openEmulator(ctx context.Context) (f *os.File, proves bool, err error) {
	if d.inputs.emulator != nil {
		d.mode = emulationPrivate
		err := d.unpackEmulator(ctx)
		f, d.emulator = d.emulator, nil
		return f, true, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, false, err
	}
	f, err = os.Open(self)
	return f, false, err
}

// emulationChosen sums up what the build would do.
func (d *doctor) emulationChosen(ctx context.Context) []finding {
	mode := d.emulation.mode
	switch {
	case !d.emulatesHere() && d.system == nix.System:
		return ok("none is needed on this machine")
	case !d.emulatesHere():
		if err := d.inSandbox(ctx, sandboxRequest{Bare: true, Prove: true}, nil, nil); err != nil {
			return problem(fmt.Errorf("with --emulation none: %v", err), "leave --emulation none out, or give build a --builder USER@HOST")
		}
		return ok("none is asked for, and an aarch64 program runs with a handler that is there already")
	case d.hostErr == nil && mode != emulationPrivate:
		return ok("a build uses the host's handler")
	case d.privateErr == nil:
		return ok("a build uses a handler of its sandbox's own, which the host does not see")
	case d.hostErr == errNotTried && d.privateErr == errNotTried:
		return skipped("not known, as nothing could be tried")
	}
	return problem(errors.New("no aarch64 program can be run: neither by a handler of the host's nor by one of the sandbox's own"), "see the lines above")
}

// otherHandlers tells of handlers that are not this program's.
func (d *doctor) otherHandlers(ctx context.Context) []finding {
	status, err := binfmt.ReadStatus(ctx, runDir, &binfmt.Host{})
	if err != nil {
		return ok("cannot be listed: %v", err)
	}
	var all []finding
	for _, f := range status.Foreign {
		all = append(all, ok("%s (%s) also takes aarch64 programs; it is left alone", f.Name, f.Interpreter)...)
	}
	switch {
	case all != nil:
		return all
	case !status.Mounted:
		return ok("none, as the host has no binfmt_misc mounted")
	case !status.Enabled:
		return warning(&binfmt.DisabledError{Path: binfmt.DefaultDir})
	}
	return ok("none takes aarch64 programs")
}
