package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"nixsd-native/binfmt"
	"nixsd-native/internal/hostinfo"
	"nixsd-native/internal/image"
	"nixsd-native/internal/monitor"
	"nixsd-native/internal/wire"
	"nixsd-native/sandbox"
)

// argv[0] of the two halves of a command that root runs.
const (
	monitorArg0 = "nixsd-native-monitor"
	workerArg0  = "nixsd-native-worker"
)

// runDir is where all builds of the host meet: the locks of the handler, and mount
// points of the monitors' private mounts.
const runDir = "/run/nixsd-native"

// cleanUpTimeout bounds what is done after the worker has ended.
const cleanUpTimeout = 30 * time.Second

// callerVariables tell who called sudo.
var callerVariables = []string{"SUDO_UID", "SUDO_GID"}

// becomeMonitor gives this process a mount namespace of its own, unless what is
// mounted is to stay, and starts the program again in it, with what it knows of the
// environment and nothing else: the runtime's own variables (GODEBUG) are not for root. It
// returns only if that fails.
func becomeMonitor(args []string, hostMounts bool) error {
	if !hostMounts {
		runtime.LockOSThread() // the namespace is this thread's, until exec
		if err := sandbox.Unshare(); err != nil {
			return diagnosed(&sandbox.StartError{Op: "clone", Err: err})
		}
	}
	return syscall.Exec("/proc/self/exe", append([]string{monitorArg0}, args...), hostEnvironment().list(slices.Concat(passedOn, callerVariables)))
}

// A rootMonitor is the part of a build that stays root. It decodes nothing that has
// not matched a hash, speaks no HTTP and parses no log.
type rootMonitor struct {
	needs
	ids       hostIDs
	worker    monitor.Identity
	owner     image.Owner // of the results
	targets   []located
	trees     []openTree // what sandboxes see of the user's
	files     map[string]namedFile
	lockFile  lockFile
	outputs   *outputs
	staged    *staged
	lock      *os.File
	lease     *binfmt.Lease
	caretaker *monitor.Caretaker // while there is, or may be, a lease
	sandboxes []*sandbox.Process
	trouble   error // for Lock to tell
}

// monitorMain starts the worker, does what it asks for, and cleans up after it,
// however it ended.
func monitorMain(args []string) int {
	env := hostEnvironment()
	errs := newApp(env, args).errs
	j, err := parse(args, io.Discard)
	if err != nil {
		return report(errs, err)
	}
	m, err := newMonitor(j.(splitJob).needs(), env)
	if err != nil {
		return report(errs, err)
	}
	ours, theirs, err := wire.Pair()
	if err != nil {
		return report(errs, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w, err := monitor.Start(monitor.Command{
		Args: append([]string{workerArg0}, args...), Env: env.list(passedOn), Files: []*os.File{theirs}, As: m.worker,
	})
	theirs.Close()
	if err != nil {
		return report(errs, err)
	}
	go func() { w.Wait(); cancel() }()
	stop := passSignals(w)
	defer stop()
	if err := m.serve(ctx, ours); err != nil {
		report(errs, err)
	}
	status, killed := w.Wait()
	if err := m.cleanUp(); err != nil {
		return report(errs, err)
	}
	if killed != 0 {
		return report(errs, endedBy("worker", killed))
	}
	return status
}

// passSignals hands signals to the worker, which ends the work in order. A terminal
// sends SIGINT to the worker, too; it heeds the first one.
func passSignals(w *monitor.Worker) (stop func()) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		for s := range signals {
			w.Signal(s)
		}
	}()
	return func() { signal.Stop(signals) }
}

func newMonitor(n needs, env environment) (*rootMonitor, error) {
	m := &rootMonitor{needs: n}
	err := m.openNamed()
	if err != nil {
		return nil, err
	}
	caller, callersGroup, bySudo := monitor.Caller(env["SUDO_UID"], env["SUDO_GID"]) // without sudo that is root, 0
	m.ids, m.trouble = n.claim(caller)
	if m.trouble != nil && n.diagnose {
		m.ids, err = freeIDs()
	} else {
		err = m.trouble
	}
	if err != nil {
		return nil, err
	}
	m.worker = monitor.Identity{UID: m.ids.worker(), GID: m.ids.worker(), Group: m.ids.worker()}
	if bySudo {
		m.worker.UID, m.worker.GID = caller, callersGroup
		m.owner = image.Owner{Set: true, UID: caller, GID: callersGroup}
	}
	m.lockFile = n.locateLock(m.owner)
	if m.trouble == nil {
		m.trouble = firstError(m.makeFolders(), checkFolders(n.state, n.cache, caller)) // again, as somebody may have made them first
	}
	if n.diagnose {
		return m, nil
	}
	return m, m.trouble
}

