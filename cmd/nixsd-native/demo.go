package main

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"

	"nixsd-native/internal/deb"
	"nixsd-native/internal/debian"
	"nixsd-native/internal/demo"
	"nixsd-native/internal/fetch"
)

const demoSuite = demo.Suite

// demoHost is the machine that is to build, in the demo's words.
func (w *workspace) demoHost() demo.Host {
	i := slices.IndexFunc(demo.Hosts, func(h demo.Host) bool { return h.System == w.system })
	return demo.Hosts[max(i, 0)]
}

// fetchDemo makes the three inputs of the demo.
func (w *workspace) fetchDemo(ctx context.Context) error {
	plan, err := w.readDemoPlan()
	if err != nil && w.sources.offline {
		plan, err = w.planInStore()
	}
	if err != nil || !w.installedDemo(plan) && !w.sameInputs(ctx, plan) {
		if plan, err = w.makeDemo(ctx, plan); err != nil {
			return err
		}
	}
	w.plan, w.inputs.nix, w.inputs.nixpkgs = plan, plan.Nix, plan.Nixpkgs
	return nil
}

// sameInputs finds everything of a plan in the cache, and completes the inputs.
func (w *workspace) sameInputs(ctx context.Context, plan *demoPlan) bool {
	for _, in := range []*input{&plan.Nix, &plan.Nixpkgs} {
		path, err := w.client.Cache.Find(ctx, in.SHA256, 0)
		if err != nil {
			return false
		}
		in.path = path
	}
	_, err := w.client.Files(ctx, w.demoRequests(plan), parallelPackages)
	return err == nil
}

// makeDemo resolves the demo's packages, unless a plan has them, downloads them and
// makes the tarballs.
func (w *workspace) makeDemo(ctx context.Context, plan *demoPlan) (*demoPlan, error) {
	if plan != nil {
		// Packages that a mirror has superseded since make a new plan necessary.
		if _, err := w.client.Files(ctx, w.demoRequests(plan), parallelPackages); is[*fetch.NetworkError](err) {
			w.rep.Note("Debian has newer packages than the demo was made of; resolving them anew")
			plan = nil
		} else if err != nil {
			return nil, err
		}
	}
	if plan == nil && w.sources.offline {
		name := "demo/" + filepath.Base(w.demoPlanFile())
		return nil, &fetch.OfflineError{Dir: w.client.Cache.Dir(), Missing: []fetch.Missing{{Name: name}}}
	}
	if plan == nil {
		var err error
		if plan, err = w.resolveDemo(ctx); err != nil {
			return nil, err
		}
		if _, err := w.client.Files(ctx, w.demoRequests(plan), parallelPackages); err != nil {
			return nil, err
		}
	}
	if err := w.makeTarballs(ctx, plan); err != nil {
		return nil, err
	}
	w.madeHere = true
	data, err := json.Marshal(plan)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(w.demoPlanFile()), 0o775); err != nil {
		return nil, cacheError(w.client.Cache.Dir(), err)
	}
	return plan, cacheError(w.client.Cache.Dir(), replaceFile(w.demoPlanFile(), data))
}

// resolveDemo reads Debian's indexes, both architectures at once.
func (w *workspace) resolveDemo(ctx context.Context) (*demoPlan, error) {
	archive, err := w.archive()
	if err != nil {
		return nil, err
	}
	release, err := archive.Release(ctx, demo.Suite)
	if err != nil {
		return nil, err
	}
	plan := &demoPlan{
		Version: demoPlanVersion, Suite: demo.Suite, Sets: map[string]demoPlanSet{},
		Release: fmt.Sprintf("%s of %s", release.Version, release.Date.UTC().Format("2006-01-02")),
	}
	var mu sync.Mutex
	var work sync.WaitGroup
	var errs []error
	for arch, groups := range demoGroups(w.demoHost().Arch) {
		work.Go(func() {
			set, err := resolveSet(ctx, archive, release, arch, groups)
			mu.Lock()
			defer mu.Unlock()
			plan.Sets[arch] = set
			errs = append(errs, err)
		})
	}
	work.Wait()
	return plan, errors.Join(errs...)
}

// demoGroups names, by architecture, the packages that the demo starts from on a host.
func demoGroups(host string) map[string]map[string][]string {
	groups := map[string]map[string][]string{demo.Board: demo.BoardGroups()}
	if groups[host] == nil {
		groups[host] = map[string][]string{}
	}
	for name, roots := range demo.HostGroups() {
		groups[host][name] = roots
	}
	return groups
}

