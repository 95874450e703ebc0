package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"nixsd-native/binfmt"
	"nixsd-native/internal/bundle"
	"nixsd-native/internal/debian"
	"nixsd-native/internal/fetch"
	"nixsd-native/internal/image"
	"nixsd-native/internal/monitor"
	"nixsd-native/internal/untar"
	"nixsd-native/nix"
	"nixsd-native/qemu"
	"nixsd-native/sandbox"
)

// typed has one value, or more, of every type that exitCode knows.
var typed = []struct {
	err  error
	want int
}{
	{&usageError{"bad flag", "a hint"}, exitUsage},
	{&codedError{exitVerify, "from elsewhere", nil}, exitVerify},
	{&nix.BuildError{Status: 1, Summary: "builder failed", Log: []string{"one", "two"}}, exitBuild},
	{&fleetError{"1 of 2 images failed: a.nix", "above"}, exitBuild},
	{&fetch.HashError{Name: "f", Want: "00"}, exitVerify},
	{&qemu.HashError{What: "f", Want: "00", Got: "11"}, exitVerify},
	{&qemu.ContentError{Reason: "no ELF"}, exitVerify},
	{&qemu.UnpinnedError{Name: "f", SHA256: "00"}, exitVerify},
	{&debian.SignatureError{Reason: "unknown key"}, exitVerify},
	{&debian.ExpiredError{What: "release trixie", When: time.Unix(0, 0)}, exitVerify},
	{&debian.FormatError{What: "Packages", Line: 3, Reason: "no colon"}, exitVerify},
	{&debian.SuiteError{Asked: "trixie", Codename: "sid"}, exitVerify},
	{&debian.NotListedError{Suite: "trixie", Path: "main/binary-arm64/Packages"}, exitVerify},
	{&debian.DependencyError{Relation: "libc6", Reason: "no such package"}, exitVerify},
	{&nix.TarballError{Reason: "no install"}, exitVerify},
	{&untar.FormatError{Name: "../x", Reason: "leaves the folder"}, exitVerify},
	{&nix.LockError{Reason: "is damaged"}, exitVerify},
	{&bundle.Error{File: "b", Member: "index.json", Reason: "is damaged"}, exitVerify},
	{&fetch.NetworkError{Name: "f"}, exitNetwork},
	{&fetch.OfflineError{Missing: []fetch.Missing{{Name: "f"}}}, exitNetwork},
	{&debian.MirrorsError{Suite: "trixie"}, exitNetwork},
	{&sandbox.HostError{Cause: "no user namespaces"}, exitHost},
	{&monitor.BusyError{Lock: "/s/lock"}, exitHost},
	{&image.OutputError{Path: "/o", Err: fs.ErrPermission}, exitOutput},
	{&fetch.StorageError{Dir: "/c", Err: syscall.EROFS}, exitOutput},
	{&stdoutError{syscall.EPIPE}, exitOutput},

	{&binfmt.UnavailableError{Path: "/b", Err: syscall.ENODEV}, exitHost},
	{&binfmt.PermissionError{Op: "mount", Err: syscall.EPERM}, exitHost},
	{&binfmt.ReadOnlyError{Path: "/b", Err: syscall.EROFS}, exitHost},
	{&binfmt.AutofsError{Path: "/b", Err: syscall.ENODEV}, exitHost},
	{&binfmt.DisabledError{Path: "/b"}, exitHost},
	{&binfmt.InterpreterError{Interpreter: "/q", Err: syscall.ENOEXEC}, exitHost},
	{&binfmt.ExistsError{Name: "q", Err: syscall.EEXIST}, exitHost},
	{&binfmt.ResourceError{Err: syscall.ENOSPC}, exitHost}, // no disk's
	{&binfmt.ReadBackError{Name: "q"}, exitHost},
	{&binfmt.UnsupportedError{Err: syscall.EPERM}, exitHost},
	{&binfmt.BusyError{Name: "q"}, exitHost},
	{&binfmt.ProofError{Path: "/p", Err: syscall.ENOEXEC}, exitHost},
	{&binfmt.FolderError{Path: "/p"}, exitHost},
}

