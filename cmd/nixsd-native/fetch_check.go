package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"nixsd-native/internal/fetch"
	"nixsd-native/nix"
	"nixsd-native/qemu"
)

// pinnedFiles are what the cache is to hold of one kind of input.
type pinnedFiles struct {
	kind, name string
	files      []fetch.Request
	state      string // why nothing can be said of them, or ""
}

// one is a kind of a single file. Without a hash nobody can tell it from others.
func one(kind string, r fetch.Request) pinnedFiles {
	p := pinnedFiles{kind: kind, name: r.Name, files: []fetch.Request{r}}
	if r.SHA256 == "" {
		p.state = stateUnlocked
	}
	return p
}

// verifyInputs hashes what the lock, or else pins and flags, say that a build takes.
// Nothing is downloaded, and nothing on disk is changed.
func (w *workspace) verifyInputs(ctx context.Context) ([]inputRow, error) {
	_, dir := w.privileges.Dirs()
	w.client = &fetch.Client{Cache: fetch.CacheAt(dir), Offline: true}
	pinned, err := w.pinnedInputs(ctx)
	if err != nil {
		return nil, err
	}
	v := verification{cache: w.client.Cache}
	var rows []inputRow
	for _, p := range pinned {
		row, err := v.look(ctx, p)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, v.verdict(w.fetchLine(), w.bundleOffer(), !w.sources.offline)
}

// pinnedInputs lists what is known of a build's inputs without network.
func (w *workspace) pinnedInputs(ctx context.Context) ([]pinnedFiles, error) {
	if !w.demo {
		if err := w.obeyLock(); err != nil {
			return nil, err
		}
	}
	var all []pinnedFiles
	if w.emulation.emulatesOn(w.system) {
		r, err := w.pinnedEmulator(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, one("qemu", r))
	}
	if w.demo {
		return append(all, w.pinnedDemo()...), nil
	}
	r, err := w.pinnedNix(ctx)
	if err != nil {
		return nil, err
	}
	all = append(all, one("nix", r))
	if w.nixos.ofFlake() || w.nixos.nixpkgsIsFolder() {
		return all, nil
	}
	return append(all, one("nixpkgs", w.pinnedNixpkgs())), nil
}

// pinnedEmulator is the .deb that resolveEmulator would take.
func (w *workspace) pinnedEmulator(ctx context.Context) (fetch.Request, error) {
	want := w.wantedEmulator()
	pin, pinned := qemu.ByHash(want.SHA256)
	switch {
	case want == (qemu.Want{}):
		pin, pinned = qemu.Default(), true
	case want.Suite != "":
		return fetch.Request{Name: "the emulator that " + want.Suite + " has now", SHA256: want.SHA256}, nil
	case !pinned && want.Deb == "": // of a lock that was made with a file
		return fetch.Request{Name: w.lock.QEMU.Name, SHA256: want.SHA256}, nil
	}
	if pinned {
		return fetch.Request{Name: pin.Name(), SHA256: pin.SHA256, Size: pin.Size, URLs: pin.Sources(w.mirrors())}, nil
	}
	return w.pinnedByFlag(ctx, "--qemu-deb", want.Deb, want.SHA256)
}

// pinnedNix is the tarball that fetchNix would take.
func (w *workspace) pinnedNix(ctx context.Context) (fetch.Request, error) {
	if w.lock != nil {
		if l, ok := w.lock.Nix[w.system]; ok {
			return w.lockedRequest(l), nil
		}
	}
	if w.nixos.tarball == "" {
		return w.lockedRequest(nix.LockedPins()[w.system]), nil
	}
	return w.pinnedByFlag(ctx, "--nix", w.nixos.tarball, w.nixos.tarballSHA256)
}

func (w *workspace) lockedRequest(l nix.LockedTarball) fetch.Request {
	r := fetch.Request{Name: path.Base(l.URL), SHA256: l.SHA256}
	if isWebURL(l.URL) {
		r.URLs = w.nixos.mirrored(l.URL)
	}
	return r
}

// pinnedNixpkgs is the lock's, or one that a flag gives the hash of.
func (w *workspace) pinnedNixpkgs() fetch.Request {
	f := w.nixos
	switch {
	case w.lock != nil:
		r := w.lockedRequest(w.lock.Nixpkgs.LockedTarball)
		r.Name = w.lock.Nixpkgs.Name()
		return r
	case nix.IsRevision(f.nixpkgs):
		return fetch.Request{Name: "nixpkgs " + f.nixpkgs[:12], SHA256: f.nixpkgsSHA256}
	case f.nixpkgs != "":
		return fetch.Request{Name: path.Base(f.nixpkgs), SHA256: f.nixpkgsSHA256}
	}
	channel, _ := nix.Channel(cmp.Or(f.release, nix.DefaultRelease)) // checked with the flags
	return fetch.Request{Name: "channel " + channel}
}

// pinnedByFlag is what a flag names, a URL or a file, with its hash.
func (w *workspace) pinnedByFlag(ctx context.Context, flag, name, sum string) (fetch.Request, error) {
	r := fetch.Request{Name: path.Base(name), SHA256: sum}
	if isWebURL(name) {
		r.URLs = []string{name}
		return r, nil
	}
	f, err := w.privileges.Open(name)
	if err != nil {
		return r, usageErrorf("name an existing file with "+flag, "%s: %v", name, bare(err))
	}
	defer f.Close()
	whole := newSummed(f)
	if _, err := io.Copy(io.Discard, io.LimitReader(whole, maxTarball)); err != nil {
		return r, err
	}
	if r.SHA256 = whole.sum(); sum != "" && sum != r.SHA256 {
		return r, &qemu.HashError{What: name, Want: sum, Got: r.SHA256}
	}
	return r, ctx.Err()
}

// pinnedDemo is what the recorded plan says.
func (w *workspace) pinnedDemo() []pinnedFiles {
	plan, err := w.readDemoPlan()
	if err != nil {
		name := "demo/" + path.Base(w.demoPlanFile())
		p := pinnedFiles{kind: "packages", name: name, files: []fetch.Request{{Name: name}}, state: stateMissing}
		if !errors.Is(err, os.ErrNotExist) && !errors.Is(err, errOtherPlan) {
			p.state = stateDamaged
		}
		return []pinnedFiles{p}
	}
	requests := w.demoRequests(plan)
	return []pinnedFiles{
		one("nix", fetch.Request{Name: plan.Nix.Name, SHA256: plan.Nix.SHA256}),
		one("nixpkgs", fetch.Request{Name: plan.Nixpkgs.Name, SHA256: plan.Nixpkgs.SHA256}),
		{kind: "packages", name: packagesName(len(requests)), files: requests},
	}
}

// A verification gathers what is wrong with a cache.
type verification struct {
	cache   *fetch.Cache
	missing []fetch.Missing
	damaged []string
}

// look hashes files of one kind.
func (v *verification) look(ctx context.Context, p pinnedFiles) (inputRow, error) {
	row := inputRow{Kind: p.kind, Name: p.name, Files: len(p.files), State: p.state}
	if len(p.files) == 1 {
		row.SHA256, row.Size = p.files[0].SHA256, p.files[0].Size
	}
	switch p.state {
	case stateUnlocked:
		v.missing = append(v.missing, fetch.Missing{Name: p.name + ", which no lock pins"})
		return row, nil
	case stateMissing:
		v.missing = append(v.missing, fetch.Missing{Name: p.name})
		return row, nil
	case stateDamaged:
		v.damaged = append(v.damaged, p.name)
		return row, nil
	}
	missing, damaged := len(v.missing), len(v.damaged)
	row.Size = 0
	for _, r := range p.files {
		e, err := v.cache.Verify(ctx, r.SHA256, r.Size)
		switch {
		case is[*fetch.NotCachedError](err):
			v.missing = append(v.missing, fetch.Missing{Name: r.Name, SHA256: r.SHA256, Size: r.Size, URLs: r.URLs})
		case is[*fetch.DamagedError](err):
			v.damaged = append(v.damaged, err.Error())
		case err != nil:
			return row, err
		}
		row.Size += max(r.Size, e.Size)
	}
	row.State = stateOf(len(p.files), len(v.missing)-missing, len(v.damaged)-damaged)
	return row, nil
}

// stateOf sums the state of files up.
func stateOf(files, missing, damaged int) string {
	var parts []string
	for _, part := range []struct {
		count int
		state string
	}{{missing, stateMissing}, {damaged, stateDamaged}} {
		switch part.count {
		case 0:
		case files:
			return part.state
		default:
			parts = append(parts, fmt.Sprintf("%d %s", part.count, part.state))
		}
	}
	if parts == nil {
		return stateOK
	}
	return strings.Join(parts, ", ")
}

// verdict returns nil if everything is there and sound. What is damaged weighs more than
// what is missing; command fetches both, and bundle is that of OfflineError.
func (v *verification) verdict(command, bundle string, online bool) error {
	missing := &fetch.OfflineError{Dir: v.cache.Dir(), Missing: v.missing, Command: command, Bundle: bundle, Online: online}
	switch {
	case len(v.damaged) > 0:
		text := "damaged in the cache: " + strings.Join(fetch.First(v.damaged), "; ")
		if len(v.missing) > 0 {
			text += "; and " + missing.Error()
		}
		anew := "have what is damaged removed and fetched anew: " + command
		if !online {
			anew = "on a machine with network, " + anew
		}
		return &codedError{exitVerify, text, []string{
			anew,
			"or copy sound files into " + v.cache.Dir() + " by hand; they are found by their hash",
		}}
	case len(v.missing) > 0:
		return missing
	}
	return nil
}
