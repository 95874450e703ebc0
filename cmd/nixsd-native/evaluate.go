package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"nixsd-native/nix"
	"nixsd-native/sandbox"
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

// nixEnvironment is the environment of Nix's programs in the sandbox.
func (w *workspace) nixEnvironment(conf nix.Conf) ([]string, error) {
	conf.ManyUsers = w.info.ManyUsers
	conf.Shell = w.nix.Shell
	if w.emulation.emulates() || w.mode == emulationNone && nativeSystem() != nix.System {
		conf.ExtraPlatforms = []string{nix.System}
	}
	w.hideLogins(&conf)
	text, err := conf.Text()
	if err != nil {
		return nil, usageErrorf("", "%v", err)
	}
	extra := append(w.env.inside(), "NIX_CONFIG="+text)
	return nix.Env(w.nix, w.caBundle, extra), nil
}

// runNix runs one of Nix's programs, reports what it does, and returns what it
// prints.
func (w *workspace) runNix(ctx context.Context, argv, env []string) (string, error) {
	var out strings.Builder
	var track nix.Tracker
	exit, err := w.runInSandbox(ctx, sandbox.Command{Argv: argv, Env: env, Dir: "/"}, nil,
		func(r io.Reader) { io.Copy(&out, io.LimitReader(r, 1<<20)) },
		func(r io.Reader) { nix.ReadLog(r, func(e nix.Event) { w.nixEvent(&track, e) }) })
	w.done = track.Status()
	if err != nil {
		return "", err
	}
	if exit == (sandbox.Exit{}) {
		return out.String(), nil
	}
	failure := track.Failure(exit.Status)
	if exit.Signal != 0 {
		return "", &codedError{exitHost, "nix was killed, most likely because memory ran out", []string{
			"look for \"Out of memory\" in the kernel's log: dmesg | tail; build with --max-jobs 1 --cores 2, or with more memory or swap",
		}}
	}
	if host, ok := sandbox.ExplainNix(failure.Output); ok {
		return "", host
	}
	if _, reason, ok := strings.Cut(failure.Summary, nix.Refused); ok {
		return "", usageErrorf("change the configuration, or the flags that name it", "%s", reason)
	}
	return "", w.shown(failure)
}

// nixEvent reports an event.
func (w *workspace) nixEvent(track *nix.Tracker, e nix.Event) {
	derivation := track.Apply(e)
	if e.Kind == nix.Start && e.Type == nix.BuildOne && w.onBuild != nil {
		w.onBuild(e.Path)
	}
	switch e.Kind {
	case nix.Start, nix.Stop, nix.Progress:
		s := track.Status()
		w.rep.Building(buildStatus{
			Running: s.Running, Done: s.Done, Expected: s.Expected, Failed: s.Failed, FetchedBytes: s.Fetched, FetchBytes: s.Fetch,
		})
	case nix.LogLine:
		w.rep.LogLine(derivation, e.Text)
	case nix.Message:
		w.nixMessage(e)
	}
}

// nixMessage passes warnings on, and more with -v. Errors come at the end.
func (w *workspace) nixMessage(e nix.Event) {
	text := strings.TrimSpace(e.Text)
	if strings.Contains(text, "did not specify '--add-root'") {
		return // derivations are collected only when somebody asks for it
	}
	if reason, ok := strings.CutPrefix(text, "trace: "+nix.AssemblyMark); ok {
		w.rep.Note("%s%s", nix.AssemblyMark, reason)
		return
	}
	for _, prefix := range []string{"evaluation warning: ", "trace: warning: ", "warning: "} {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			w.rep.Warn("%s", oneLine(rest))
			return
		}
	}
	if e.Level == nix.LevelWarn {
		w.rep.Warn("%s", oneLine(text))
	} else if !e.Fatal {
		w.rep.LogLine("", text)
	}
}