// An error's type decides the exit code, however deep it lies.
func TestExitCodeByType(t *testing.T) {
	for _, tt := range typed {
		for what, err := range map[string]error{
			"itself": tt.err, "wrapped": fmt.Errorf("step: %w", tt.err), "joined": errors.Join(errors.New("other"), tt.err), "printed before": reportedError{tt.err},
		} {
			if got := exitCode(err); got != tt.want {
				t.Errorf("exitCode(%T, %s) = %d; want %d", tt.err, what, got, tt.want)
			}
		}
	}
}

func TestExitCode(t *testing.T) {
	hash := &fetch.HashError{Name: "f"}
	for _, tt := range []struct {
		err  error
		want int
	}{
		{nil, exitOK},
		{errHelp, exitOK},
		{fmt.Errorf("x: %w", errHelp), exitOK},
		{errInterrupted, exitInterrupted},
		{context.Canceled, exitInterrupted},
		{context.DeadlineExceeded, exitInternal},
		{errors.Join(errInterrupted, &fetch.NetworkError{}), exitInterrupted}, // the cause, not what it broke
		{errors.New("unknown"), exitInternal},
		{fs.ErrNotExist, exitInternal},
		{&os.PathError{Op: "open", Path: "/x", Err: syscall.EACCES}, exitInternal},
		{&os.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC}, exitOutput},
		{&os.PathError{Op: "write", Path: "/x", Err: syscall.EDQUOT}, exitOutput},
		{usageErrorf("", "%s", "x"), exitUsage},
		{&codedError{exitBuild, "x", nil}, exitBuild},

		// What is wrong with a file counts more than that no other source had it.
		{&debian.MirrorsError{Suite: "trixie", Errs: []error{errors.New("404"), &debian.SignatureError{}}}, exitVerify},
		{errors.Join(&fetch.NetworkError{}, hash), exitVerify},
		{&fetch.NetworkError{Attempts: []fetch.Attempt{{Err: hash}}}, exitVerify},
		{&image.OutputError{Path: "/o", Err: hash}, exitVerify},
	} {
		if got := exitCode(tt.err); got != tt.want {
			t.Errorf("exitCode(%v) = %d; want %d", tt.err, got, tt.want)
		}
	}
}

// Every type that errors.go asks for is in the table above.
func TestExitCodeKnowsItsTypes(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{"*fs.PathError": true} // chooses a hint, not a code
	for _, tt := range typed {
		have[strings.Replace(fmt.Sprintf("%T", tt.err), "main.", "", 1)] = true
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.IndexExpr)
		if !ok || types.ExprString(call.X) != "is" {
			return true
		}
		if name := types.ExprString(call.Index); strings.HasPrefix(name, "*") {
			found++
			if !have[name] {
				t.Errorf("errors.go asks for %s; add a value of it to typed", name)
			}
		}
		return true
	})
	if found < len(typed)-2 {
		t.Errorf("errors.go asks for %d types; want those of typed, %d", found, len(typed))
	}
}

// Whatever the error, one line of it is printed, and after that at least one hint.
func TestReport(t *testing.T) {
	errs := []error{
		errors.New("several\nlines\r\nof\n\nit\n"), errors.New(""), errors.New("error: twice"),
		&os.PathError{Op: "open", Path: "/x\nhint: not mine", Err: syscall.EACCES},
		&codedError{exitHost, "a\nb", []string{"c\nd", "e"}}, usageErrorf("", "no hint"),
		errInterruptedBy(), errors.Join(errors.New("one"), errors.New("two")),
	}
	for _, tt := range typed {
		errs = append(errs, tt.err)
	}
	for _, err := range errs {
		var out bytes.Buffer
		code := report(&out, err)
		lines := strings.SplitAfter(strings.TrimSuffix(out.String(), "\n"), "\n")
		hints := 0
		for _, line := range lines[1:] {
			if strings.HasPrefix(line, "hint: ") && len(strings.TrimSpace(line)) > len("hint: ") {
				hints++
			}
		}
		if !strings.HasPrefix(lines[0], "error: ") || hints != len(lines)-1 || code != exitCode(err) || !strings.HasSuffix(out.String(), "\n") {
			t.Errorf("report(%T %q) = %d and\n%swant a line of error, then hints", err, err, code, out.String())
		}
		if (hints == 0) != (code == exitInterrupted) {
			t.Errorf("report(%T) has %d hints; want some, or none for an interruption", err, hints)
		}
	}
}

