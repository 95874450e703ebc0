package main

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/bzip2"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"nixsd-native/internal/explain"
	"nixsd-native/internal/shell"
	"nixsd-native/nix"
)

// An explainJob is the command explain with its flags.
type explainJob struct {
	json bool
	name string // of the file, or "" for standard input
	file *os.File
}

func explainCommand() command {
	return command{
		name:    "explain",
		args:    "[LOGFILE]",
		summary: "tell what the failure in a log means",
		help: `LOGFILE, or standard input, is what Nix printed: nix-build, nix build or
nixos-rebuild, as text or with --log-format internal-json, in docker or not; or
a builder's own log, from /nix/var/log/nix/drvs or "nix log". Nothing is
guessed: what is not known is said to be not known.

Printed are the derivation that failed, the end of its log, and what is known:
the cause, what to do, and where others tell of it. The exit code is 0 if the
failure is known, 6 if it is not.

Examples:
  nixos-rebuild build 2>&1 | nixsd-native explain
  nixsd-native explain /nix/var/log/nix/drvs/0q/91sl…-linux-6.6.54.drv.bz2`,
		new: func(fs *pflag.FlagSet) job {
			j := new(explainJob)
			fs.BoolVar(&j.json, "json", false, "print one JSON object")
			return j
		},
	}
}

func (j *explainJob) check(args []string) error {
	if len(args) > 1 {
		return usageErrorf("", "explain takes one LOGFILE, or standard input")
	}
	if len(args) == 1 && args[0] != "-" {
		j.name = args[0]
	}
	return nil
}

func (j *explainJob) opens() []string {
	if j.name == "" {
		return nil
	}
	return []string{j.name}
}

func (j *explainJob) take(files []*os.File) {
	j.file = os.Stdin
	if len(files) > 0 {
		j.file = files[0]
	}
}

func (j *explainJob) run(_ context.Context, a *app) error {
	defer j.file.Close()
	failure, err := j.read()
	if err != nil {
		return err
	}
	if len(failure.Log) == 0 { // Nix alone said something
		failure.Log = strings.Split(failure.Output, "\n")
	}
	e := explainedLog{ // findings and lines are not null in JSON
		Derivation: failure.Derivation, Name: j.derivationName(failure),
		Log: append([]string{}, failure.LastLines()...), Findings: append([]explain.Finding{}, failure.Findings()...),
	}
	if j.json {
		err = json.NewEncoder(a.out).Encode(e)
	} else {
		_, err = io.WriteString(a.out, e.text())
	}
	if err != nil || len(e.Findings) > 0 {
		return err
	}
	return &codedError{exitBuild, "nothing is known of a failure in this log", []string{
		"all of a derivation's log, for its first error: nix log " + cmp.Or(e.Derivation, "DERIVATION"),
	}}
}

// maxLog bounds what is read of a log, unpacked, in bytes; that of a kernel has 2 MB.
const maxLog = 256 << 20

// read reads the log.
func (j *explainJob) read() (*nix.BuildError, error) {
	name := cmp.Or(j.name, "standard input")
	if term.IsTerminal(int(j.file.Fd())) {
		return nil, usageErrorf("name a log, or let a program print into it: nix-build … 2>&1 | nixsd-native explain", "%s is a terminal", name)
	}
	if info, err := j.file.Stat(); err != nil || info.IsDir() {
		return nil, usageErrorf("name a file", "%s is no file", name)
	}
	br := bufio.NewReader(j.file)
	var text io.Reader = br
	if magic, _ := br.Peek(len(bzip2Magic)); string(magic) == bzip2Magic {
		text = bzip2.NewReader(br)
	}
	whole := bufio.NewReader(text)
	const advice = "name a log as text, or a .bz2 of Nix's"
	switch head, err := whole.Peek(textHead); {
	case err != nil && err != io.EOF:
		return nil, usageErrorf(advice, "%s: %v", name, bare(err))
	case !isText(head):
		return nil, usageErrorf(advice, "%s is no text", name)
	}
	counted := &io.LimitedReader{R: whole, N: maxLog + 1}
	failure, err := nix.ReadFailure(counted)
	switch read := maxLog + 1 - counted.N; {
	case err != nil:
		return nil, usageErrorf(advice, "%s: %v", name, bare(err))
	case read > maxLog:
		return nil, usageErrorf("give its end: tail -c 20M "+shell.Path(cmp.Or(j.name, "LOGFILE"))+" | nixsd-native explain", "%s has more than %s", name, size(maxLog))
	case read == 0:
		return nil, usageErrorf("let the program print into it, errors too: nix-build … 2>&1 | nixsd-native explain", "%s is empty", name)
	}
	return failure, nil
}

// textHead is how much of a log is looked at to see whether it is one, in bytes.
const textHead = 4 << 10

// isText reports whether bytes may be a log's: they have no NUL, and more of them are
// UTF-8 than not.
func isText(b []byte) bool {
	bad := 0
	for _, r := range string(b) {
		if r == utf8.RuneError {
			bad++
		}
	}
	return bytes.IndexByte(b, 0) < 0 && 2*bad <= len(b)
}

// bzip2Magic begins what bzip2 compressed, as Nix does with the logs it keeps.
const bzip2Magic = "BZh"

// logName is how Nix calls a log that it keeps: as the derivation, whose first two letters
// are the folder.
var logName = regexp.MustCompile(`^[0-9a-z]{30,32}-(.+)\.drv(\.bz2)?$`)

// derivationName is what failed, as people call it, or "".
func (j *explainJob) derivationName(e *nix.BuildError) string {
	if e.Derivation != "" {
		return nix.DerivationName(e.Derivation)
	}
	if m := logName.FindStringSubmatch(filepath.Base(j.name)); m != nil {
		return clean(m[1])
	}
	return ""
}

// An explainedLog is what explain prints.
type explainedLog struct {
	Derivation string            `json:"derivation,omitempty"` // store path
	Name       string            `json:"name,omitempty"`
	Log        []string          `json:"log"`      // last lines
	Findings   []explain.Finding `json:"findings"` // none if nothing is known
}

// text returns what a person reads.
func (e explainedLog) text() string {
	var b strings.Builder
	if e.Name != "" {
		fmt.Fprintf(&b, "failed: %s\n", e.Name)
	}
	for _, line := range e.Log {
		fmt.Fprintf(&b, "%s> %s\n", e.Name, clean(line))
	}
	for _, f := range e.Findings {
		fmt.Fprintln(&b, clean(strings.Join(f.Lines(), "\n")))
	}
	return b.String()
}