// shown prints what a failed build said, with paths as the user knows them.
func (w *workspace) shown(e *nix.BuildError) error {
	e.Summary, e.Place = w.hostPath(e.Summary), w.hostPath(e.Place)
	if lines := strings.Split(w.hostPath(e.Output), "\n"); len(lines) > 1 {
		for _, line := range lines {
			w.rep.Note("nix> %s", line)
		}
	}
	for _, line := range e.Log {
		w.rep.Note("%s> %s", nix.DerivationName(e.Derivation), line)
	}
	return e
}

// configPath is the sandbox's name of the configuration's folder, but not a part of
// a longer path.
var configPath = regexp.MustCompile(`(?:^|[^\w.+/-])` + insideConfig + `/`)

// hostPath replaces the sandbox's name of the configuration's folder by the host's.
func (w *workspace) hostPath(text string) string {
	if w.configDir == "" {
		return text
	}
	return configPath.ReplaceAllStringFunc(text, func(found string) string {
		return strings.TrimSuffix(found, insideConfig+"/") + w.configDir + "/"
	})
}

// evaluate makes the derivation.
func (b *build) evaluate(ctx context.Context) error {
	b.askCaches(ctx)
	env, err := b.nixEnvironment(nix.Conf{
		NoSandbox: !b.job.sandboxed, Cores: b.job.cores, Jobs: b.job.maxJobs, Substituters: b.caches, TrustedKeys: b.trusted,
	})
	if err != nil {
		return err
	}
	b.nixEnv = env
	out, err := b.runNix(ctx, nix.InstantiateArgs(b.nix, nix.Build{
		Nixpkgs: b.nixpkgs, Expression: insideOwn + "/" + expressionName, Attr: b.job.attr, Trace: b.job.verbose,
	}), env)
	if err != nil {
		return b.explained(err)
	}
	if b.derivation, err = nix.ParsePath(out); err != nil {
		return err
	}
	b.assembly, err = b.assemblyOf(b.derivation)
	return err
}

// missingPath is what Nix says of a file that the sandbox does not have.
var missingPath = regexp.MustCompile(`path '([^']+)' does not exist`)

// explained adds what helps to errors of an evaluation that have a well-known reason.
func (b *build) explained(err error) error {
	failed := (*nix.BuildError)(nil)
	if !errors.As(err, &failed) {
		return err
	}
	if b.makesImage() && strings.Contains(failed.Summary, "attribute 'sdImage'") {
		return &codedError{exitBuild, "the configuration makes no SD image: " + failed.Error(), []string{
			"import <nixpkgs/nixos/modules/installer/sd-card/sd-image-aarch64.nix> in it",
		}}
	}
	if m := missingPath.FindStringSubmatch(failed.Summary); m != nil && b.configDir != "" && !strings.HasPrefix(m[1], "/nix/store/") {
		return &codedError{exitBuild, failed.Error(), []string{
			fmt.Sprintf("the build sees no other folder of this machine than %s: keep there what is imported, or make the folder above a flake", b.configDir),
		}}
	}
	return b.explainUntracked(failed)
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

// realise builds the derivation and finds the image in its output.
func (b *build) realise(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	b.onBuild = func(derivation string) {
		if err := b.unforeseen(derivation); err != nil {
			cancel(err)
		}
	}
	out, err := b.runNix(ctx, nix.RealiseArgs(b.nix, b.derivation, b.job.keepGoing), b.nixEnv)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err != nil {
		return err
	}
	if b.result, err = nix.ParsePath(out); err != nil {
		return err
	}
	products, err := b.session.Open(b.result + "/" + nix.ProductsFile)
	if err != nil {
		return &codedError{exitBuild, fmt.Sprintf("%s was built, but holds no image: it has no %s", b.result, nix.ProductsFile), []string{
			"leave --attr out to build an SD image, or look at the result: nixsd-native shell -- ls " + b.result,
		}}
	}
	defer products.Close()
	b.imagePath, err = nix.Image(products, b.result)
	return err
}

// configDirOf returns the host's folder that a configuration lies in.
func configDirOf(config string) string {
	if config == "" {
		return ""
	}
	file, err := filepath.EvalSymlinks(config)
	if err != nil {
		file = config
	}
	if dir, err := filepath.Abs(filepath.Dir(file)); err == nil {
		return dir
	}
	return filepath.Dir(file)
}
