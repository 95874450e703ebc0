package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/pflag"
)

// A fetchJob is the command fetch with its flags.
type fetchJob struct {
	commonFlags
	sourceFlags
	nixosFlags
	emulationFlags
	demo    bool
	configs []string
}

func fetchCommand() command {
	return command{
		name:    "fetch",
		args:    "[CONFIG…]",
		summary: "download and verify every input, build nothing",
		help: `Fills the cache, so that a later build needs no network. A file that is copied
into the cache folder by hand is found by its hash, whatever its name.

CONFIG is only asked for the lock file beside it.

Examples:
  sudo nixsd-native fetch
  sudo nixsd-native fetch --demo && sudo nixsd-native build --demo --offline`,
		new: func(fs *pflag.FlagSet) job {
			j := new(fetchJob)
			fs.BoolVar(&j.demo, "demo", false, "the inputs of the demo")
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
	switch {
	case len(args) > 0 && (j.demo || j.ofFlake()):
		return usageErrorf("", "CONFIG %s has no effect with --demo or --flake", args[0])
	}
	j.configs = j.orDefault(args)
	return firstError(mustExist(args), j.commonFlags.check(), j.sourceFlags.check(), j.emulationFlags.check(j.qemu), j.nixosFlags.check(j.demo))
}

func (j *fetchJob) needs() needs {
	n := j.nixosNeeds(j.configs, j.demo)
	n.configs, n.flakes = nil, nil // nothing is evaluated
	n.state, n.cache, n.offline, n.files = j.state, j.cache, j.offline, append(j.namedFiles(), j.nixosFlags.files()...)
	return n
}

func (j *fetchJob) run(ctx context.Context, a *app) error {
	b := &build{workspace: newWorkspace(a, &j.commonFlags, &j.sourceFlags, &j.emulationFlags)}
	b.demo, b.nixos = j.demo, &j.nixosFlags
	err := b.steps(ctx, []step{
		{"preflight", b.lockState},
		{"inputs", b.fetchInputs},
	})
	if err == nil {
		err = b.makeLock()
	}
	if err = b.finish(err); err != nil {
		return err
	}
	return b.printInputs(j.json)
}

// fetchLine is the command line that fetches what this one needs.
func (w *workspace) fetchLine() string {
	line := "nixsd-native fetch"
	_, isRoot := w.privileges.(*monitorClient)
	if isRoot {
		line = "sudo " + line
	}
	if w.demo {
		line += " --demo"
	}
	add := func(flag, value, otherwise string) {
		if value != otherwise {
			line += " " + flag + " " + quoted(value)
		}
	}
	asked := w.nixos.asked(&sourceFlags{})
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		add("--"+name, asked[name], "")
	}
	add("--lock-file", w.nixos.lockFile, "")
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
	_, standard := w.env.dirs(isRoot)
	add("--cache-dir", used, standard)
	return line
}

// quoted returns s as a shell takes it.
func quoted(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("-_./:,=+@%", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// printInputs lists what the cache holds for a build now.
func (w *workspace) printInputs(asJSON bool) error {
	type line struct {
		Kind   string `json:"kind"`
		Name   string `json:"name"`
		SHA256 string `json:"sha256"`
	}
	lines := []line{{"nix", w.inputs.nix.Name, w.inputs.nix.SHA256}}
	if n := w.inputs.nixpkgs; n.SHA256 != "" {
		lines = append(lines, line{"nixpkgs", n.Name, n.SHA256})
	}
	if e := w.inputs.emulator; e != nil {
		lines = append([]line{{"qemu", e.Name, e.SHA256}}, lines...)
	}
	if asJSON {
		return json.NewEncoder(w.out).Encode(map[string]any{"inputs": lines, "cache": w.client.Cache.Dir()})
	}
	for _, l := range lines {
		fmt.Fprintf(w.out, "%-8s %s  %s\n", l.Kind, l.SHA256, l.Name)
	}
	return nil
}
