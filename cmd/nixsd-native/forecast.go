package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"nixsd-native/internal/hostinfo"
	"nixsd-native/nix"
	"nixsd-native/sandbox"
)

// A forecast is what a build will do and take, before it does.
type forecast struct {
	Fetch    int      `json:"fetch_paths"`
	Download int64    `json:"download_bytes"`
	Unpacked int64    `json:"unpacked_bytes"`
	Build    []string `json:"build"` // names of derivations
	Heavy    []heavy  `json:"heavy"` // those that would take an hour or more, emulated
	Need     int64    `json:"disk_needed_bytes"`
	Free     int64    `json:"disk_free_bytes"`
	Inodes   int64    `json:"inodes_needed"`
	FreeNode int64    `json:"inodes_free"`
	Memory   int64    `json:"memory_available_bytes"`

	Slots  *slotCount        `json:"slots,omitempty"`  // with remote builders
	Failed map[string]string `json:"failed,omitempty"` // targets that will not be built, and why
}

type heavy struct {
	Name string `json:"name"`
	What string `json:"what"`
}

// What a build takes beside what is fetched: the root file system, the image and, at
// worst on the same disk, the delivered copy, each about as large as what is in them, or
// as the last image;
// and the files that a store path has on average, measured on an image of NixOS 20.03
// (94,013 in some 700 paths, nixpkgs#86366).
const (
	imageCopies  = 3
	filesPerPath = 140
)

// imageBuilder is the derivation whose result is a root file system.
const imageBuilder = "ext4-fs.img"

// forecast asks Nix what it would do, tells it, and stops where that is more than
// anybody wants without knowing.
func (b *build) forecastBuild(ctx context.Context) error {
	dry, err := b.dryRun(ctx, b.nixEnv)
	if err != nil {
		return err
	}
	if b.forecast, err = b.weigh(dry); err != nil {
		return err
	}
	if err := b.mustBeHere(dry); err != nil {
		return err
	}
	f := b.forecast
	if b.job.dryRun {
		b.printed = func() error { return b.printForecast(f) }
		return nil
	}
	if f.Fetch == 0 && len(f.Build) == 0 {
		return nil
	}
	for _, line := range f.summary() {
		b.rep.Note("%s", line)
	}
	return b.allow(f)
}

// dryRun runs Nix without building.
func (b *build) dryRun(ctx context.Context, env []string) (f nix.Forecast, err error) {
	var said bytes.Buffer
	var parseErr error
	exit, err := b.runInSandbox(ctx, sandbox.Command{Argv: nix.DryRunArgs(b.nix, b.derivations()...), Env: env, Dir: "/"}, nil, nil,
		func(r io.Reader) { f, parseErr = nix.ParseForecast(io.TeeReader(r, &said)) })
	switch {
	case err != nil:
		return f, err
	case exit != (sandbox.Exit{}):
		var track nix.Tracker
		nix.ReadLog(&said, func(e nix.Event) { e.Level, e.Fatal = nix.LevelError, true; track.Apply(e) })
		return f, b.shown(track.Failure(exit.Status))
	}
	return f, parseErr
}

// weigh completes a forecast with what this host has.
func (b *build) weigh(dry nix.Forecast) (*forecast, error) {
	f := &forecast{Fetch: len(dry.Fetch), Download: dry.Download, Unpacked: dry.Unpacked, Build: []string{}, Heavy: []heavy{}, Slots: b.slots()}
	f.Need = dry.Unpacked
	imageSize := max(dry.Unpacked, b.lastImageSize())
	for _, drv := range dry.Build {
		name := nix.DerivationName(drv)
		f.Build = append(f.Build, name)
		if strings.HasPrefix(name, imageBuilder) {
			f.Need += imageCopies * imageSize
		}
	}
	slices.Sort(f.Build)
	f.Inodes = int64(len(dry.Fetch)+len(dry.Build)) * filesPerPath
	for _, h := range dry.Heavy() {
		if emulated, err := b.isEmulated(h.Derivation); err != nil {
			return nil, err
		} else if emulated {
			f.Heavy = append(f.Heavy, heavy{h.Name, h.What})
		}
	}
	state, _ := b.privileges.Dirs()
	disk, err := hostinfo.DiskOf(state)
	if err != nil {
		return nil, err
	}
	f.Free, f.FreeNode = disk.Free, disk.Inodes
	_, f.Memory, err = hostinfo.Memory()
	return f, err
}