// claim returns the ids of a state folder that is safe, as the cache is.
func (n needs) claim(caller int) (hostIDs, error) {
	if err := checkFolders(n.state, n.cache, caller); err != nil {
		return hostIDs{}, err
	}
	if n.looks && isMissing(n.state) {
		return freeIDs()
	}
	ids, err := chooseIDs(n.state)
	if is[*os.PathError](err) {
		return ids, folderError("state", n.state, err)
	}
	return ids, err
}

// stripped tells a doctor what sudo took away.
func (m *rootMonitor) stripped() []string {
	if !m.diagnose {
		return nil
	}
	return hostinfo.LostToSudo(os.DirFS("/"), os.Getpid(), proxyVariables)
}

// openNamed opens everything that the command line names, while there is no worker yet
// who could change what the paths lead to.
func (m *rootMonitor) openNamed() (err error) {
	if m.targets, err = m.needs.locate(); err != nil {
		return err
	}
	trees, err := m.needs.trees(m.targets)
	if err != nil {
		return err
	}
	if m.trees, err = openTrees(trees); err != nil {
		return err
	}
	m.outputs = locateOutputs(m.needs.output)
	files := m.needs.files
	for _, l := range m.targets {
		files = append(files, l.Name)
	}
	m.files = openAll(files)
	return nil
}

// makeFolders makes what is missing of state and cache. The cache belongs to the
// worker's group, whoever the caller is.
func (m *rootMonitor) makeFolders() error {
	left := map[string]bool{"state": m.looks && isMissing(m.state), "cache": m.looks && isMissing(m.cache)}
	if !left["state"] {
		if err := m.ids.record(m.state); err != nil {
			return folderError("state", m.state, err)
		}
	}
	nix := nixDir(m.state)
	for _, dir := range []struct {
		what     string
		path     string
		mode     os.FileMode
		uid, gid int
	}{
		{"state", m.state, 0o755, 0, 0},
		{"state", filepath.Dir(nix), 0o700, 0, 0},
		{"state", nix, 0o755, int(m.ids.users().First), int(m.ids.users().First)},
		{"cache", m.cache, 0o775 | os.ModeSetgid, 0, m.ids.worker()},
	} {
		if left[dir.what] {
			continue
		}
		err := makeFolder(dir.path, dir.mode, dir.uid, dir.gid)
		if err == nil && dir.mode == 0o700 {
			err = keepClosed(dir.path)
		}
		if err != nil {
			return folderError(dir.what, dir.path, err)
		}
	}
	if err := makeFolder(runDir, 0o755, 0, 0); err != nil {
		return &codedError{exitHost, err.Error(), nil}
	}
	return nil
}

// makeFolder makes a folder and those above it; one that exists stays as it is, unless
// it was only begun when a kill came.
func makeFolder(path string, mode os.FileMode, uid, gid int) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); errors.Is(err, os.ErrExist) {
		if !isBegun(path) {
			return nil
		}
	} else if err != nil {
		return err
	}
	return errors.Join(os.Lchown(path, uid, gid), os.Chmod(path, mode))
}

// isBegun recognises what makeFolder has made and not yet opened to others.
func isBegun(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != os.ModeDir|0o700 {
		return false
	}
	entries, err := os.ReadDir(path)
	return err == nil && len(entries) == 0
}

// cleanUp ends what the worker left running and takes the handler away.
func (m *rootMonitor) cleanUp() error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanUpTimeout)
	defer cancel()
	for _, p := range m.sandboxes {
		p.Kill()
	}
	m.outputs.discard()
	var err error
	if m.lease != nil {
		err = m.lease.Release(ctx)
	}
	if m.caretaker != nil && err == nil {
		m.caretaker.Dismiss() // else it tries once more
	}
	if m.lock != nil {
		m.lock.Close()
	}
	return err
}
