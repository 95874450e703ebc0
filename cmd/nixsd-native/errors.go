package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"nixsd-native/binfmt"
	"nixsd-native/internal/bundle"
	"nixsd-native/internal/debian"
	"nixsd-native/internal/explain"
	"nixsd-native/internal/fetch"
	"nixsd-native/internal/image"
	"nixsd-native/internal/monitor"
	"nixsd-native/internal/untar"
	"nixsd-native/nix"
	"nixsd-native/qemu"
	"nixsd-native/sandbox"
)

// Exit codes, a contract.
const (
	exitOK          = 0
	exitInternal    = 1
	exitUsage       = 2
	exitHost        = 3 // the host cannot
	exitVerify      = 4 // verification failed
	exitNetwork     = 5
	exitBuild       = 6 // the NixOS build failed
	exitOutput      = 7 // disk full, not writable
	exitInterrupted = 130
)

// A usageError is a mistake on the command line.
type usageError struct {
	message, hint string
}

func (e *usageError) Error() string { return e.message }

func (e *usageError) Hints() []string {
	if e.hint == "" {
		return nil
	}
	return []string{e.hint}
}

func usageErrorf(hint, format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...), hint}
}

// errInterrupted says that a signal ended the work.
var errInterrupted = errors.New("interrupted")

// A codedError is an error of another process of ours, or one with its code set by
// hand.
type codedError struct {
	Code    int
	Message string
	Advice  []string
}

func (e *codedError) Error() string   { return e.Message }
func (e *codedError) Hints() []string { return e.Advice }

// exitCode classifies an error by the types in its chain.
func exitCode(err error) int {
	var coded *codedError
	var build *nix.BuildError
	switch {
	case err == nil, errors.Is(err, errHelp):
		return exitOK
	case errors.Is(err, errInterrupted), errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &coded):
		return coded.Code
	case is[*usageError](err):
		return exitUsage
	case is[*fleetError](err):
		return exitBuild
	case errors.As(err, &build):
		if build.OfHost() {
			return exitHost
		}
		return exitBuild
	case is[*fetch.HashError](err), is[*qemu.HashError](err), is[*qemu.ContentError](err), is[*qemu.UnpinnedError](err),
		is[*debian.SignatureError](err), is[*debian.ExpiredError](err), is[*debian.FormatError](err), is[*debian.SuiteError](err),
		is[*debian.NotListedError](err), is[*debian.DependencyError](err),
		is[*nix.TarballError](err), is[*untar.FormatError](err), is[*nix.LockError](err), is[*bundle.Error](err):
		return exitVerify
	case is[*fetch.NetworkError](err), is[*fetch.OfflineError](err), is[*debian.MirrorsError](err):
		return exitNetwork
	case is[*sandbox.HostError](err), is[*monitor.BusyError](err), isBinfmtError(err): // ENOSPC among them is no disk's
		return exitHost
	case is[*stdoutError](err), is[*image.OutputError](err), is[*fetch.StorageError](err), isDiskFull(err):
		return exitOutput
	}
	return exitInternal
}

func isBinfmtError(err error) bool {
	return is[*binfmt.UnavailableError](err) || is[*binfmt.PermissionError](err) || is[*binfmt.ReadOnlyError](err) ||
		is[*binfmt.AutofsError](err) || is[*binfmt.DisabledError](err) || is[*binfmt.InterpreterError](err) ||
		is[*binfmt.ExistsError](err) || is[*binfmt.ResourceError](err) || is[*binfmt.ReadBackError](err) || is[*binfmt.UnsupportedError](err) ||
		is[*binfmt.BusyError](err) || is[*binfmt.ProofError](err) || is[*binfmt.FolderError](err)
}

// is reports whether an error of type T is in err's chain.
func is[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}

// hints returns what the first error in the chain with hints says.
func hints(err error) []string {
	var h interface {
		error
		Hints() []string
	}
	if errors.As(err, &h) {
		return h.Hints()
	}
	return nil
}

// A reportedError was printed already.
type reportedError struct{ error }

func (e reportedError) Unwrap() error { return e.error }

// report prints an error, once, and returns the exit code.
func report(w io.Writer, err error) int {
	if exit := (*shellExit)(nil); errors.As(err, &exit) {
		return exit.status()
	}
	code := exitCode(err)
	if code != exitOK && !is[reportedError](err) {
		text, hints := describe(err)
		fmt.Fprintf(w, "error: %s\n", text)
		for _, h := range hints {
			fmt.Fprintln(w, hintLine(h))
		}
	}
	return code
}

// hintLine is how a hint is printed: one that explains a failure says itself what it is.
func hintLine(h string) string {
	if explain.IsLine(h) {
		return h
	}
	return "hint: " + h
}

// describe returns an error and what helps as lines of text.
func describe(err error) (text string, advice []string) {
	for _, h := range hints(err) {
		advice = append(advice, oneLine(h))
	}
	code := exitCode(err)
	if code == exitInterrupted {
		return errInterrupted.Error(), nil
	}
	if len(advice) == 0 || code == exitInternal && !is[*fs.PathError](err) {
		advice = append(advice, generalHint(code, err))
	}
	return oneLine(err.Error()), advice
}

// generalHint is for errors that bring no hint of their own.
func generalHint(code int, err error) string {
	switch {
	case code == exitUsage:
		return "run \"nixsd-native help\""
	case code == exitHost:
		return "find out what this host lacks: nixsd-native doctor"
	case code == exitVerify:
		return "take the file from another source: --debian-mirror, --channel-mirror or --nix-mirror URL, or name another with --nixpkgs, --nix or --qemu-deb"
	case code == exitNetwork:
		return "check the network and what is named, or take another source: --debian-mirror, --channel-mirror or --nix-mirror URL"
	case code == exitBuild:
		return "the lines above tell what failed; -v shows all that builders print"
	case code == exitOutput:
		return "name other folders with -o, --state-dir or --cache-dir"
	case is[*fs.PathError](err):
		return "look at the owner, the permissions and the disk of what is named"
	}
	return "this looks like a bug of nixsd-native; please report it with the output of a run with -v"
}

// oneLine keeps a message from looking like several, and names in it from being more than
// text to a terminal.
func oneLine(s string) string {
	s = clean(strings.ReplaceAll(s, "\r", "\n"))
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
