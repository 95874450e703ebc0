package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"

	"nixsd-native/internal/debian"
	"nixsd-native/internal/decompress"
	"nixsd-native/internal/fetch"
	"nixsd-native/internal/shell"
	"nixsd-native/nix"
	"nixsd-native/qemu"
)

// parallelDownloads is what one mirror takes from one address without complaint.
const parallelDownloads = 6

// parallelPackages is for the demo's packages, which come beside the emulator.
const parallelPackages = parallelDownloads - 1

// openCache prepares downloads.
func (w *workspace) openCache() error {
	_, dir := w.privileges.Dirs()
	cache, err := fetch.OpenCache(dir)
	if err != nil {
		return err
	}
	client, err := w.newClient(cache)
	if err == nil {
		w.client = client
	}
	return err
}

// newClient makes one that downloads as flags and environment say.
func (w *workspace) newClient(cache *fetch.Cache) (*fetch.Client, error) {
	proxies := w.env.proxies()
	err := proxies.Validate()
	if err != nil {
		return nil, usageErrorf("correct the variable http_proxy, https_proxy or all_proxy", "%v", err)
	}
	if w.certificates, err = w.env.readCertificates(); err != nil && !w.sources.offline {
		return nil, err
	}
	return &fetch.Client{
		Cache: cache, HTTP: fetch.NewHTTPClient(proxies, w.certificates.pool), Offline: w.sources.offline,
		Hosts: &fetch.Hosts{}, Progress: w.moved,
		Report: w.downloadEvent,
	}, nil
}

// downloadEvent tells what happened. Who is fastest is for those who want to know all.
func (w *workspace) downloadEvent(e fetch.Event) {
	if e.Kind == fetch.EventFastest {
		w.rep.LogLine("", e.String())
		return
	}
	w.rep.Note("%s", e)
}

// mirrors lists Debian mirrors: the given ones, the host's, Debian's own.
func (w *workspace) mirrors() []string {
	all := slices.Concat(w.sources.mirrors, debian.HostMirrors(os.DirFS("/")), []string{debian.FallbackMirror})
	var unique []string
	for _, m := range all {
		if !slices.Contains(unique, m) {
			unique = append(unique, m)
		}
	}
	return unique
}

// archive reads Debian's signed indexes through the cache.
func (w *workspace) archive() (*debian.Archive, error) {
	keys, err := debian.ArchiveKeys()
	if err != nil {
		return nil, err
	}
	return &debian.Archive{
		Mirrors:  w.mirrors(),
		Keys:     keys,
		Document: w.client.Document,
		File: func(ctx context.Context, name, sha256 string, size int64, urls []string) (string, error) {
			return w.client.File(ctx, fetch.Request{Name: name, SHA256: sha256, Size: size, URLs: urls})
		},
		Open: decompress.Open,
	}, nil
}

// resolveEmulator makes the wanted .deb available. For the demo, Debian's current
// one takes the place of a pinned one that no source has any more.
func (w *workspace) resolveEmulator(ctx context.Context) error {
	want := w.wantedEmulator()
	r, err := w.resolveWanted(ctx, want)
	if w.demo && want == (qemu.Want{}) && is[*fetch.NetworkError](err) {
		w.rep.Note("the pinned emulator is at no source any more; taking the one that %s has now", demoSuite)
		r, err = qemu.Resolve(ctx, qemu.Want{Suite: demoSuite}, w.emulatorSource())
	}
	if bad := (*qemu.HashError)(nil); errors.As(err, &bad) && w.sources.debIsFile() {
		return w.otherDeb(bad, want)
	}
	if err != nil {
		return err
	}
	w.inputs.emulator = &r
	return nil
}

// otherDeb says what helps against a file that is not the .deb that it should be.
func (w *workspace) otherDeb(bad *qemu.HashError, want qemu.Want) error {
	advice := []string{"the file is damaged, or another: compare it with sha256sum, and copy it again"}
	if w.lock != nil {
		advice = append(advice, fmt.Sprintf("%s pins %s; to use another: nixsd-native update --qemu-deb %s", nix.LockName, w.lock.QEMU.Name, shell.Word(want.Deb)))
	}
	return &codedError{exitVerify, bad.Error(), advice}
}

// maxDeb bounds a .deb that somebody names, in bytes.
const maxDeb = 512 << 20

// resolveWanted resolves an emulator; one that only its hash is known of, by the cache.
func (w *workspace) resolveWanted(ctx context.Context, want qemu.Want) (qemu.Resolved, error) {
	if _, pinned := qemu.ByHash(want.SHA256); w.lock != nil && want.Deb == "" && !pinned {
		return w.cachedEmulator(ctx)
	}
	return qemu.Resolve(ctx, want, w.emulatorSource())
}

func (w *workspace) emulatorSource() qemu.Source {
	return qemu.Source{
		Mirrors: w.mirrors(),
		Installed: func(p qemu.Package) bool {
			_, ok := w.installedEmulator(p)
			return ok && !w.carry
		},
		Get: func(ctx context.Context, f qemu.File) (string, error) {
			return w.client.File(ctx, fetch.Request{Name: f.Name, SHA256: f.SHA256, Size: f.Size, URLs: f.URLs})
		},
		Learn: func(ctx context.Context, f qemu.File) (string, string, error) {
			e, err := w.client.Learn(ctx, fetch.Request{Name: f.Name, URLs: f.URLs})
			return e.Path, e.SHA256, err
		},
		Import: func(ctx context.Context, name string) (path, sha256 string, err error) {
			return w.importNamed(ctx, name, "--qemu-deb", maxDeb)
		},
		Suite: w.emulatorOfSuite,
	}
}

// emulatorOfSuite finds the package with the emulator in a suite: qemu-user since
// Debian 13, qemu-user-static before.
func (w *workspace) emulatorOfSuite(ctx context.Context, suite string) (qemu.File, error) {
	archive, err := w.archive()
	if err != nil {
		return qemu.File{}, err
	}
	release, err := archive.Release(ctx, suite)
	if err != nil {
		return qemu.File{}, err
	}
	index, err := archive.Index(ctx, release, "main", "amd64")
	if err != nil {
		return qemu.File{}, err
	}
	name := "qemu-user"
	if static, ok := index.Lookup("qemu-user-static"); ok && debian.CompareVersions(static.Version, firstInQemuUser) < 0 {
		name = "qemu-user-static"
	}
	p, ok := index.Lookup(name)
	if !ok {
		return qemu.File{}, errors.New("suite " + suite + " has no package " + name)
	}
	return qemu.File{Name: debName(p), SHA256: p.SHA256, Size: p.Size, URLs: p.Sources(w.mirrors())}, nil
}

// firstInQemuUser is the Debian version from which qemu-user has the static
// emulators.
const firstInQemuUser = "1:9.1.0+ds-1"

// debName is the file name of a Debian package.
func debName(p debian.Package) string { return path.Base(p.Filename) }
