package main

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/spf13/pflag"

	"nixsd-native/internal/demo"
	"nixsd-native/internal/shell"
	"nixsd-native/nix"
	"nixsd-native/qemu"
)

// A fetchJob is the command fetch with its flags.
type fetchJob struct {
	commonFlags
	sourceFlags
	nixosFlags
	emulationFlags
	demo    bool
	configs []string
	system  string // of the machine that is to build
	verify  bool
}

func fetchCommand() command {
	return command{
		name:    "fetch",
		args:    "[CONFIG…]",
		summary: "download and verify every input, build nothing",
		help: `Fills the cache, so that a later build needs no network, and lists what is in
it. What broke off is resumed. A file that is copied into the cache folder by
hand is found by its hash, whatever its name. With --check nothing is downloaded
or changed: every file is hashed, and exit code 4 says that one is damaged, 5
that one is missing.

CONFIG is only asked for the lock file beside it.

Examples:
  sudo nixsd-native fetch
  sudo nixsd-native fetch --demo && sudo nixsd-native build --demo --offline
  nixsd-native fetch --system aarch64-linux --cache-dir /media/stick
  nixsd-native fetch --check`,
		new: func(fs *pflag.FlagSet) job {
			j := new(fetchJob)
			fs.BoolVar(&j.demo, "demo", false, "the inputs of the demo")
			fs.StringVar(&j.system, "system", nativeSystem(), "`x86_64-linux|aarch64-linux`: what the machine is that will build")
			fs.BoolVar(&j.verify, "check", false, "verify what the cache holds, without network, and change nothing")
			j.nixosFlags.inputs(fs)
			fs.StringArrayVar(&j.flakes, "flake", nil, "the lock file is that of the flake `REF`")
			j.sourceFlags.register(fs)
			j.emulationFlags.register(fs)
			j.commonFlags.register(fs)
			return j
		},
	}
}

func (j *fetchJob) check(args []string) error {
	if len(args) > 0 && (j.demo || j.ofFlake()) {
		return usageErrorf("", "CONFIG %s has no effect with --demo or --flake", args[0])
	}
	j.configs = j.orDefault(args)
	return firstError(mustExist(args), j.commonFlags.check(), j.sourceFlags.check(), j.emulationFlags.check(j.qemu), j.nixosFlags.check(j.demo), j.checkSystem())
}

// checkSystem refuses what a machine that is to build cannot be, or has no use for.
func (j *fetchJob) checkSystem() error {
	if !slices.ContainsFunc(demo.Hosts, func(h demo.Host) bool { return h.System == j.system }) {
		return usageErrorf("", "--system must be x86_64-linux or aarch64-linux, not %q", j.system)
	}
	if j.system != nix.System || j.system == nativeSystem() {
		return nil
	}
	if j.mode == emulationHost || j.mode == emulationPrivate || j.qemu != (qemu.Want{}) {
		return usageErrorf("leave it out", "%s emulates nothing, so --emulation %s and --qemu-… have no effect", j.system, j.mode)
	}
	return nil
}

func (j *fetchJob) needs() needs {
	n := j.nixosNeeds(j.configs, j.demo)
	n.configs, n.flakes = nil, nil // nothing is evaluated
	n.looks = j.verify
	n.state, n.cache, n.offline, n.files = j.state, j.cache, j.offline, append(j.namedFiles(), j.nixosFlags.files()...)
	return n
}

func (j *fetchJob) run(ctx context.Context, a *app) error {
	b := &build{workspace: newWorkspace(a, &j.commonFlags, &j.sourceFlags, &j.emulationFlags)}
	b.demo, b.configs, b.nixos, b.system, b.carry = j.demo, j.configs, &j.nixosFlags, j.system, true
	var rows []inputRow
	var err error
	if j.verify {
		err = b.steps(ctx, []step{{"check", func(ctx context.Context) (err error) {
			rows, err = b.verifyInputs(ctx)
			return err
		}}})
	} else if rows, err = b.fetchAll(ctx); err == nil {
		err = b.makeLock()
	}
	if err = b.finish(err); err != nil && len(rows) == 0 {
		return err
	}
	return cmp.Or(err, b.printInputs(j.json, rows))
}

// fetchAll fills the cache.
func (b *build) fetchAll(ctx context.Context) ([]inputRow, error) {
	err := b.steps(ctx, []step{
		{"preflight", b.lockState},
		{"inputs", b.fetchInputs},
	})
	if err != nil {
		return nil, err
	}
	return b.inputRows()
}

// fetchLine is the command line that fetches what this one needs.
func (w *workspace) fetchLine() string {
	line := w.commandLine("fetch")
	if w.demo {
		line += " --demo"
	}
	add := func(flag, value, otherwise string) {
		if value != otherwise {
			line += " " + flag + " " + shell.Word(value)
		}
	}
	asked := w.nixos.asked(&sourceFlags{})
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		add("--"+name, asked[name], "")
	}
	add("--system", w.system, nativeSystem())
	add("--lock-file", w.lockAt(), "")
	for _, ref := range w.nixos.flakes {
		add("--flake", ref, "")
	}
	add("--emulation", w.emulation.mode, emulationAuto)
	add("--qemu-deb", w.sources.qemu.Deb, "")
	add("--qemu-sha256", w.sources.qemu.SHA256, "")
	add("--qemu-suite", w.sources.qemu.Suite, "")
	for _, list := range []struct {
		flag string
		urls []string
	}{{"--debian-mirror", w.sources.mirrors}, {"--channel-mirror", w.nixos.channelMirrors}, {"--nix-mirror", w.nixos.nixMirrors}} {
		for _, m := range list.urls {
			add(list.flag, m, "")
		}
	}
	_, used := w.privileges.Dirs()
	_, standard := w.standardDirs()
	add("--cache-dir", used, standard)
	return line
}

// lockAt is what tells fetch where the lock is, or "" if it finds that by itself.
func (w *workspace) lockAt() string {
	at := w.nixos.lockFile
	if at == "" && !w.demo && !w.nixos.ofFlake() && len(w.configs) > 0 {
		at = w.nixos.lockPath(w.configs)
	}
	if at == nix.LockName {
		return ""
	}
	return at
}
