package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nixsd-native/nix"
)

// A bundling is one run of bundle create.
type bundling struct {
	*build
	withSources bool
	scratch     bool            // there is something to be removed
	cache       []nix.CacheFile // of the binary cache, in the sandbox
	result      bundleResult
}

// create is the pipeline. The demo needs nothing but its inputs.
func (j *bundleJob) create(ctx context.Context, a *app) error {
	b := &bundling{build: newBuild(&j.buildJob, a), withSources: j.withSources}
	b.carry = true
	all := []step{
		{"preflight", b.preflightBundle},
		{"inputs", b.fetchInputs},
		{"handler", b.registerHandler},
		{"sandbox", b.startSandbox},
		{"bootstrap", b.bootstrapAndLock},
		{"evaluate", b.evaluate},
		{"closure", b.collect},
		{"pack", b.pack},
	}
	if j.demo {
		all = slices.Concat(all[:2], all[7:])
	}
	err := b.steps(ctx, all)
	b.removeScratch(ctx)
	b.close()
	if err = b.finish(err); err != nil {
		return err
	}
	return b.printBundle()
}

// preflightBundle checks what can be checked before anything is downloaded, and takes
// the state folder.
func (b *bundling) preflightBundle(ctx context.Context) error {
	if err := b.readNamed(); err != nil {
		return err
	}
	for _, t := range b.targets {
		if t.err != nil {
			return t.err // half a bundle is of no use
		}
	}
	name, err := b.privileges.OpenOutput()
	if err != nil {
		return err
	}
	if b.fileName = name; name == "" {
		return usageErrorf("name a file in it: "+b.job.output+"/board.nixsd", "FILE %s is a folder", b.job.output)
	}
	return b.lockState(ctx)
}

// collect finds out what an empty store would fetch and build, and puts what is fetched
// into a binary cache.
func (b *bundling) collect(ctx context.Context) error {
	for _, t := range b.targets {
		if t.err != nil {
			return t.err
		}
	}
	b.scratch = true
	if _, err := b.insideStep(ctx, "", nil, nix.StepBundleRemove); err != nil { // of a killed run
		return err
	}
	if _, err := b.runNix(ctx, nix.CopyDerivationsArgs(b.nix, b.derivations()...), b.nixEnv); err != nil {
		return err
	}
	empty, err := b.nixEnvironment(nix.Conf{
		Substituters: urls(b.caches), TrustedKeys: b.trusted, Options: map[string]string{"store": nix.EmptyStore},
	})
	if err != nil {
		return err
	}
	dry, err := b.dryRun(ctx, empty)
	if err != nil {
		return err
	}
	b.rep.Note("an empty store would fetch %d store paths, %s, and build %d derivations", len(dry.Fetch), size(dry.Download), len(dry.Build))
	downloads, err := b.downloads(dry)
	if err != nil {
		return err
	}
	sources, err := b.sources(ctx)
	if err != nil {
		return err
	}
	if err := b.inParts(dry.Fetch, func(part []string) error { return b.do(ctx, nix.FetchArgs(b.nix, part...), empty) }); err != nil {
		return err
	}
	if err := b.copyToCache(ctx, empty, slices.Concat(dry.Fetch, sources)); err != nil {
		return err
	}
	if err := b.addDownloads(ctx, downloads); err != nil {
		return err
	}
	if err := b.addFlakes(ctx); err != nil {
		return err
	}
	return b.listCache(ctx)
}

// do is runNix without what is printed.
func (b *bundling) do(ctx context.Context, argv, env []string) error {
	_, err := b.runNix(ctx, argv, env)
	return err
}

// maxPaths bounds the store paths of one command line. Linux takes 2 MiB of them (a
// quarter of the usual limit of the stack, execve(2)).
const maxPaths = 5000

// inParts calls do with at most maxPaths at a time.
func (b *bundling) inParts(paths []string, do func(part []string) error) error {
	for part := range slices.Chunk(paths, maxPaths) {
		if err := do(part); err != nil {
			return err
		}
	}
	return nil
}

func (b *bundling) copyToCache(ctx context.Context, env, paths []string) error {
	return b.inParts(paths, func(part []string) error { return b.do(ctx, nix.CopyToCacheArgs(b.nix, part...), env) })
}

// downloads are the derivations among what would be built whose output is fixed: what
// the build gets from the network. Without --sources there must be none.
func (b *bundling) downloads(dry nix.Forecast) ([]string, error) {
	var all []string
	for _, drv := range dry.Build {
		f, err := b.session.Open(drv)
		if err != nil {
			return nil, err
		}
		fixed, err := nix.FixedOutput(f)
		f.Close()
		if err != nil {
			return nil, err
		}
		if fixed {
			all = append(all, drv)
		}
	}
	if len(all) == 0 || b.withSources {
		return all, nil
	}
	var names []string
	for _, drv := range all {
		names = append(names, nix.DerivationName(drv))
	}
	return nil, usageErrorf("add --sources", "without network a build would lack what no cache has and it would download: %s", summarized(names))
}

// summarized lists the first of many names.
func summarized(names []string) string {
	const most = 8
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// sources are what evaluation put into the store: other machines may lack what some of
// it was fetched from.
func (b *bundling) sources(ctx context.Context) ([]string, error) {
	var all []string
	for _, drv := range b.derivations() {
		out, err := b.runNix(ctx, nix.RequisitesArgs(b.nix, drv), b.nixEnv)
		if err != nil {
			return nil, err
		}
		all = append(all, nix.Sources(out)...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// addDownloads gets what the build would download, and adds it to the cache.
func (b *bundling) addDownloads(ctx context.Context, derivations []string) error {
	return b.inParts(derivations, func(part []string) error {
		out, err := b.runNix(ctx, nix.FetchArgs(b.nix, part...), b.nixEnv)
		if err != nil {
			return err
		}
		return b.copyToCache(ctx, b.nixEnv, strings.Fields(out))
	})
}

// addFlakes adds flakes and their inputs, which are needed for evaluation, to the cache.
func (b *bundling) addFlakes(ctx context.Context) error {
	if !b.nixos.ofFlake() {
		return nil
	}
	for _, t := range b.targets {
		out, err := b.runNix(ctx, nix.FlakeInputsArgs(b.nix, t.Flake.Ref), b.nixEnv)
		if err != nil {
			return err
		}
		paths, err := nix.ParseFlakeInputs(out)
		if err != nil {
			return err
		}
		if err := b.copyToCache(ctx, b.nixEnv, paths); err != nil {
			return err
		}
	}
	return nil
}

// listCache learns what is in the cache.
func (b *bundling) listCache(ctx context.Context) error {
	b.onFile = func(f nix.CacheFile) { b.cache = append(b.cache, f) }
	_, err := b.insideStep(ctx, "reading the cache", nil, nix.StepBundleList)
	if err == nil && len(b.cache) == 0 {
		err = errors.New("nix copied nothing to the bundle's cache")
	}
	return err
}

// cleanUpTime bounds the removal of what a bundle was made of.
const cleanUpTime = 5 * time.Minute

// removeScratch removes what is left in the sandbox.
func (b *bundling) removeScratch(ctx context.Context) {
	if !b.scratch {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	if _, err := b.insideStep(ctx, "", nil, nix.StepBundleRemove); err != nil {
		b.rep.Warn("what the bundle was made of could not be removed from the state folder: %v", err)
	}
}
