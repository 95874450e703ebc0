package main

import (
	"fmt"
	"io"
	"syscall"
)

// A standardOutput keeps why it could not be written, so that who prints a result need not
// ask. One that was closed cannot be told: Go's runtime has opened /dev/null in its place.
type standardOutput struct {
	w   io.Writer
	err error
}

// Write writes nothing more after a failure: what has a gap is no result.
func (o *standardOutput) Write(p []byte) (n int, err error) {
	if o.err != nil {
		return 0, o.err
	}
	if n, err = o.w.Write(p); err != nil {
		o.err = &stdoutError{err}
	}
	return n, o.err
}

// A stdoutError says that a result could not be printed.
type stdoutError struct{ err error }

func (e *stdoutError) Error() string {
	return fmt.Sprintf("standard output cannot be written: %v", bare(e.err))
}

func (e *stdoutError) Unwrap() error { return e.err }

func (e *stdoutError) Hints() []string {
	return []string{"what takes the output is full or gone: free some space there, or let something else take it"}
}

// report prints the error of a command or, if there is none, that of its output, and
// returns the exit code.
func (a *app) report(err error) int {
	if exitCode(err) == exitOK && a.stdout.err != nil {
		err = a.stdout.err
	}
	return report(a.errs, err)
}

// endedBy tells which signal ended a process of ours. By SIGPIPE the kernel ends who writes
// what nobody reads, on standard output or on standard error.
func endedBy(part string, s syscall.Signal) error {
	if s == syscall.SIGPIPE {
		return &stdoutError{syscall.EPIPE}
	}
	return fmt.Errorf("the %s was ended by signal %d (%v)", part, s, s)
}