func errInterruptedBy() error { return fmt.Errorf("download f: %w", errInterrupted) }

func TestReportText(t *testing.T) {
	for _, tt := range []struct {
		err  error
		code int
		want string
	}{
		{nil, exitOK, ""},
		{errHelp, exitOK, ""},
		{reportedError{errors.New("printed")}, exitInternal, ""},
		{fmt.Errorf("x: %w", reportedError{&nix.BuildError{Summary: "s"}}), exitBuild, ""},
		{&shellExit{sandbox.Exit{Status: 3}}, 3, ""},
		{&shellExit{sandbox.Exit{Signal: 15}}, 143, ""},
		{fmt.Errorf("shell: %w", &shellExit{}), 0, ""},
		{errInterruptedBy(), exitInterrupted, "error: interrupted\n"},
		{usageErrorf("do this", "bad %q", "x"), exitUsage, "error: bad \"x\"\nhint: do this\n"},
		{usageErrorf("", "bad"), exitUsage, "error: bad\nhint: run \"nixsd-native help\"\n"},
		{fmt.Errorf("step: %w", usageErrorf("do\nthis", "bad")), exitUsage, "error: step: bad\nhint: do; this\n"},
		{&codedError{exitHost, "m", []string{"one", "two"}}, exitHost, "error: m\nhint: one\nhint: two\n"},
		{&codedError{exitHost, "m", nil}, exitHost, "error: m\nhint: find out what this host lacks: nixsd-native doctor\n"},
		{&os.PathError{Op: "open", Path: "/x", Err: syscall.EACCES}, exitInternal, "error: open /x: permission denied\nhint: look at the owner, the permissions and the disk of what is named\n"},
		{errors.New("odd"), exitInternal, "error: odd\nhint: this looks like a bug of nixsd-native; please report it with the output of a run with -v\n"},
		{&nix.BuildError{Output: "error: stack overflow", Summary: "stack overflow"}, exitBuild,
			"error: stack overflow\ncause: the evaluation is too deep for Nix, most likely without end\nfix: undo the last change; if it is right, allow more: nixsd-native build --option max-call-depth=100000\nsee: https://github.com/NixOS/nix/issues/6361\n"},
		{&nix.BuildError{Output: "error: setgroups failed: Operation not permitted", Summary: "setgroups failed"}, exitHost,
			"error: setgroups failed\ncause: the sandbox has a single user id, so builders cannot change theirs\nfix: leave --option build-users-group=… out, or run with sudo\nsee: https://github.com/DeterminateSystems/nix-installer/issues/1227\n"},
		{&codedError{exitInternal, "odd", []string{"one"}}, exitInternal, "error: odd\nhint: one\nhint: this looks like a bug of nixsd-native; please report it with the output of a run with -v\n"},
	} {
		var out bytes.Buffer
		if code := report(&out, tt.err); code != tt.code || out.String() != tt.want {
			t.Errorf("report(%v) = %d, %q; want %d, %q", tt.err, code, out.String(), tt.code, tt.want)
		}
	}
}

// Every exit code has a hint of its own.
func TestGeneralHint(t *testing.T) {
	seen := map[string]int{}
	for _, code := range []int{exitInternal, exitUsage, exitHost, exitVerify, exitNetwork, exitBuild, exitOutput} {
		hint := generalHint(code, errors.New("x"))
		if other, ok := seen[hint]; ok || hint == "" {
			t.Errorf("generalHint(%d) = %q, as that of %d", code, hint, other)
		}
		seen[hint] = code
	}
}

// The first error with hints speaks, from the outside in.
func TestHints(t *testing.T) {
	inner := usageErrorf("inner", "x")
	for _, tt := range []struct {
		err  error
		want []string
	}{
		{nil, nil},
		{errors.New("x"), nil},
		{usageErrorf("", "x"), nil},
		{fmt.Errorf("y: %w", inner), []string{"inner"}},
		{errors.Join(errors.New("x"), inner, usageErrorf("later", "x")), []string{"inner"}},
		{&codedError{exitHost, "m", []string{"a", "b"}}, []string{"a", "b"}},
	} {
		if got := hints(tt.err); !slices.Equal(got, tt.want) {
			t.Errorf("hints(%v) = %q; want %q", tt.err, got, tt.want)
		}
	}
}