// lastImageSize returns the bytes of the image that was built last, or 0.
func (b *build) lastImageSize() int64 {
	products, err := b.session.Open(nix.ResultLink + "/" + nix.ProductsFile)
	if err != nil {
		return 0
	}
	defer products.Close()
	name, err := nix.ImageOfLast(products)
	if err != nil {
		return 0
	}
	image, err := b.session.Open(name)
	if err != nil {
		return 0
	}
	defer image.Close()
	info, err := image.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// isEmulated reports whether a derivation's builder is not native, neither here nor on
// the machine that builds it.
func (b *build) isEmulated(derivation string) (bool, error) {
	if b.mode == emulationNone && b.builders.native(nix.System) {
		return false, nil
	}
	assembly, err := b.assemblyOf(derivation)
	return assembly == assemblyEmulated, err
}

// summary says a forecast in a few lines.
func (f *forecast) summary() []string {
	if f.Fetch == 0 && len(f.Build) == 0 {
		return []string{"nothing to fetch, nothing to build"}
	}
	need := ""
	if f.Need > 0 { // nobody knows how large a first image is that is built of what is here
		need = "about " + size(f.Need) + " needed, "
	}
	lines := []string{
		fmt.Sprintf("%d store paths to fetch, %s (%s unpacked); %d derivations to build", f.Fetch, size(f.Download), size(f.Unpacked), len(f.Build)),
		fmt.Sprintf("disk: %s%s free; memory: %s available", need, size(f.Free), size(f.Memory)),
	}
	if f.Slots != nil {
		lines = append(lines, f.Slots.String())
	}
	for _, h := range f.Heavy {
		lines = append(lines, fmt.Sprintf("heavy under emulation: %s (%s)", h.Name, h.What))
	}
	return lines
}

// allow stops a build that this host has no room for, or that would take for ever.
func (b *build) allow(f *forecast) error {
	state, _ := b.privileges.Dirs()
	if f.Need > f.Free {
		return &codedError{exitHost, fmt.Sprintf("the build needs about %s in %s, which has %s free", size(f.Need), state, size(f.Free)), []string{
			"free some space, or choose another folder with --state-dir",
		}}
	}
	if f.FreeNode > 0 && f.Inodes > f.FreeNode { // some file systems do not count them
		return &codedError{exitHost, fmt.Sprintf("the build needs about %d inodes in %s, which has %d free", f.Inodes, state, f.FreeNode), []string{
			"choose a folder on another file system with --state-dir",
		}}
	}
	if len(f.Build) > 0 && f.Memory < needRAM {
		b.rep.Warn("%s of memory available: builders may be killed; close other programs, add swap, or use --max-jobs 1 --cores 1", size(f.Memory))
	}
	if len(f.Heavy) == 0 || b.job.allowHeavy {
		return nil
	}
	return tooHeavy(f.Heavy)
}

// unforeseen stops a build that turns to heavy work which the forecast expected from a
// cache: one that is not trusted, or does not deliver.
func (b *build) unforeseen(derivation string) error {
	found := nix.Forecast{Build: []string{derivation}}.Heavy()
	if len(found) == 0 || b.job.allowHeavy || slices.Contains(b.forecast.Build, found[0].Name) {
		return nil
	}
	if emulated, err := b.isEmulated(derivation); err != nil || !emulated {
		return err
	}
	return tooHeavy([]heavy{{found[0].Name, found[0].What}})
}

// tooHeavy says what would take for ever, and what helps.
func tooHeavy(all []heavy) error {
	names := make([]string, len(all))
	for i, h := range all {
		names[i] = fmt.Sprintf("%s (%s)", h.Name, h.What)
	}
	return &codedError{exitHost, "hours or days of emulated work: no cache has " + strings.Join(names, ", "), []string{
		"use what the cache has: the stock kernel (leave boot.kernelPackages alone) and unchanged packages",
		"or name a cache that has it and is trusted: --substituter URL --trusted-public-key KEY",
		"or let an aarch64 machine build, which emulates nothing: --builder HOST",
		"or go on all the same: --allow-heavy",
	}}
}

// printForecast prints a forecast as the result.
func (b *build) printForecast(f *forecast) error {
	if b.job.json {
		f.Failed = map[string]string{}
		for _, t := range b.targets {
			if t.err != nil {
				f.Failed[t.String()] = t.cause()
			}
		}
		return json.NewEncoder(b.out).Encode(f)
	}
	for _, line := range f.summary() {
		fmt.Fprintln(b.out, line)
	}
	for _, name := range f.Build {
		fmt.Fprintf(b.out, "build %s\n", name)
	}
	return nil
}