// resolveSet finds the closures of groups of packages.
func resolveSet(ctx context.Context, a *debian.Archive, r *debian.Release, arch string, groups map[string][]string) (demoPlanSet, error) {
	index, err := a.Index(ctx, r, "main", arch)
	if err != nil {
		return demoPlanSet{}, err
	}
	set := demoPlanSet{Groups: map[string][]string{}}
	seen := map[string]bool{}
	for name, roots := range groups {
		closure, err := index.Closure(roots, debian.ClosureOptions{Skip: demo.Skip(roots)})
		if err != nil {
			return demoPlanSet{}, err
		}
		for _, p := range closure {
			set.Groups[name] = append(set.Groups[name], p.Name)
			if !seen[p.Name] {
				seen[p.Name] = true
				set.Packages = append(set.Packages, p)
			}
		}
	}
	slices.SortFunc(set.Packages, func(a, b debian.Package) int { return strings.Compare(a.Name, b.Name) })
	return set, nil
}

// demoRequests lists the downloads of a plan.
func (w *workspace) demoRequests(plan *demoPlan) []fetch.Request {
	var all []fetch.Request
	for _, set := range plan.Sets {
		for _, p := range set.Packages {
			all = append(all, fetch.Request{Name: debName(p), SHA256: p.SHA256, Size: p.Size, URLs: p.Sources(w.mirrors())})
		}
	}
	slices.SortFunc(all, func(a, b fetch.Request) int { return int(b.Size - a.Size) }) // the kernel first
	return all
}

// makeTarballs makes Nix's tarball and the channel, in the layouts of upstream's,
// and puts them into the cache.
func (w *workspace) makeTarballs(ctx context.Context, plan *demoPlan) error {
	sets, err := w.demoSets(ctx, plan)
	if err != nil {
		return err
	}
	host := w.demoHost()
	scratch, err := os.MkdirTemp(w.client.Cache.Dir(), ".demo-*")
	if err != nil {
		return cacheError(w.client.Cache.Dir(), err)
	}
	defer os.RemoveAll(scratch)
	var nixPackages []demo.Package
	for _, p := range sets[host.Arch].Packages {
		if slices.Contains(plan.Sets[host.Arch].Groups["nix"], p.Name) {
			nixPackages = append(nixPackages, p)
		}
	}
	plan.Nix, err = w.addTarball(ctx, "nix-demo-"+host.System+".tar.zst", func(out io.Writer) error {
		return demo.NixTarball(out, host, nixPackages, walkPackage, scratch)
	})
	if err != nil {
		return err
	}
	plan.Nixpkgs, err = w.addTarball(ctx, "nixexprs-demo.tar.zst", func(out io.Writer) error {
		return demo.Channel(out, sets, walkPackage)
	})
	return err
}

// demoSets are a plan's packages with their files.
func (w *workspace) demoSets(ctx context.Context, plan *demoPlan) (map[string]demo.Set, error) {
	sets := map[string]demo.Set{}
	for arch, set := range plan.Sets {
		s := demo.Set{Groups: set.Groups}
		for _, p := range set.Packages {
			path, err := w.client.Cache.Find(ctx, p.SHA256, p.Size)
			if err != nil {
				return nil, err
			}
			s.Packages = append(s.Packages, demo.Package{
				Name: p.Name, Version: p.Version, Arch: p.Architecture, SHA256: p.SHA256,
				File: path, URL: "file://" + insideInputs + "/" + filepath.Base(path),
			})
		}
		sets[arch] = s
	}
	return sets, nil
}

func walkPackage(p demo.Package, visit func(*tar.Header, io.Reader) error) error {
	f, err := os.Open(p.File)
	if err != nil {
		return err
	}
	defer f.Close()
	return deb.Walk(f, visit)
}

// maxTarball bounds a tarball that is made here, in bytes.
const maxTarball = 1 << 30

// addTarball compresses what write writes and puts it into the cache.
func (w *workspace) addTarball(ctx context.Context, name string, write func(io.Writer) error) (input, error) {
	r, pipe := io.Pipe()
	go func() {
		z, err := zstd.NewWriter(pipe)
		if err == nil {
			err = errors.Join(write(z), z.Close())
		}
		pipe.CloseWithError(err)
	}()
	e, err := w.client.Cache.Add(ctx, r, name, maxTarball)
	r.CloseWithError(err)
	return input{Name: name, SHA256: e.SHA256, path: e.Path}, cacheError(w.client.Cache.Dir(), err)
}
