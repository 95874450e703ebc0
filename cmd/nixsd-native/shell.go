package main

import (
	"context"
	"errors"
	"os"
	"path"

	"github.com/spf13/pflag"

	"nixsd-native/nix"
	"nixsd-native/sandbox"
)

// A shellJob is the command shell with its flags.
type shellJob struct {
	commonFlags
	sourceFlags
	emulationFlags
	demo    bool
	config  string
	command []string
}

func shellCommand() command {
	return command{
		name:    "shell",
		args:    "[-- COMMAND…]",
		summary: "run a shell, or a command, inside the build's root",
		help: `Everything is as in a build: Nix's programs are in PATH, <nixpkgs> is what builds
use, /etc/nixsd/configuration.nix is ./sd-card.nix if there is one, else the built-in
configuration, aarch64 programs run, and nothing else of the host can be seen.

Examples:
  sudo nixsd-native shell --demo
  sudo nixsd-native shell --demo -- nix-store --verify --check-contents`,
		new: func(fs *pflag.FlagSet) job {
			j := new(shellJob)
			fs.SetInterspersed(false)
			fs.BoolVar(&j.demo, "demo", false, "the demo's root")
			j.sourceFlags.register(fs)
			j.emulationFlags.register(fs)
			j.commonFlags.register(fs)
			return j
		},
	}
}

func (j *shellJob) check(args []string) error {
	j.command, j.config = args, defaultConfig()
	for _, err := range []error{j.commonFlags.check(), j.sourceFlags.check(), j.emulationFlags.check(j.qemu)} {
		if err != nil {
			return err
		}
	}
	if !j.demo {
		return usageErrorf("add --demo", "this version has the demo's root only")
	}
	return nil
}

func (j *shellJob) needs() needs {
	return needs{state: j.state, cache: j.cache, config: j.config, offline: j.offline, trustedDeb: j.qemu.SHA256, files: j.namedFiles()}
}

func (j *shellJob) run(ctx context.Context, a *app) error {
	b := newBuild(&buildJob{
		commonFlags: j.commonFlags, sourceFlags: j.sourceFlags, emulationFlags: j.emulationFlags,
		config: j.config, demo: j.demo, assembly: assemblyAuto,
	}, a)
	defer b.close()
	err := b.steps(ctx, []step{
		{"preflight", b.lockState},
		{"inputs", b.fetchInputs},
		{"handler", b.registerHandler},
		{"sandbox", b.startSandbox},
		{"bootstrap", b.bootstrap},
	})
	if err != nil {
		return b.finish(err)
	}
	b.rep.Close(false)
	return b.shell(ctx, j.command)
}

// shell runs the command, or a shell, on this terminal.
func (w *workspace) shell(ctx context.Context, argv []string) error {
	env, err := w.nixEnvironment(nix.Conf{})
	if err != nil {
		return err
	}
	if argv, err = w.shellArgs(argv); err != nil {
		return err
	}
	env = append(env, "NIX_PATH=nixpkgs="+w.nixpkgs)
	if w.nix.Shell != "" {
		env = append(env, "PATH="+w.nix.Nix+"/bin:"+path.Dir(w.nix.Shell))
	}
	exit, err := w.onTerminal(ctx, sandbox.Command{Argv: argv, Env: env, Dir: "/root"})
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
	return w.session.Run(ctx, c, os.Stdin, os.Stdout, os.Stderr)
}
