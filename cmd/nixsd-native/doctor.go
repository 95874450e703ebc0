package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"

	"github.com/spf13/pflag"

	"nixsd-native/binfmt"
	"nixsd-native/internal/hostinfo"
	"nixsd-native/nix"
)

// A doctorJob is the command doctor with its flags.
type doctorJob struct {
	commonFlags
	sourceFlags
}

func doctorCommand() command {
	return command{
		name:    "doctor",
		summary: "tell what this host can do, and what would help",
		help: `Everything is tried, not guessed. The exit code is 3 if a build could not work.
Run it with sudo to learn what a build with sudo can do.`,
		new: func(fs *pflag.FlagSet) job {
			j := new(doctorJob)
			j.sourceFlags.register(fs)
			j.commonFlags.register(fs)
			return j
		},
	}
}

func (j *doctorJob) check(args []string) error {
	return firstError(noArguments(args), j.commonFlags.check(), j.sourceFlags.check())
}

func (j *doctorJob) needs() needs {
	return needs{state: j.state, cache: j.cache, offline: j.offline, files: j.namedFiles()}
}

// A finding is one line of the doctor's.
type finding struct {
	Name    string   `json:"name"`
	Verdict string   `json:"verdict"` // ok, warning, problem
	Text    string   `json:"text"`
	Fixes   []string `json:"fixes,omitempty"`
}

func (j *doctorJob) run(ctx context.Context, a *app) error {
	w := newWorkspace(a, &j.commonFlags, &j.sourceFlags, &emulationFlags{mode: emulationNone})
	d := &doctor{workspace: &w}
	d.examine(ctx)
	w.close()
	w.rep.Close(false)
	if err := d.print(j.json); err != nil {
		return err
	}
	if d.fatal {
		return &codedError{exitHost, "a build could not work on this host", []string{"mend the lines marked \"problem\""}}
	}
	return nil
}

type doctor struct {
	*workspace
	findings []finding
	fatal    bool
}

func (d *doctor) ok(name, format string, args ...any) {
	d.findings = append(d.findings, finding{name, "ok", fmt.Sprintf(format, args...), nil})
}

func (d *doctor) warn(name string, err error) {
	d.findings = append(d.findings, finding{name, "warning", oneLine(err.Error()), hints(err)})
}

func (d *doctor) problem(name string, err error) {
	d.findings = append(d.findings, finding{name, "problem", oneLine(err.Error()), hints(err)})
	d.fatal = true
}

func (d *doctor) examine(ctx context.Context) {
	d.ok("kernel", "Linux %s, %s", hostinfo.KernelRelease(), runtime.GOARCH)
	if err := d.lockState(ctx); err != nil {
		d.problem("state folder", err)
		return
	}
	d.emulationFindings(ctx)
	d.space()
	d.network(ctx)
	d.nixosHosts(ctx)
}

// emulationFindings tries a sandbox, with a handler of its own where this host
// needs one, and looks at the host's.
func (d *doctor) emulationFindings(ctx context.Context) {
	if err := d.trySandbox(ctx, false); err != nil {
		d.problem("sandbox", err)
		return
	}
	d.ok("sandbox", "namespaces, mounts and the change of root work, with %s", map[bool]string{true: "65536 ids", false: "one id"}[d.info.ManyUsers])
	if runtime.GOARCH == "arm64" {
		d.ok("emulation", "none is needed on this machine")
		return
	}
	private := d.trySandbox(ctx, true)
	if private == nil {
		d.ok("private handler", "works, so root is not needed")
	}
	_, isRoot := d.privileges.(*monitorClient)
	status, err := binfmt.ReadStatus(ctx, runDir, &binfmt.Host{})
	switch {
	case isRoot && private != nil && !binfmt.Known(os.DirFS("/")): // though to try makes the kernel load it
		d.problem("host handler", private)
	case isRoot && err == nil:
		d.ok("host handler", "binfmt_misc is %s", map[bool]string{true: "mounted", false: "not mounted; a build mounts it for itself"}[status.Mounted])
	case isRoot:
		d.warn("host handler", err)
	case private != nil:
		d.problem("private handler", private)
	}
	for _, f := range status.Foreign {
		d.ok("other handler", "%s (%s) also takes aarch64 programs; it is left alone", f.Name, f.Interpreter)
	}
}

