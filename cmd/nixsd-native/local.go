package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"sync"

	"nixsd-native/internal/image"
	"nixsd-native/internal/monitor"
	"nixsd-native/internal/wire"
	"nixsd-native/qemu"
	"nixsd-native/sandbox"
)

// local provides what an ordinary user may do without help.
type local struct {
	needs
	targets   []located
	trees     []tree
	lockFile  lockFile
	lock      *os.File
	outputs   *outputs
	sandboxes []*sandbox.Process
	trouble   error // for Lock to tell
	lost      error // why there are neither sandboxes nor folders, if so
}

func newLocal(n needs) (*local, error) {
	trouble := checkFolders(n.state, n.cache, os.Geteuid())
	if trouble != nil && !n.diagnose {
		return nil, trouble
	}
	targets, err := n.locate()
	if err != nil {
		return nil, err
	}
	trees, err := n.trees(targets)
	if err != nil {
		return nil, err
	}
	return &local{needs: n, targets: targets, trees: trees, lockFile: n.locateLock(image.Owner{}), outputs: locateOutputs(n.output), trouble: trouble}, nil
}

// close ends what still runs and forgets unfinished outputs.
func (l *local) close() {
	for _, p := range l.sandboxes {
		p.Kill()
	}
	l.outputs.discard()
	if l.lock != nil {
		l.lock.Close()
	}
}

func (l *local) Dirs() (state, cache string) { return l.state, l.cache }

func (l *local) Targets() []located { return l.targets }

func (l *local) OpenLock() (*os.File, error) { return l.lockFile.open() }

func (l *local) WriteLock(text []byte) error { return l.lockFile.write(text) }

func (l *local) Open(name string) (*os.File, error) { return openNamed(name) }

func (l *local) OpenStored(path string) (*os.File, error) { return openStored(l.state, path) }

func (l *local) Lock(ctx context.Context, waiting func()) (err error) {
	if err := firstError(l.lost, l.trouble); err != nil {
		return err
	}
	l.lock, err = lockState(ctx, l.state, waiting, l.makeFolders)
	return err
}

// lockState takes a state folder, whose folders are there then, though "clean --all" may
// have removed them while this process waited for it.
func lockState(ctx context.Context, state string, waiting func(), makeFolders func() error) (*os.File, error) {
	if waiting != nil {
		waiting = sync.OnceFunc(waiting)
	}
	for {
		if err := makeFolders(); err != nil {
			return nil, err
		}
		lock, err := monitor.Lock(ctx, filepath.Join(state, "lock"), waiting)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if is[*os.PathError](err) {
			return nil, folderError("state", state, err)
		}
		if err == nil {
			err = makeFolders()
		}
		return lock, err
	}
}

// makeFolders makes what is missing of state and cache.
func (l *local) makeFolders() error {
	err := os.MkdirAll(l.state, 0o755)
	if err == nil {
		err = keepClosed(filepath.Join(l.state, "root"))
	}
	for _, dir := range []string{"root/nix", "root/mnt"} {
		if err == nil {
			err = os.MkdirAll(filepath.Join(l.state, dir), 0o755)
		}
	}
	if err != nil {
		return folderError("state", l.state, err)
	}
	if err := os.MkdirAll(l.cache, 0o755); err != nil {
		return folderError("cache", l.cache, err)
	}
	return checkFolders(l.state, l.cache, os.Geteuid()) // again, as somebody may have made them first
}

func (l *local) TryLock() (err error) {
	l.lock, err = tryLockState(l.state)
	return err
}

// tryLockState returns nil if nothing was ever built.
func tryLockState(state string) (*os.File, error) {
	if isMissing(state) {
		return nil, nil
	}
	return monitor.TryLock(filepath.Join(state, "lock"))
}

// errNeedsRoot says that a step is root's.
var errNeedsRoot = &codedError{exitHost, "only root may change the host's handlers", []string{
	"run the command with sudo; a build needs none with --emulation private (Linux 6.7 or newer)",
}}

func (l *local) RegisterHost(context.Context, qemu.Package, *os.File, bool) error {
	return errNeedsRoot
}

func (l *local) TryHost(context.Context) error { return errNeedsRoot }

// Stripped has nothing to tell: nobody took anything away.
func (l *local) Stripped() []string { return nil }

