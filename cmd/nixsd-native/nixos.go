package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"nixsd-native/internal/fetch"
	"nixsd-native/nix"
	"nixsd-native/qemu"
)

// resolved is what this run found out about inputs that no lock pins yet.
type resolved struct {
	nixpkgs nix.LockedNixpkgs
	nix     map[string]nix.LockedTarball // by system
}

// fetchNixOS makes Nix and nixpkgs available, those of the lock if there is one.
func (w *workspace) fetchNixOS(ctx context.Context) error {
	tarball := make(chan error, 1)
	go func() { tarball <- w.fetchNix(ctx) }()
	return firstError(w.fetchNixpkgs(ctx), <-tarball)
}

// fetchNix makes the Nix tarball for the machine that builds available.
func (w *workspace) fetchNix(ctx context.Context) error {
	locked, ok := nix.LockedTarball{}, false
	if w.lock != nil {
		locked, ok = w.lock.Nix[w.system]
	}
	if !ok {
		var err error
		if w.resolved.nix, err = w.resolveNix(ctx); err != nil {
			return err
		}
		locked = w.resolved.nix[w.system]
	}
	var file string
	var err error
	if !w.hasNix(locked.SHA256) {
		file, err = w.nixFile(ctx, locked)
	}
	w.inputs.nix = input{Name: path.Base(locked.URL), SHA256: locked.SHA256, path: file}
	return err
}

// resolveNix decides which Nix is used: the given one, or the pinned ones, for
// every system, so that the lock serves other machines, too.
func (w *workspace) resolveNix(ctx context.Context) (map[string]nix.LockedTarball, error) {
	f := w.nixos
	if f.tarball == "" {
		return nix.LockedPins(), nil
	}
	locked := nix.LockedTarball{URL: withoutLogin(f.tarball), SHA256: f.tarballSHA256}
	if !strings.Contains(f.tarball, "://") {
		sum, err := w.importNix(ctx, locked.SHA256)
		if err != nil {
			return nil, err
		}
		locked = nix.LockedTarball{URL: filepath.Base(f.tarball), SHA256: sum}
	}
	return map[string]nix.LockedTarball{w.system: locked}, nil
}

// importNix copies the file of --nix into the cache and returns its hash, which must be
// the wanted one, if any.
func (w *workspace) importNix(ctx context.Context, want string) (sum string, err error) {
	_, sum, err = w.importNamed(ctx, w.nixos.tarball, "--nix", maxTarball)
	if err == nil && want != "" && want != sum {
		err = &qemu.HashError{What: w.nixos.tarball, Want: want, Got: sum}
	}
	return sum, err
}

// nixFile returns the path of a Nix tarball that is locked, or about to be.
func (w *workspace) nixFile(ctx context.Context, l nix.LockedTarball) (string, error) {
	if isWebURL(l.URL) {
		return w.lockedFile(ctx, l)
	}
	if w.nixos.tarball != "" && w.lock != nil {
		if _, err := w.importNix(ctx, l.SHA256); err != nil {
			return "", err
		}
	}
	return w.cachedFile(ctx, "--nix", l.URL, l.SHA256)
}

// lockedFile returns the path of a file with a known hash.
func (w *workspace) lockedFile(ctx context.Context, l nix.LockedTarball) (string, error) {
	return w.client.File(ctx, fetch.Request{Name: path.Base(l.URL), SHA256: l.SHA256, URLs: w.withLogin(w.nixos.mirrored(l.URL))})
}

// mirrored lists where a file of upstream's is had: at the given mirrors, then at home.
func (f *nixosFlags) mirrored(url string) []string {
	var all []string
	for home, mirrors := range map[string][]string{nix.ReleasesURL: f.nixMirrors, nix.ChannelsURL: f.channelMirrors} {
		if rest, ok := strings.CutPrefix(url, home+"/"); ok {
			for _, m := range mirrors {
				all = append(all, strings.TrimSuffix(m, "/")+"/"+rest)
			}
		}
	}
	return append(all, url)
}

// channelURLs lists where a channel is resolved: at the given mirrors alone, in their
// order, as another may be at another version.
func (f *nixosFlags) channelURLs(channel string) []string {
	if len(f.channelMirrors) == 0 {
		return []string{nix.ChannelTarball(nix.ChannelsURL, channel)}
	}
	var all []string
	for _, m := range f.channelMirrors {
		all = append(all, nix.ChannelTarball(m, channel))
	}
	return all
}

