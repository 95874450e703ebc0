package main

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/spf13/pflag"
)

// A buildJob is the command build with its flags.
type buildJob struct {
	commonFlags
	sourceFlags
	nixosFlags
	emulationFlags
	cacheFlags
	pushFlags
	buildersFlags
	optionFlags
	injectFlags
	configs    []string
	output     string
	demo       bool
	sshKeys    []string
	assembly   string
	sandboxed  bool
	cores      int
	maxJobs    int
	keepGoing  bool
	dryRun     bool
	allowHeavy bool
	compress   string
	stallAfter time.Duration
}

func buildCommand() command {
	return command{
		name:    "build",
		args:    "[CONFIG…]",
		summary: "build an SD-card image, or several",
		help: `CONFIG is a NixOS module, by default ./sd-card.nix if there is one, else the
built-in one. The image, its checksum and a manifest are put into the current
folder or where --output says, and the image's path is printed.

Several CONFIGs, a folder of them, or several --flake make as many images in one
run, named after them. What they share is built once, and a bad one does not
stop the rest.

Examples:
  sudo nixsd-native build --demo --ssh-key ~/.ssh/id_ed25519.pub
  nixsd-native build --demo -o images/ sd-card.nix   (no root, from Linux 6.7)
  nixsd-native build -o images/ boards/              (all of a folder)`,
		new: func(fs *pflag.FlagSet) job {
			j := new(buildJob)
			j.register(fs)
			return j
		},
	}
}

func (j *buildJob) register(fs *pflag.FlagSet) {
	fs.StringVarP(&j.output, "output", "o", ".", "`file or folder` for the image")
	fs.BoolVar(&j.demo, "demo", false, "build the small demo system, from Debian packages, instead of NixOS")
	fs.StringArrayVar(&j.sshKeys, "ssh-key", nil, "add the public key in `file` to the image's login; repeatable")
	j.nixosFlags.inputs(fs)
	j.nixosFlags.changes(fs)
	j.sourceFlags.register(fs)
	j.sourceFlags.registerBundle(fs)
	j.emulationFlags.register(fs)
	j.cacheFlags.register(fs)
	j.pushFlags.register(fs)
	j.buildersFlags.register(fs)
	j.optionFlags.register(fs)
	j.injectFlags.register(fs, "inject")
	fs.BoolVar(&j.dryRun, "dry-run", false, "tell what would be downloaded and built, and stop")
	fs.BoolVar(&j.allowHeavy, "allow-heavy", false, "go on although a kernel, a compiler or the like would be built under emulation")
	fs.StringVar(&j.compress, "compress", compressNone, "`none|zstd`: compress the delivered image")
	fs.StringVar(&j.assembly, "assembly", assemblyAuto, "`auto|native|emulated`: which tools make file systems")
	fs.BoolVar(&j.sandboxed, "sandbox", true, "use Nix's own sandbox for each build, too")
	fs.IntVar(&j.cores, "cores", 0, "processors for one build, 0 for all")
	fs.IntVar(&j.maxJobs, "max-jobs", 0, "builds at a time, 0 for one a processor")
	fs.BoolVar(&j.keepGoing, "keep-going", false, "after a failure, go on with what does not depend on it")
	fs.DurationVar(&j.stallAfter, "stall-timeout", defaultStall, "warn when a build neither prints nor computes for this `time`, 0 for never")
	j.commonFlags.register(fs)
}

func (j *buildJob) check(args []string) error {
	if err := firstError(j.commonFlags.check(), j.sourceFlags.check(), j.emulationFlags.check(j.qemu), j.nixosFlags.check(j.demo), j.cacheFlags.check(j.offline), j.pushFlags.check(j), j.buildersFlags.check(j.offline, j.sandboxed), j.optionFlags.check(), j.injectFlags.check()); err != nil {
		return err
	}
	switch {
	case !slices.Contains([]string{assemblyAuto, assemblyNative, assemblyEmulated}, j.assembly):
		return usageErrorf("", "--assembly must be auto, native or emulated, not %q", j.assembly)
	case j.compress != compressNone && j.compress != compressZstd:
		return usageErrorf("", "--compress must be none or zstd, not %q", j.compress)
	case j.cores < 0 || j.maxJobs < 0:
		return usageErrorf("", "--cores and --max-jobs must not be negative")
	case j.stallAfter < 0:
		return usageErrorf("give a time such as 10m, or 0 for never", "--stall-timeout must not be negative")
	case j.output == "":
		return usageErrorf("", "--output must not be empty")
	case !j.sandboxed && j.cacheFlags.netrc()+j.pushFlags.netrc() != "":
		return usageErrorf("leave --sandbox=false out", "without Nix's sandbox builders could read the logins of the caches")
	case j.builderKey != "" && !j.buildersFlags.any() && !j.bySSH():
		return usageErrorf("", "--builder-key is about --builder, --builders and --push-to by ssh")
	case j.ofFlake() && len(args) > 0:
		return usageErrorf("", "--flake and CONFIG exclude each other")
	}
	j.configs = j.orDefault(args)
	return nil
}

func (j *buildJob) needs() needs {
	n := j.nixosNeeds(j.configs, j.demo)
	n.state, n.cache, n.output, n.offline, n.trustedDeb = j.state, j.cache, j.output, j.offline, j.qemu.SHA256
	n.files = slices.Concat(j.sshKeys, j.namedFiles(), j.nixosFlags.files(), j.pushFlags.files(), j.buildersFlags.files(), j.injectFlags.files())
	n.caches = j.cacheFlags.folders()
	n.push, _ = folderOf(j.pushTo)
	return n
}

// run is the pipeline.
func (j *buildJob) run(ctx context.Context, a *app) error {
	b := newBuild(j, a)
	all := []step{
		{"preflight", b.preflight},
		{"inputs", b.fetchInputs},
		{"handler", b.registerHandler},
		{"sandbox", b.startSandbox},
		{"bootstrap", b.bootstrapAndLock},
		{"evaluate", b.evaluate},
		{"sandbox", b.showSecrets},
		{"forecast", b.forecastBuild},
		{"build", b.realise},
		{"deliver", b.deliver},
	}
	if j.dryRun {
		all = all[:len(all)-2]
	} else if j.injectFlags.any() {
		all = slices.Insert(all, len(all)-1, step{"tools", b.findTools})
	}
	if !j.dryRun && j.pushTo != "" {
		all = append(all, step{"push", b.push})
	}
	err := b.steps(ctx, all)
	b.close()
	if err == nil {
		err = b.fleetError()
	}
	if err = b.finish(err); err != nil && !b.delivered {
		return err
	}
	return cmp.Or(b.printed(), err)
}
