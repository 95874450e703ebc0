package main

import (
	"context"
	"fmt"
	"strings"

	"nixsd-native/nix"
)

// derivations lists those of the targets that are left.
func (b *build) derivations() []string {
	var all []string
	for _, t := range b.left() {
		all = append(all, t.derivation)
	}
	return all
}

// realise builds the derivations, all in one run of Nix, and finds the images.
func (b *build) realise(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	b.onBuild = func(derivation string) {
		if err := b.unforeseen(derivation); err != nil {
			cancel(err)
		}
	}
	keepGoing := b.job.keepGoing || len(b.targets) > 1
	out, track, err := b.followNix(ctx, nix.RealiseArgs(b.nix, keepGoing, b.derivations()...), b.nixEnv)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	b.done = track.Status()
	if is[*nix.BuildError](err) && len(b.targets) > 1 {
		out, err = b.salvage(ctx, track)
	}
	if err != nil {
		return err
	}
	left := b.left()
	results, err := nix.ParsePaths(out, len(left))
	if err != nil {
		return err
	}
	for i, t := range left {
		t.result = results[i]
	}
	return b.each(b.findImage)
}

// salvage drops the targets that could not be built, each with its reason, and returns
// the results of the others.
func (b *build) salvage(ctx context.Context, track *nix.Tracker) (results string, err error) {
	failures := track.Failures()
	for _, t := range b.left() {
		built, err := b.isBuilt(ctx, t)
		if err != nil {
			return "", err
		}
		if built {
			continue
		}
		requisites, err := b.runNix(ctx, nix.RequisitesArgs(b.nix, t.derivation), b.nixEnv)
		if err != nil {
			return "", err
		}
		if err := b.drop(t, blame(strings.Fields(requisites), failures)); err != nil {
			return "", err
		}
	}
	if err := b.anyLeft(); err != nil {
		return "", err
	}
	return b.runNix(ctx, nix.RealiseArgs(b.nix, false, b.derivations()...), b.nixEnv)
}

// isBuilt reports whether the store has a target's outputs.
func (b *build) isBuilt(ctx context.Context, t *target) (bool, error) {
	outputs, err := b.runNix(ctx, nix.OutputsArgs(b.nix, t.derivation), b.nixEnv)
	if err != nil {
		return false, err
	}
	missing, err := b.runNix(ctx, nix.InvalidArgs(b.nix, strings.Fields(outputs)...), b.nixEnv)
	return missing == "", err
}

// findImage finds a target's image in its output.
func (b *build) findImage(t *target) error {
	products, err := b.session.Open(t.result + "/" + nix.ProductsFile)
	if err != nil {
		if b.isMissing(t.result) {
			b.doubtStore()
		}
		return &codedError{exitBuild, fmt.Sprintf("%s was built, but holds no image: it has no %s", t.result, nix.ProductsFile), []string{
			"leave --attr out to build an SD image, or look at the result: nixsd-native shell -- ls " + t.result,
		}}
	}
	defer products.Close()
	t.imagePath, err = nix.Image(products, t.result)
	return err
}
