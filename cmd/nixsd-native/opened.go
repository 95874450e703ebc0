package main

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"syscall"

	"nixsd-native/internal/monitor"
)

// readerArg0 is argv[0] of the process that reads what root opened for it.
const readerArg0 = "nixsd-native-reader"

// A fileJob is a job that needs nothing but the files that its command line names. If
// root runs it, they are opened, and what they hold is read by a process that may do
// nothing else: the caller's, or that of an id that nobody has.
type fileJob interface {
	job
	opens() (names []string)
	take(files []*os.File)
}

// A callerJob is a fileJob that also writes files, which belong to whoever called. So
// root that was not called by sudo runs it itself.
type callerJob interface {
	fileJob
	writesAsCaller()
}

// An openingJob is a fileJob whose files are opened in a way of its own.
type openingJob interface {
	fileJob
	open(name string) (*os.File, error)
}

// readerVariables are what the reader gets besides: it is nobody but the caller.
var readerVariables = []string{"PATH", "SSH_AUTH_SOCK"}

// openFiles opens what a fileJob names.
func openFiles(j fileJob) (files []*os.File, err error) {
	open := openNamed
	if o, ok := j.(openingJob); ok {
		open = o.open
	}
	for _, name := range j.opens() {
		f, err := open(name)
		if is[*usageError](err) {
			return nil, err
		}
		if err != nil {
			advice := "name one that is there"
			if errors.Is(err, os.ErrPermission) {
				advice = "use sudo"
			}
			return nil, usageErrorf(advice, "%s: %v", name, bare(err))
		}
		files = append(files, f)
	}
	return files, nil
}

// runFileJob runs a fileJob here, or, as root, in a process without privileges.
func runFileJob(ctx context.Context, a *app, j fileJob, args []string) int {
	files, err := openFiles(j)
	if err != nil {
		return a.report(err)
	}
	uid, gid, called := monitor.Caller(a.env["SUDO_UID"], a.env["SUDO_GID"])
	if _, writes := j.(callerJob); os.Geteuid() != 0 || writes && !called {
		j.take(files)
		return a.report(j.run(ctx, a))
	}
	as := monitor.Identity{UID: uid, GID: gid, Group: gid}
	if !called { // nor nobody, who may be somebody: daemons are
		ids, err := readerIDs()
		if err != nil {
			return a.report(err)
		}
		as = monitor.Identity{UID: ids.worker(), GID: ids.worker(), Group: ids.worker()}
	}
	w, err := monitor.Start(monitor.Command{Args: append([]string{readerArg0}, args...), Env: a.env.list(slices.Concat(passedOn, readerVariables)), Files: files, As: as})
	if err != nil {
		return a.report(err)
	}
	defer passSignals(w)()
	status, killed := w.Wait()
	if killed != 0 {
		return a.report(endedBy("reader", killed))
	}
	return status
}

// readerMain is the process without privileges; its files come as descriptors 3 and up.
func readerMain(args []string) int {
	a := newApp(hostEnvironment(), args)
	if err := monitor.ProveDropped(); err != nil {
		return a.report(err)
	}
	parsed, err := parse(args, io.Discard)
	if err != nil {
		return a.report(err)
	}
	j := parsed.(fileJob)
	var files []*os.File
	for i, name := range j.opens() {
		syscall.CloseOnExec(3 + i) // what it starts, as QEMU, gets only what it is given
		files = append(files, os.NewFile(uintptr(3+i), name))
	}
	j.take(files)
	ctx, stop := signalContext()
	defer stop()
	return a.report(j.run(ctx, a))
}