// fetchNixpkgs makes nixpkgs available: a tarball, or a folder of the user's. A flake
// brings its own.
func (w *workspace) fetchNixpkgs(ctx context.Context) error {
	switch {
	case w.nixos.ofFlake():
		return nil
	case w.nixos.nixpkgsIsFolder():
		w.inputs.nixpkgs = input{Name: w.nixos.nixpkgs}
		return nil
	}
	if w.lock == nil {
		var err error
		if w.resolved.nixpkgs, err = w.resolveNixpkgs(ctx); err != nil {
			return err
		}
	} else if w.lock.Nixpkgs == (nix.LockedNixpkgs{}) {
		return usageErrorf("name another with --lock-file, or resolve everything anew: nixsd-native update", "%s was made for a flake and pins no nixpkgs", nix.LockName)
	}
	n := w.lockedNixpkgs()
	w.warnOfEndOfLife(n.Channel)
	var file string
	var err error
	if !w.hasChannel(n.SHA256) {
		file, err = w.lockedFile(ctx, n.LockedTarball)
	}
	w.inputs.nixpkgs = input{Name: n.Name(), SHA256: n.SHA256, Revision: n.Revision, path: file}
	return err
}

// lockedNixpkgs is the lock's, or what a lock will have.
func (w *workspace) lockedNixpkgs() nix.LockedNixpkgs {
	if w.lock != nil {
		return w.lock.Nixpkgs
	}
	return w.resolved.nixpkgs
}

// resolveNixpkgs finds the version of nixpkgs that a lock will pin, and downloads it.
func (w *workspace) resolveNixpkgs(ctx context.Context) (nix.LockedNixpkgs, error) {
	f := w.nixos
	n := nix.LockedNixpkgs{Date: nix.Today(time.Now())}
	var urls []string
	switch {
	case nix.IsRevision(f.nixpkgs):
		urls, n.Revision = []string{nix.ArchiveURL(f.nixpkgs)}, f.nixpkgs
	case f.nixpkgs != "":
		urls = []string{f.nixpkgs}
	default:
		channel, err := nix.Channel(cmp.Or(f.release, nix.DefaultRelease))
		if err != nil {
			return n, err
		}
		n.Channel = channel
		urls = f.channelURLs(channel)
	}
	n.URL = withoutLogin(urls[0])
	if f.nixpkgsSHA256 != "" {
		n.SHA256 = f.nixpkgsSHA256
		return n, nil
	}
	e, err := w.client.Learn(ctx, fetch.Request{Name: path.Base(n.URL), URLs: urls})
	if err != nil {
		return n, err
	}
	if err := nix.CheckChannel(n.Channel, e.URL); n.Channel != "" && err != nil {
		return n, &codedError{exitVerify, err.Error(), []string{"ask another mirror, or name the other release with --nixos-release"}}
	}
	if err := checkTarball(e.Path); err != nil {
		return n, fmt.Errorf("%s: %w", e.URL, err)
	}
	n.URL, n.SHA256 = e.URL, e.SHA256
	if n.Revision == "" {
		n.Revision = w.revisionOf(ctx, e.URL)
	}
	return n, nil
}

// checkTarball looks at the beginning of what is about to be locked: a page of a portal
// in the way must not become a pin.
func checkTarball(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return nix.CheckTarball(f, info.Size())
}

// revisionOf finds the git revision of a channel's tarball, or of an archive by its
// name. Nothing depends on it but what people are told.
func (w *workspace) revisionOf(ctx context.Context, url string) string {
	if rev, ok := nix.ArchiveRevision(url); ok {
		return rev
	}
	_, short, ok := nix.ChannelVersion(url)
	if !ok {
		return ""
	}
	text, _, err := w.client.Document(ctx, []string{nix.RevisionFile(url)}, 1<<10)
	if rev := strings.TrimSpace(string(text)); err == nil && nix.IsRevision(rev) && strings.HasPrefix(rev, short) {
		return rev
	}
	return short
}

// importNamed copies a file that a flag names into the cache.
func (w *workspace) importNamed(ctx context.Context, name, flag string, limit int64) (path, sha256 string, err error) {
	f, err := w.privileges.Open(name)
	if err != nil {
		return "", "", usageErrorf("name an existing file with "+flag, "%s: %v", name, bare(err))
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", "", usageErrorf("name a file with "+flag, "%s is no file", name)
	}
	e, err := w.client.Cache.Add(ctx, f, name, limit)
	if errors.Is(err, fetch.ErrTooLarge) {
		return "", "", usageErrorf("name the right file with "+flag, "%s has more than %d bytes", name, limit)
	}
	return e.Path, e.SHA256, err
}
