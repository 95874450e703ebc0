package main

import (
	"cmp"
	"context"
	"io"
	"regexp"
	"strings"

	"nixsd-native/internal/fetch"
	"nixsd-native/nix"
	"nixsd-native/sandbox"
)

// nixEnvironment is the environment of Nix's programs in the sandbox.
func (w *workspace) nixEnvironment(conf nix.Conf) ([]string, error) {
	conf.ManyUsers = w.info.ManyUsers
	conf.Shell = w.nix.Shell
	w.hideLogins(&conf)
	conf.ExtraPlatforms = w.extraPlatforms()
	conf.Builders = w.builders.setting()
	text, err := conf.Text()
	if err != nil {
		return nil, usageErrorf("", "%v", err)
	}
	extra := append(w.env.inside(), "NIX_CONFIG="+text)
	if len(w.sshHosts()) > 0 {
		extra = append(extra, "PATH="+w.programPath())
	}
	return nix.Env(w.nix, w.caBundle, extra), nil
}

// extraPlatforms are the foreign systems that this machine builds for: those it emulates,
// or is told to have a handler for.
func (w *workspace) extraPlatforms() []string {
	if w.emulation.emulates() || w.mode == emulationNone && nativeSystem() != nix.System && !w.emulation.remote {
		return []string{nix.System}
	}
	return nil
}

// maxNixOutput bounds what one of Nix's programs prints as its result, in bytes: the
// requisites of a NixOS image, 20,000 paths, have 2 MB, their infos as JSON 20 MB.
const maxNixOutput = 256 << 20

// runNix runs one of Nix's programs, reports what it does, and returns what it
// prints.
func (w *workspace) runNix(ctx context.Context, argv, env []string) (string, error) {
	out, _, err := w.followNix(ctx, argv, env)
	return out, err
}

// followNix is runNix that also returns what the program did.
func (w *workspace) followNix(ctx context.Context, argv, env []string) (string, *nix.Tracker, error) {
	var out strings.Builder
	if w.sources.offline {
		argv = w.nix.Offline(argv)
	}
	track := new(nix.Tracker)
	stall := w.watchStall()
	defer stall.stop()
	exit, err := w.runInSandbox(ctx, sandbox.Command{Argv: argv, Env: env, Dir: "/"}, nil,
		func(r io.Reader) { io.Copy(&out, io.LimitReader(r, maxNixOutput)) },
		func(r io.Reader) {
			nix.ReadLog(r, func(e nix.Event) { w.nixEvent(track, e); stall.heard(track.Here()) })
		})
	if err == nil {
		err = w.nixFailure(exit, track)
	}
	return out.String(), track, err
}

// An optionError is a usageError that is about all images of a run.
type optionError struct{ error }

func (e *optionError) Unwrap() error { return e.error }

// badSetting is what Nix says of a setting's value that it cannot read.
var badSetting = regexp.MustCompile(`^(Boolean )?setting '[^']+' has invalid value`)

// nixFailure makes an error of how one of Nix's programs ended.
func (w *workspace) nixFailure(exit sandbox.Exit, track *nix.Tracker) error {
	if exit == (sandbox.Exit{}) {
		return nil
	}
	failure := track.Failure(exit.Status)
	if exit.Signal != 0 {
		killed := nix.BuildError{Output: "failed due to signal 9 (Killed)"} // told apart by no more
		return &codedError{exitHost, "nix was killed", killed.Hints()}
	}
	if badSetting.MatchString(failure.Summary) { // those that are not from --option were checked
		return &optionError{usageErrorf("correct what is given to --option", "--option: %s", failure.Summary)}
	}
	if _, reason, ok := strings.Cut(failure.Summary, nix.Refused); ok {
		return usageErrorf("change the configuration, or the flags that name it", "%s", reason)
	}
	if failure.Derivation == "" && lacking.MatchString(failure.Summary) {
		w.doubtStore()
	}
	return w.shown(failure)
}

// lacking is what Nix says of a store path that is registered, but not there or not whole.
var lacking = regexp.MustCompile(`/nix/store/.*(No such file or directory|does not exist|is not valid)|input too short to be a valid derivation`)

// nixEvent reports an event.
func (w *workspace) nixEvent(track *nix.Tracker, e nix.Event) {
	derivation := track.Apply(e)
	if e.Kind == nix.Start && e.Type == nix.BuildOne && w.onBuild != nil {
		w.onBuild(e.Path)
	}
	switch e.Kind {
	case nix.Start, nix.Stop, nix.Progress, nix.Expect:
		w.rep.Building(buildStatus(track.Status()))
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
	if m := unsigned.FindStringSubmatch(text); m != nil { // told once of a cache, not of each path
		w.warnOnce("store paths of " + cmp.Or(w.cacheNames[m[1]], fetch.WithoutPassword(m[1])) + " are not used, as no trusted key signed them: name its key with --trusted-public-key KEY")
		w.rep.LogLine("", text)
		return
	}
	for _, prefix := range []string{"evaluation warning: ", "trace: warning: ", "warning: "} {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			w.warnOnce(oneLine(rest))
			return
		}
	}
	if e.Level == nix.LevelWarn {
		w.warnOnce(oneLine(text))
	} else if !e.Fatal {
		w.rep.LogLine("", text)
	}
}

// unsigned is what Nix says of a store path in a cache whose key is not known.
var unsigned = regexp.MustCompile(`ignoring substitute for '[^']*' from '([^']*)', as it's not signed by any of the keys`)

// warnOnce passes a warning on; another target's of the same words says nothing new.
func (w *workspace) warnOnce(text string) {
	if _, again := w.warned.LoadOrStore(text, true); !again {
		w.rep.Warn("%s", text)
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
	for _, line := range e.LastLines() {
		w.rep.Note("%s> %s", nix.DerivationName(e.Derivation), line)
	}
	return e
}

// configPath is the sandbox's name of a configuration's folder, but not a part of a
// longer path.
var configPath = regexp.MustCompile(`(^|[^\w.+/-])(` + insideConfig + `(?:-\d+)?)/`)

// hostPath replaces the sandbox's names of the configurations' folders by the host's.
func (w *workspace) hostPath(text string) string {
	return configPath.ReplaceAllStringFunc(text, func(found string) string {
		at := configPath.FindStringSubmatch(found)
		for _, p := range w.places {
			if p.Mount == at[2] {
				return at[1] + p.Dir + "/"
			}
		}
		return found
	})
}