// trySandbox starts a sandbox and ends it again. This program stands in for the
// emulator: it is registered, but not run.
func (d *doctor) trySandbox(ctx context.Context, private bool) error {
	d.mode, d.emulator = emulationNone, nil
	if private {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		if d.emulator, err = os.Open(self); err != nil {
			return err
		}
		d.mode = emulationPrivate
	}
	err := d.startSandboxWith(ctx)
	d.close()
	d.session, d.emulator = nil, nil
	return err
}

// Space that the demo takes and that a NixOS build from a cache takes, in bytes,
// and memory below which builders get killed; measured with some room.
const (
	demoSpace = 2 << 30
	fullSpace = 15 << 30
	needRAM   = 1 << 30
)

func (d *doctor) space() {
	state, cache := d.privileges.Dirs()
	for _, dir := range []string{state, cache} {
		disk, err := hostinfo.DiskOf(dir)
		switch {
		case err != nil:
			d.warn("disk", err)
		case disk.Free < demoSpace:
			d.problem("disk", &codedError{exitHost, fmt.Sprintf("%s has %s free, too little even for the demo", dir, size(disk.Free)),
				[]string{"free some, or choose other folders with --state-dir and --cache-dir"}})
		case disk.Free < fullSpace || disk.Inodes < 300_000:
			d.warn("disk", &codedError{0, fmt.Sprintf("%s has %s and %d inodes free: enough for the demo, perhaps not for NixOS", dir, size(disk.Free), disk.Inodes), nil})
		default:
			d.ok("disk", "%s has %s free", dir, size(disk.Free))
		}
	}
	total, available, err := hostinfo.Memory()
	switch {
	case err != nil:
		d.warn("memory", err)
	case available < needRAM:
		d.warn("memory", &codedError{0, fmt.Sprintf("%s of %s available: builders may be killed", size(available), size(total)),
			[]string{"close other programs, add swap, or build with --max-jobs 1 --cores 1"}})
	default:
		d.ok("memory", "%s of %s available", size(available), size(total))
	}
}

// network reads and verifies Debian's signed index, which takes DNS, a mirror, a
// proxy and the clock.
func (d *doctor) network(ctx context.Context) {
	if d.sources.offline {
		return
	}
	err := d.openCache()
	if err == nil {
		d.client.Attempts, d.client.Report = 1, nil
		var archive, e = d.archive()
		if err = e; err == nil {
			release, e := archive.Release(ctx, demoSuite)
			if err = e; err == nil {
				d.ok("debian mirror", "Debian %s, signed %s", release.Version, release.Date.Format("2006-01-02"))
				return
			}
		}
	}
	d.warn("debian mirror", err)
}

// nixosHosts asks the hosts that a build of NixOS, other than the demo, downloads from.
func (d *doctor) nixosHosts(ctx context.Context) {
	if d.sources.offline || d.client == nil {
		return
	}
	for _, host := range []struct{ name, url string }{
		{"nixos channel", nix.ChannelsURL + "/nixos-" + nix.DefaultRelease + "/git-revision"},
		{"binary cache", cacheInfo(nix.CacheURL)},
	} {
		once := *d.client
		once.Attempts, once.Report, once.Progress = 1, nil, nil
		asked, cancel := context.WithTimeout(ctx, cacheTimeout)
		_, err := once.Document(asked, []string{host.url}, maxCacheInfo)
		cancel()
		if err != nil {
			d.warn(host.name, &codedError{exitNetwork, err.Error(), []string{"only the demo can be built without it; mirrors: --channel-mirror, --nix-mirror, --substituter"}})
			continue
		}
		d.ok(host.name, "%s answers", host.url)
	}
}

func (d *doctor) print(asJSON bool) error {
	if asJSON {
		return json.NewEncoder(d.out).Encode(map[string]any{"findings": d.findings, "works": !d.fatal})
	}
	for _, f := range d.findings {
		fmt.Fprintf(d.out, "%-8s %-16s %s\n", f.Verdict, f.Name, f.Text)
		for _, fix := range f.Fixes {
			fmt.Fprintf(d.out, "%-8s %-16s fix: %s\n", "", "", fix)
		}
	}
	return nil
}
