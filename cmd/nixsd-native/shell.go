package main

import (
	"context"
	"errors"
	"os"
	"path"
	"slices"

	"github.com/spf13/pflag"

	"nixsd-native/nix"
	"nixsd-native/sandbox"
)

// A shellJob is the command shell with its flags.
type shellJob struct {
	commonFlags
	sourceFlags
	nixosFlags
	emulationFlags
	cacheFlags
	buildersFlags
	optionFlags
	demo    bool
	configs []string
	command []string
}

func shellCommand() command {
	return command{
		name:    "shell",
		args:    "[-- COMMAND…]",
		summary: "run a shell, or a command, inside the build's root",
		help: `Everything is as in a build: Nix's programs are in PATH, <nixpkgs> is what
builds use, /etc/nixsd/configuration.nix is ./sd-card.nix if there is one, else
the built-in configuration, aarch64 programs run, and nothing else of the host
can be seen.

Examples:
  sudo nixsd-native shell --demo
  sudo nixsd-native shell --demo -- nix-store --verify --check-contents`,
		new: func(fs *pflag.FlagSet) job {
			j := new(shellJob)
			fs.SetInterspersed(false)
			fs.BoolVar(&j.demo, "demo", false, "the demo's root")
			j.nixosFlags.inputs(fs)
			j.nixosFlags.changes(fs)
			j.sourceFlags.register(fs)
			j.sourceFlags.registerBundle(fs)
			j.emulationFlags.register(fs)
			j.cacheFlags.register(fs)
			j.buildersFlags.register(fs)
			j.optionFlags.register(fs)
			j.commonFlags.plain(fs)
			return j
		},
	}
}

func (j *shellJob) check(args []string) error {
	j.command = args
	j.configs = j.orDefault(nil)
	return firstError(j.commonFlags.check(), j.sourceFlags.check(), j.emulationFlags.check(j.qemu), j.cacheFlags.check(j.offline), j.buildersFlags.check(j.offline, true), j.optionFlags.check(), j.nixosFlags.check(j.demo))
}

func (j *shellJob) needs() needs {
	n := j.nixosNeeds(j.configs, j.demo)
	n.state, n.cache, n.offline, n.trustedDeb = j.state, j.cache, j.offline, j.qemu.SHA256
	n.files = slices.Concat(j.namedFiles(), j.nixosFlags.files(), j.buildersFlags.files())
	n.caches = j.cacheFlags.folders()
	return n
}

func (j *shellJob) run(ctx context.Context, a *app) error {
	b := newBuild(&buildJob{
		commonFlags: j.commonFlags, sourceFlags: j.sourceFlags, nixosFlags: j.nixosFlags, emulationFlags: j.emulationFlags, cacheFlags: j.cacheFlags,
		buildersFlags: j.buildersFlags, optionFlags: j.optionFlags,
		configs: j.configs, demo: j.demo, assembly: assemblyAuto,
	}, a)
	defer b.close()
	err := b.steps(ctx, []step{
		{"preflight", b.prepareShell},
		{"inputs", b.fetchInputs},
		{"handler", b.registerHandler},
		{"sandbox", b.startSandbox},
		{"bootstrap", b.bootstrapAndLock},
	})
	if err != nil {
		return b.finish(err)
	}
	b.askCaches(ctx) // which warns, and so cannot wait
	b.rep.Close(false)
	return b.shell(ctx, j.command)
}

// prepareShell reads what the shell's root is made of, and takes the state folder.
func (b *build) prepareShell(ctx context.Context) error {
	b.evaluated = true // nothing is, but by whoever called
	if err := b.findTargets(); err != nil {
		return err
	}
	if err := b.readPatches(); err != nil {
		return err
	}
	if err := b.askBuilders(ctx); err != nil {
		return err
	}
	return b.lockState(ctx)
}

// shell runs the command, or a shell, on this terminal.
func (b *build) shell(ctx context.Context, argv []string) error {
	env, err := b.nixEnvironment(nix.Conf{Substituters: urls(b.caches), TrustedKeys: b.trusted, Options: b.job.settings()})
	if err != nil {
		return err
	}
	if argv, err = b.shellArgs(argv); err != nil {
		return err
	}
	if b.nixpkgs != "" {
		env = append(env, "NIX_PATH=nixpkgs="+b.nixpkgs)
	}
	if b.nix.Shell != "" {
		env = append(env, "PATH="+b.programPath(path.Dir(b.nix.Shell)))
	}
	exit, err := b.onTerminal(ctx, sandbox.Command{Argv: argv, Env: env, Dir: "/root"})
	if err != nil {
		return err
	}
	if exit != (sandbox.Exit{}) {
		return &shellExit{exit}
	}
	return nil
}

// shellArgs returns what is run: the command, looked up in PATH by the shell, or an
// interactive shell.
func (w *workspace) shellArgs(argv []string) ([]string, error) {
	switch {
	case w.nix.Shell == "" && (len(argv) == 0 || !path.IsAbs(argv[0])):
		return nil, errors.New("the installed Nix brings no shell: name a command by its path behind --")
	case w.nix.Shell == "":
		return argv, nil
	case len(argv) == 0:
		return []string{w.nix.Shell, "sh", "-i"}, nil
	}
	return append([]string{w.nix.Shell, "sh", "-c", `exec "$@"`, "sh"}, argv...), nil
}

// A shellExit hands a command's exit status on.
type shellExit struct{ sandbox.Exit }

func (e *shellExit) Error() string { return "" }

// status is the command's, or, as shells have it, 128 and its signal.
func (e *shellExit) status() int {
	if e.Signal != 0 {
		return 128 + e.Signal
	}
	return e.Status
}

// onTerminal runs a command on this process's streams.
func (w *workspace) onTerminal(ctx context.Context, c sandbox.Command) (sandbox.Exit, error) {
	return w.runWatched(ctx, c, os.Stdin, os.Stdout, os.Stderr)
}
