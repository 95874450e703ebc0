package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"nixsd-native/internal/bundle"
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
		{"sandbox", b.showSecrets},
		{"closure", b.collect},
		{"pack", b.pack},
	}
	if j.demo {
		all = slices.Concat(all[:2], all[len(all)-1:]) // inputs, and pack
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
	if err := b.mayReplace(b.job.output); err != nil {
		return err
	}
	return b.lockState(ctx)
}

// mayReplace refuses to let a bundle take the place of something else.
func (b *bundling) mayReplace(name string) error {
	f, err := b.privileges.Open(name)
	if err != nil {
		return nil // it is not there, as usual
	}
	defer f.Close()
	r, err := bundle.NewReader(f, name)
	if err != nil {
		return usageErrorf("name another, or move it away", "%s is there already, and is no bundle", name)
	}
	r.Close()
	return nil
}

// collect finds out what an empty store would fetch and build, and puts what is fetched,
// and what evaluation read, into a binary cache.
func (b *bundling) collect(ctx context.Context) error {
	for _, t := range b.targets {
		if t.err != nil {
			return t.err
		}
	}
	empty, dry, err := b.emptyStore(ctx)
	if err != nil {
		return err
	}
	b.rep.Note("an empty store would fetch %d store paths, %s, and build %d derivations", len(dry.Fetch), size(dry.Download), len(dry.Build))
	downloads, err := b.fixedOutputs(dry)
	if err := firstError(err, b.allowed(downloads)); err != nil {
		return err
	}
	sources, err := b.sources(ctx)
	if err != nil {
		return err
	}
	for _, do := range []func() error{
		func() error {
			return inParts(dry.Fetch, func(part []string) error { return b.do(ctx, nix.FetchArgs(b.nix, part...), empty) })
		},
		func() error { return b.copyToCache(ctx, empty, slices.Concat(dry.Fetch, sources)) },
		func() error { return b.addDownloads(ctx, downloads) },
		func() error { return b.addFlakes(ctx) },
		func() error { return b.listCache(ctx) },
	} {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

// emptyStore makes a store with nothing but the derivations, and what evaluation put
// beside them, and asks Nix what it would do there. env is that store's.
func (b *bundling) emptyStore(ctx context.Context) (env []string, dry nix.Forecast, err error) {
	b.scratch = true
	if _, err := b.insideStep(ctx, "", nil, nix.StepBundleRemove); err != nil { // of a killed run
		return nil, dry, err
	}
	if err := b.do(ctx, nix.CopyDerivationsArgs(b.nix, b.derivations()...), b.nixEnv); err != nil {
		return nil, dry, err
	}
	env, err = b.nixEnvironment(nix.Conf{
		Substituters: urls(b.caches), TrustedKeys: b.trusted, Options: map[string]string{"store": nix.EmptyStore},
	})
	if err != nil {
		return nil, dry, err
	}
	dry, err = b.dryRun(ctx, env)
	return env, dry, err
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
func inParts(paths []string, do func(part []string) error) error {
	for part := range slices.Chunk(paths, maxPaths) {
		if err := do(part); err != nil {
			return err
		}
	}
	return nil
}

func (b *bundling) copyToCache(ctx context.Context, env, paths []string) error {
	return inParts(paths, func(part []string) error { return b.do(ctx, nix.CopyToCacheArgs(b.nix, part...), env) })
}

// allowed refuses downloads without --sources.
func (b *bundling) allowed(downloads []string) error {
	if len(downloads) == 0 || b.withSources {
		return nil
	}
	return usageErrorf("add --sources", "without network a build would lack what no cache has and it would download: %s", summarized(downloads))
}

// sources are what evaluation put into the store: other machines may lack what some of
// it was fetched from.
func (b *bundling) sources(ctx context.Context) ([]string, error) {
	out, err := b.runNix(ctx, nix.RequisitesArgs(b.nix, b.derivations()...), b.nixEnv)
	return nix.WithoutDerivations(out), err
}

// addDownloads gets what the build would download, and adds it to the cache.
func (b *bundling) addDownloads(ctx context.Context, derivations []string) error {
	return inParts(derivations, func(part []string) error {
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