func (l *local) UnregisterHost(context.Context) error { return errNeedsRoot }

// Recover has nothing to do: without root nothing outlives a build.
func (l *local) Recover(context.Context) (bool, error) { return false, nil }

func (l *local) RemoveFolders() error { return removeFolders(l.state, l.cache) }

func (l *local) Sandbox(_ context.Context, r sandboxRequest, emulator *os.File) (*sandbox.Session, sandboxInfo, error) {
	if l.lost != nil {
		return nil, sandboxInfo{}, l.lost
	}
	root, all, err := l.prepare(r.Bare)
	if err != nil {
		return nil, sandboxInfo{}, err
	}
	users := ownUsers()
	if r.Private {
		all = append(all, sandbox.Mount{Source: emulator.Name(), Target: insideEmulator, IsFile: true, Exec: true})
	}
	if r.SSH {
		program, err := os.Executable()
		if err != nil {
			return nil, sandboxInfo{}, err
		}
		all = append(all, sshMount(program))
	}
	options := sandbox.Options{
		Spec:    r.spec(root, all),
		Users:   users,
		Network: !l.offline,
		Stderr:  os.Stderr,
	}
	ours, theirs, err := wire.Pair()
	if err != nil {
		return nil, sandboxInfo{}, err
	}
	p, err := sandbox.Start(options, theirs)
	if err != nil {
		ours.Close()
		return nil, sandboxInfo{}, diagnosed(err)
	}
	l.sandboxes = append(l.sandboxes, p)
	session, err := attach(ours)
	return session, sandboxInfo{ManyUsers: users.Many()}, err
}

// bareRoot is a folder that every host has, and that nothing in a bare sandbox comes from.
// It is covered there alone.
const bareRoot = "/sys"

// prepare returns the folder for a sandbox's root, and what is the host's in it.
func (l *local) prepare(bare bool) (root string, all []sandbox.Mount, err error) {
	if bare {
		return bareRoot, nil, nil
	}
	if err := os.MkdirAll(l.cache, 0o755); err != nil { // somebody may have removed it
		return "", nil, folderError("cache", l.cache, err)
	}
	all = mounts(nixDir(l.state), l.cache)
	for _, t := range l.trees {
		all = append(all, sandbox.Mount{Source: t.Source, Target: t.Target, Writable: t.Writable})
	}
	return filepath.Join(l.state, "root", "mnt"), all, nil
}

// attach waits for a sandbox at the other end of a socket.
func attach(socket *os.File) (*sandbox.Session, error) {
	conn, err := wire.NewConn(socket)
	if err != nil {
		return nil, err
	}
	session, err := sandbox.Attach(conn)
	if err != nil {
		conn.Close()
		if errors.Is(err, io.EOF) {
			return nil, &codedError{exitHost, err.Error(), []string{"most likely memory ran out: see the end of \"sudo dmesg\", and what limits memory: nixsd-native doctor"}}
		}
		return nil, diagnosed(err)
	}
	return session, nil
}

// ownUsers returns the caller's subordinate ids if there are any to map, else the
// caller alone.
func ownUsers() sandbox.Users {
	if !hasProgram("newuidmap") || !hasProgram("newgidmap") {
		return sandbox.Users{}
	}
	name := ""
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	uids, ok1 := subordinate("/etc/subuid", name)
	gids, ok2 := subordinate("/etc/subgid", name)
	if !ok1 || !ok2 {
		return sandbox.Users{}
	}
	return sandbox.Users{SubUID: uids, SubGID: gids}
}

func subordinate(file, name string) (sandbox.Range, bool) {
	f, err := os.Open(file)
	if err != nil {
		return sandbox.Range{}, false
	}
	defer f.Close()
	return sandbox.Subordinate(sandbox.ParseSubIDs(f), name, os.Getuid())
}

func (l *local) OpenOutput() (string, error) { return l.outputs.open(image.Owner{}) }

func (l *local) Create(name string) (*os.File, error) { return l.outputs.create(name) }

// Lend has little to do: root in the sandbox is this user.
func (l *local) Lend(name string) error { return l.outputs.lend(name, image.Owner{}) }

func (l *local) Commit(names ...string) ([]string, error) { return l.outputs.commit(names) }
