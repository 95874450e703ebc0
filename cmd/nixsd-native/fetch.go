package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"github.com/spf13/pflag"
)

// A fetchJob is the command fetch with its flags.
type fetchJob struct {
	commonFlags
	sourceFlags
	emulationFlags
	demo bool
}

func fetchCommand() command {
	return command{
		name:    "fetch",
		summary: "download and verify every input, build nothing",
		help: `Fills the cache, so that a later build needs no network. A file that is copied
into the cache folder by hand is found by its hash, whatever its name.

Example:
  sudo nixsd-native fetch --demo && sudo nixsd-native build --demo --offline`,
		new: func(fs *pflag.FlagSet) job {
			j := new(fetchJob)
			fs.BoolVar(&j.demo, "demo", false, "the inputs of the demo")
			j.sourceFlags.register(fs)
			j.emulationFlags.register(fs)
			j.commonFlags.register(fs)
			return j
		},
	}
}

func (j *fetchJob) check(args []string) error {
	for _, err := range []error{noArguments(args), j.commonFlags.check(), j.sourceFlags.check(), j.emulationFlags.check(j.qemu)} {
		if err != nil {
			return err
		}
	}
	if !j.demo {
		return usageErrorf("add --demo", "this version fetches the demo's inputs only")
	}
	return nil
}

func (j *fetchJob) needs() needs {
	return needs{state: j.state, cache: j.cache, offline: j.offline, files: j.namedFiles()}
}

func (j *fetchJob) run(ctx context.Context, a *app) error {
	b := &build{workspace: newWorkspace(a, &j.commonFlags, &j.sourceFlags, &j.emulationFlags)}
	b.demo = j.demo
	err := b.steps(ctx, []step{
		{"preflight", b.lockState},
		{"inputs", b.fetchInputs},
	})
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
	add("--emulation", w.emulation.mode, emulationAuto)
	add("--qemu-deb", w.sources.qemu.Deb, "")
	add("--qemu-sha256", w.sources.qemu.SHA256, "")
	add("--qemu-suite", w.sources.qemu.Suite, "")
	for _, m := range w.sources.mirrors {
		add("--debian-mirror", m, "")
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
	lines := []line{
		{"nix", w.inputs.nix.Name, w.inputs.nix.SHA256},
		{"nixpkgs", w.inputs.nixpkgs.Name, w.inputs.nixpkgs.SHA256},
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
