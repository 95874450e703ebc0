package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"nixsd-native/internal/bundle"
	"nixsd-native/internal/shell"
)

// A bundleJob is the command bundle with its flags; those of build are for create.
type bundleJob struct {
	buildJob
	flags       *pflag.FlagSet
	action      string
	file        string
	withSources bool
}

func bundleCommand() command {
	return command{
		name:    "bundle",
		args:    "create|verify FILE [CONFIG…]",
		summary: "put all that a build needs into one file, to build offline",
		help: `What create puts into FILE is used by "build --bundle FILE" on another machine
of this kind, whose cache may be empty: the emulator, Nix, nixpkgs, and what a
build of CONFIG fetches, with its signatures. Two bundles of the same are
bit-identical. With verify every byte of FILE is checked.

Examples:
  nixsd-native bundle create board.nixsd sd-card.nix
  nixsd-native bundle create demo.nixsd --demo
  nixsd-native build --bundle board.nixsd sd-card.nix   (on the other machine)`,
		new: func(fs *pflag.FlagSet) job {
			j := &bundleJob{flags: fs}
			j.register(fs)
			return j
		},
	}
}

func (j *bundleJob) register(fs *pflag.FlagSet) {
	fs.BoolVar(&j.demo, "demo", false, "bundle what the demo needs, whatever its configuration")
	fs.BoolVar(&j.withSources, "sources", false, "also what no cache has and the build would download to build from")
	fs.StringArrayVar(&j.sshKeys, "ssh-key", nil, "add the public key in `file` to the image's login; repeatable")
	j.nixosFlags.inputs(fs)
	j.nixosFlags.changes(fs)
	j.sourceFlags.register(fs)
	j.emulationFlags.register(fs)
	j.cacheFlags.register(fs)
	fs.StringVar(&j.assembly, "assembly", assemblyAuto, "`auto|native|emulated`: which tools will make file systems")
	j.commonFlags.register(fs)
	j.compress, j.sandboxed = compressNone, true
}

// Flags that mean something without a configuration.
var (
	verifyFlags     = append([]string{"json"}, plainFlags...)
	bundleDemoFlags = slices.Concat([]string{"demo", "offline", "emulation"}, emulatorFlags, verifyFlags)
)

func (j *bundleJob) check(args []string) error {
	if len(args) < 2 || args[0] != "create" && args[0] != "verify" {
		return usageErrorf("", "bundle takes create or verify, and a FILE")
	}
	j.action, j.file, args = args[0], args[1], args[2:]
	j.output = j.file
	if j.action == "verify" {
		if len(args) > 0 {
			return usageErrorf("", "bundle verify takes one FILE, so %s has no effect", args[0])
		}
		return firstError(refuseOthers(j.flags, "bundle verify needs no configuration", verifyFlags), j.commonFlags.check())
	}
	if err := checkBundleName(j.file); err != nil {
		return err
	}
	if j.demo && len(args) > 0 {
		return usageErrorf("", "the demo's bundle is for every configuration, so %s has no effect", args[0])
	}
	if j.demo {
		if err := refuseOthers(j.flags, "a bundle of the demo needs no configuration", bundleDemoFlags); err != nil {
			return err
		}
	}
	if j.nixpkgsIsFolder() {
		return usageErrorf("name the URL of a tarball, or a revision", "--nixpkgs %s is a folder, which no lock pins and no bundle holds", j.nixpkgs)
	}
	return j.buildJob.check(args)
}

// checkBundleName refuses the names of other kinds of files, lest a bundle take their
// place.
func checkBundleName(name string) error {
	base := filepath.Base(name)
	if strings.HasSuffix(name, "/") {
		return usageErrorf("name a file in it: "+shell.Word(name+"board.nixsd"), "FILE %s is a folder", name)
	}
	if strings.HasPrefix(base, ".") || slices.Contains(notImages, path.Ext(base)) || path.Ext(base) == ".img" {
		return usageErrorf("name it like board.nixsd", "FILE %s: a bundle's name neither begins with a dot nor ends as those of other files (.img %s)", name, strings.Join(notImages, " "))
	}
	return nil
}

func (j *bundleJob) needs() needs {
	if j.action == "verify" {
		return needs{state: j.state, cache: j.cache, offline: true, looks: true, files: []string{j.file}}
	}
	n := j.buildJob.needs()
	n.files = append(n.files, j.file) // which may be there
	return n
}

func (j *bundleJob) run(ctx context.Context, a *app) error {
	if j.action == "verify" {
		return j.verify(ctx, a)
	}
	return j.create(ctx, a)
}

// A bundleResult is what create and verify print with --json.
type bundleResult struct {
	Path    string `json:"path"`
	SHA256  string `json:"sha256"` // of the file
	Size    int64  `json:"size"`   // bytes
	System  string `json:"system"`
	Demo    bool   `json:"demo"`
	Members int    `json:"members"`
	Index   string `json:"index_sha256"`
}

// verify reads a whole bundle.
func (j *bundleJob) verify(ctx context.Context, a *app) error {
	w := newWorkspace(a, &j.commonFlags, &sourceFlags{offline: true}, &emulationFlags{mode: emulationNone})
	var found bundleResult
	err := w.steps(ctx, []step{{"verify", func(ctx context.Context) error {
		f, err := w.openBundleFile(j.file)
		if err != nil {
			return err
		}
		defer f.Close()
		from := newSummed(f)
		r, err := bundle.NewReader(from, j.file)
		if err != nil {
			return err
		}
		defer r.Close()
		if err := r.Verify(ctx, func(done, total int64) { w.rep.Bytes(filepath.Base(j.file), done, total) }); err != nil {
			return err
		}
		found = bundleResult{j.file, from.sum(), from.n, r.Index.System, r.Index.Demo, len(r.Index.Members), r.ID}
		return nil
	}}})
	if err = w.finish(err); err != nil {
		return err
	}
	if j.json {
		return json.NewEncoder(a.out).Encode(found)
	}
	_, err = fmt.Fprintf(a.out, "%s: good, %d members, for %s\n", j.file, found.Members, found.System)
	return err
}
