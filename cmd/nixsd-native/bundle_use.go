package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nixsd-native/internal/bundle"
	"nixsd-native/internal/fetch"
	"nixsd-native/nix"
)

// bundlePrefix begins the names, in the cache folder, of the binary caches of bundles.
const bundlePrefix = "bundle-"

// A loadedBundle is the bundle of --bundle, all of which was verified when it was
// unpacked into the cache folder.
type loadedBundle struct {
	file    string // as the command line has it
	index   bundle.Index
	id      string
	lock    *nix.Lock // nil for the demo
	newLock bool      // it takes the place of one that is missing
}

func (l *loadedBundle) folder() string { return bundlePrefix + l.id }

// place is where an input goes in the cache folder. The demo's plan, which is not known by
// a hash, is this bundle's alone: builds without it have their own.
func (l *loadedBundle) place(m bundle.Member) string {
	if strings.Contains(m.Path, "/") {
		return filepath.Join(l.folder(), m.Path)
	}
	return m.Path
}

// hasCache reports whether there is a binary cache; the demo needs none.
func (l *loadedBundle) hasCache() bool {
	return slices.ContainsFunc(l.index.Members, func(m bundle.Member) bool { return strings.HasPrefix(m.Path, cachePrefix) })
}

// cacheURL is the binary cache as the sandbox sees it.
func (l *loadedBundle) cacheURL() string { return "file://" + insideInputs + "/" + l.folder() }

// openBundleFile opens a bundle by name.
func (w *workspace) openBundleFile(name string) (*os.File, error) {
	f, err := w.privileges.Open(name)
	if err != nil {
		return nil, usageErrorf("name a file that \"bundle create\" made", "bundle %s: %v", name, bare(err))
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, usageErrorf("name a file that \"bundle create\" made", "bundle %s is no file", name)
	}
	return f, nil
}

// openBundle puts what is in the bundle of --bundle into the cache folder, unless it is
// there. Before all of it is verified nothing is.
func (w *workspace) openBundle(ctx context.Context) error {
	if w.sources.bundle == "" {
		return nil
	}
	f, err := w.openBundleFile(w.sources.bundle)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := bundle.NewReader(f, w.sources.bundle)
	if err != nil {
		return err
	}
	defer r.Close()
	l := &loadedBundle{file: w.sources.bundle, index: r.Index, id: r.ID}
	if err := l.fits(w.demo); err != nil {
		return err
	}
	// What is there already is not unpacked again, but a damaged file is never passed over.
	if w.isUnpacked(ctx, l) {
		err = r.Verify(ctx, func(done, total int64) { w.rep.Bytes("reading "+filepath.Base(l.file), done, total) })
	} else {
		err = w.unpackBundle(ctx, r, l)
	}
	if err != nil {
		return err
	}
	w.bundle = l
	return nil
}

// fits says why a bundle is of no use here.
func (l *loadedBundle) fits(demo bool) error {
	switch {
	case l.index.System != nativeSystem():
		return usageErrorf("make one on a machine of this kind", "bundle %s is for %.100q; this machine is %s", l.file, l.index.System, nativeSystem())
	case l.index.Demo && !demo:
		return usageErrorf("add --demo, or make another: nixsd-native bundle create FILE [CONFIG]", "bundle %s is of the demo", l.file)
	case !l.index.Demo && demo:
		return usageErrorf("leave --demo out, or make another: nixsd-native bundle create FILE --demo", "bundle %s is of NixOS, not of the demo", l.file)
	case demo:
		return nil
	}
	lock, err := nix.ReadLock(bytes.NewReader(l.index.Lock))
	if err != nil {
		return &bundle.Error{File: l.file, Member: "index.json", Reason: "has a lock that is none: " + err.Error()}
	}
	l.lock = &lock
	return nil
}

// isUnpacked finds all inputs in the cache, by their hashes, and the binary cache, whose
// files Nix verifies whenever it uses one.
func (w *workspace) isUnpacked(ctx context.Context, l *loadedBundle) bool {
	dir := w.client.Cache.Dir()
	if _, err := os.Stat(filepath.Join(dir, l.folder())); err != nil && l.hasCache() {
		return false
	}
	for _, m := range l.index.Inputs() {
		if strings.Contains(m.Path, "/") { // the demo's plan
			text, err := readBounded(filepath.Join(dir, l.place(m)), maxDemoPlan)
			if sum := sha256.Sum256(text); err != nil || hex.EncodeToString(sum[:]) != m.SHA256 {
				return false
			}
		} else if _, err := w.client.Cache.Find(ctx, m.SHA256, m.Size); err != nil {
			return false
		}
	}
	return true
}

