package main

import (
	"cmp"
	"context"
	"errors"
	"runtime"

	"nixsd-native/internal/shell"
	"nixsd-native/nix"
)

// assembly modes, as --assembly takes them.
const (
	assemblyAuto     = "auto"
	assemblyNative   = "native"
	assemblyEmulated = "emulated"
)

// nativeSystem is this machine in Nix's words.
func nativeSystem() string {
	if runtime.GOARCH == "arm64" {
		return "aarch64-linux"
	}
	return "x86_64-linux"
}

// evaluate makes the targets' derivations.
func (b *build) evaluate(ctx context.Context) error {
	for _, t := range b.left() {
		b.warnOfLiterals(t)
	}
	b.askCaches(ctx)
	env, err := b.nixEnvironment(nix.Conf{
		NoSandbox: !b.job.sandboxed, Cores: b.job.cores, Jobs: b.job.maxJobs, Substituters: urls(b.caches), TrustedKeys: b.trusted, Options: b.job.settings(),
	})
	if err != nil {
		return err
	}
	b.nixEnv = env
	if err := b.importSources(ctx); err != nil {
		return err
	}
	return b.each(func(t *target) error { return b.evaluateOne(ctx, t) })
}

// evaluateOne makes a target's derivation.
func (b *build) evaluateOne(ctx context.Context, t *target) error {
	out, err := b.runNix(ctx, nix.InstantiateArgs(b.nix, nix.Build{
		Nixpkgs: b.nixpkgs, Expression: t.expression, Attr: b.job.attr, Trace: b.job.verbose,
	}), b.nixEnv)
	if err != nil {
		return b.explained(ctx, t, err)
	}
	paths, err := nix.ParsePaths(out, 2)
	if err != nil {
		return err
	}
	t.derivation = paths[0]
	if t.contents, err = b.contentsOf(paths[1]); err != nil {
		return err
	}
	t.assembly, err = b.assemblyOf(t.derivation)
	return err
}

// contentsOf reads the roots of what goes into the image.
func (b *build) contentsOf(derivation string) ([]string, error) {
	f, err := b.session.Open(derivation)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return nix.ContentsRoots(f)
}

// explained adds what is known of this build to an error of an evaluation.
func (b *build) explained(ctx context.Context, t *target, err error) error {
	failed := (*nix.BuildError)(nil)
	if !errors.As(err, &failed) {
		return err
	}
	if t.Dir != "" {
		failed.Dir = shell.Word(t.Dir)
	}
	return cmp.Or(b.explainDownload(ctx, failed), error(failed))
}

// assemblyOf tells by a derivation itself which tools run when it is built.
func (b *build) assemblyOf(derivation string) (string, error) {
	f, err := b.session.Open(derivation)
	if err != nil {
		return "", err
	}
	defer f.Close()
	system, err := nix.DerivationSystem(f)
	if err != nil {
		return "", err
	}
	if system == nativeSystem() {
		return assemblyNative, nil
	}
	return assemblyEmulated, nil
}
