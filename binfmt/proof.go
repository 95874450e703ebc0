package binfmt

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// A ProofReason says why the probe did not run as it should.
type ProofReason string

// The values of [ProofReason].
const (
	ProofNoHandler ProofReason = "no handler took it"
	ProofDenied    ProofReason = "running it was denied"
	ProofNoExec    ProofReason = "the folder is mounted noexec"
	ProofNoFile    ProofReason = "the handler's emulator is missing"
	ProofCrash     ProofReason = "the emulator crashed"
	ProofOutput    ProofReason = "wrong output"
	ProofStatus    ProofReason = "wrong exit status"
	ProofTimeout   ProofReason = "no end in time"
	ProofOther     ProofReason = "it could not be started"
)

// A ProofError means that an aarch64 program does not run on this host.
type ProofError struct {
	Reason ProofReason
	Path   string // folder of the probe
	Detail string // signal, status or output; may be empty
	Err    error  // from execve(2); may be nil
}

func (e *ProofError) Error() string {
	text := fmt.Sprintf("the aarch64 test program did not run: %s", e.Reason)
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	if e.Err != nil {
		text += fmt.Sprintf(": %v", e.Err)
	}
	return text
}

func (e *ProofError) Unwrap() error { return e.Err }

// Hints depend on the reason.
func (e *ProofError) Hints() []string {
	switch e.Reason {
	case ProofNoHandler:
		return []string{
			"look at what is registered: nixsd-native binfmt status",
			"register it: sudo nixsd-native binfmt register",
		}
	case ProofNoExec:
		return []string{"choose a state folder on a file system without noexec: --state-dir DIR; findmnt -T '" + e.Path + "'"}
	case ProofDenied:
		return []string{"a security module (SELinux, AppArmor) or a handler with an unreadable emulator is in the way: sudo dmesg | tail"}
	case ProofNoFile:
		return []string{"another handler points to a missing file: nixsd-native binfmt status"}
	case ProofCrash, ProofStatus, ProofTimeout:
		return []string{"try another QEMU: --qemu-suite trixie"}
	case ProofOutput:
		return []string{"another handler may have taken it: nixsd-native binfmt status"}
	}
	return nil
}

// An outcome is all that a run of the probe left to judge.
type outcome struct {
	start    error // of execve(2)
	noexec   bool  // the folder's mount has that flag
	timedOut bool
	signal   syscall.Signal // that ended it, 0 if none did
	status   int
	stdout   string
	stderr   string
}

// judge returns nil if the probe ran as it should.
func (o outcome) judge() *ProofError {
	switch {
	case o.start != nil:
		return o.judgeStart()
	case o.timedOut:
		return &ProofError{Reason: ProofTimeout, Detail: strings.TrimSpace(o.stderr)}
	case o.signal != 0:
		return &ProofError{Reason: ProofCrash, Detail: fmt.Sprintf("QEMU ended by signal %d (%v)%s", int(o.signal), o.signal, o.suffix())}
	case o.status != 0:
		return &ProofError{Reason: ProofStatus, Detail: fmt.Sprintf("%d instead of 0%s", o.status, o.suffix())}
	case o.stdout != ProbeText:
		return &ProofError{Reason: ProofOutput, Detail: fmt.Sprintf("%q instead of %q%s", o.stdout, ProbeText, o.suffix())}
	}
	return nil
}

func (o outcome) judgeStart() *ProofError {
	reason := ProofOther
	switch {
	case errors.Is(o.start, syscall.ENOEXEC):
		reason = ProofNoHandler
	case errors.Is(o.start, syscall.EACCES) && o.noexec:
		reason = ProofNoExec
	case errors.Is(o.start, syscall.EACCES), errors.Is(o.start, syscall.EPERM):
		reason = ProofDenied
	case errors.Is(o.start, syscall.ENOENT):
		reason = ProofNoFile
	}
	return &ProofError{Reason: reason, Err: o.start}
}

// suffix quotes what the emulator complained, if anything.
func (o outcome) suffix() string {
	if o.stderr == "" {
		return ""
	}
	return fmt.Sprintf(", it said %q", strings.TrimSpace(o.stderr))
}