// unpackBundle verifies and unpacks a bundle beside what is in the cache folder, and
// then moves it there.
func (w *workspace) unpackBundle(ctx context.Context, r *bundle.Reader, l *loadedBundle) error {
	dir := w.client.Cache.Dir()
	label := filepath.Base(l.file)
	scratch, err := r.Extract(ctx, dir, func(done, total int64) { w.rep.Bytes("unpacking "+label, done, total) })
	if err != nil {
		return cacheError(dir, err)
	}
	defer os.RemoveAll(scratch)
	if err := nix.SyncFS(scratch); err != nil {
		return cacheError(dir, err)
	}
	for _, m := range l.index.Inputs() {
		to := filepath.Join(dir, l.place(m))
		if err := os.MkdirAll(filepath.Dir(to), 0o775); err != nil {
			return cacheError(dir, err)
		}
		if err := os.Rename(filepath.Join(scratch, inputsPrefix, m.Path), to); err != nil {
			return cacheError(dir, err)
		}
	}
	if l.hasCache() {
		err = placeCache(filepath.Join(scratch, cachePrefix), filepath.Join(dir, l.folder()))
	}
	return cacheError(dir, firstError(err, nix.SyncFS(dir)))
}

// placeCache moves a binary cache to its place, unless it is there.
func placeCache(from, to string) error {
	for _, name := range []string{"nar", "log", "realisations"} { // Nix would make them
		if err := os.Mkdir(filepath.Join(from, name), 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	err := os.Rename(from, to)
	if _, there := os.Stat(to); there == nil {
		return nil
	}
	return err
}

// cacheError tells trouble with the cache folder from a bad bundle.
func cacheError(dir string, err error) error {
	if !is[*fetch.StorageError](err) && (is[*os.PathError](err) || is[*os.LinkError](err)) {
		return folderError("cache", dir, err)
	}
	return err
}

// obeyed is the lock that a build with a bundle obeys: the bundle's, which must pin what
// the configuration's own does, if there is one.
func (l *loadedBundle) obeyed(own *nix.Lock) (*nix.Lock, error) {
	if own == nil {
		l.newLock = true
		return l.lock, nil
	}
	system := nativeSystem()
	for _, pin := range []struct{ what, own, bundled string }{
		{"nixpkgs", own.Nixpkgs.SHA256, l.lock.Nixpkgs.SHA256},
		{"nix for " + system, own.Nix[system].SHA256, l.lock.Nix[system].SHA256},
		{"qemu", own.QEMU.SHA256, l.lock.QEMU.SHA256},
	} {
		if pin.own != pin.bundled {
			return nil, usageErrorf("make the bundle with this lock, or name another with --lock-file",
				"%s pins another %s than bundle %s (sha256 %s, not %s)", nix.LockName, pin.what, l.file, pin.own, pin.bundled)
		}
	}
	return own, nil
}

// keepBundleLock writes the bundle's lock where there was none.
func (w *workspace) keepBundleLock() error {
	if w.bundle == nil || !w.bundle.newLock {
		return nil
	}
	text, err := w.lock.Text()
	if err != nil {
		return err
	}
	w.rep.Note("%s is now that of bundle %s: its inputs are those of every later build", nix.LockName, w.bundle.file)
	return w.privileges.WriteLock(text)
}

// importSources puts what evaluation reads from the store there: Nix does not look for
// that in caches. It is content-addressed, so that its name vouches for it.
func (b *build) importSources(ctx context.Context) error {
	if b.bundle == nil || !b.bundle.hasCache() {
		return nil
	}
	var sources []string
	for _, m := range b.bundle.index.Members {
		name, ok := strings.CutPrefix(m.Path, cachePrefix)
		if !ok || filepath.Ext(name) != ".narinfo" {
			continue
		}
		text, err := readBounded(filepath.Join(b.client.Cache.Dir(), b.bundle.folder(), name), nix.MaxNarinfo)
		if err != nil {
			return fmt.Errorf("bundle %s, as it was unpacked: %w", b.bundle.file, err)
		}
		n, err := nix.ParseNarinfo(text)
		if err != nil {
			return &bundle.Error{File: b.bundle.file, Member: m.Path, Reason: "is " + err.Error()}
		}
		if n.ContentAddressed {
			sources = append(sources, n.StorePath)
		}
	}
	for part := range slices.Chunk(sources, maxPaths) {
		if _, err := b.runNix(ctx, nix.CopyFromCacheArgs(b.nix, b.bundle.cacheURL(), part...), b.nixEnv); err != nil {
			return err
		}
	}
	return nil
}
