package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"nixsd-native/internal/image"
	"nixsd-native/qemu"
	"nixsd-native/sandbox"
)

// needs is what a split job wants of whoever has the privileges, as its flags say.
// The monitor reads it from the command line itself; nothing of it comes from the
// worker.
type needs struct {
	state, cache string   // folders
	configs      []string // files of configurations, or folders of such; none for the built-in one
	flakes       []string // --flake, instead of configurations
	nixpkgs      string   // folder with nixpkgs, or ""
	caches       []string // folders with binary caches
	push         string   // folder that becomes a binary cache, or ""
	lockFile     string   // pins the inputs; "" if the command has no business with it
	files        []string // further files that the command line names
	output       string   // file or folder for results, or ""
	hostMounts   bool     // what is mounted is to stay: no mount namespace of our own
	offline      bool     // the sandbox gets no network
	trustedDeb   string   // sha256 that --qemu-sha256 vouches for
	looks        bool     // a state or cache folder that is missing is not made
	diagnose     bool     // folders that cannot be used are told by Lock
}

// privileges are the steps for which a build needs more than the worker is allowed
// to. There are two providers: the monitor, of which monitorClient is the worker's
// side, and local, for a caller without root, who needs none.
type privileges interface {
	// Dirs returns the folders in use.
	Dirs() (state, cache string)
	// Targets returns what is to be built.
	Targets() []located
	// OpenLock opens the lock file; it returns nil if there is none. WriteLock
	// replaces it.
	OpenLock() (*os.File, error)
	WriteLock(text []byte) error
	// Open opens a file that the command line names.
	Open(name string) (*os.File, error)
	// OpenStored opens a file of ours beside the store, by its path in the sandbox.
	OpenStored(path string) (*os.File, error)
	// Lock takes the state folder, and calls waiting once if it must wait. Without waiting
	// it does not: it fails with a *monitor.BusyError.
	Lock(ctx context.Context, waiting func()) error
	// TryHost registers a handler on the host, and removes it.
	TryHost(ctx context.Context) error
	// Stripped returns the variables about proxies that sudo took away.
	Stripped() []string
	// TryLock is Lock without waiting, where nothing is made.
	TryLock() error
	// RegisterHost makes the emulator of a package, whose .deb may be nil if it is
	// installed, the host's handler until the end of the run, or for good.
	RegisterHost(ctx context.Context, p qemu.Package, deb *os.File, persistent bool) error
	// UnregisterHost removes the host's handler that was registered for good.
	UnregisterHost(ctx context.Context) error
	// Recover removes what killed builds left on the host.
	Recover(ctx context.Context) (removed bool, err error)
	// RemoveFolders removes the emptied state and cache folders.
	RemoveFolders() error
	// Sandbox starts a sandbox.
	Sandbox(ctx context.Context, r sandboxRequest, emulator *os.File) (*sandbox.Session, sandboxInfo, error)
	// OpenOutput opens the folder for results and tries to write to it. It returns
	// the name that the user gave the image, or "".
	OpenOutput() (file string, err error)
	// Create begins an output; Commit puts those named in place, in that order.
	Create(name string) (*os.File, error)
	// Lend makes an output its owner's alone, and lets root in the sandbox change it
	// until it is committed.
	Lend(name string) error
	Commit(names ...string) (paths []string, err error)
}

// A sandboxRequest is what the worker decides of a sandbox.
type sandboxRequest struct {
	Files []sandbox.File
	// Private asks for a binfmt_misc of the sandbox's own; the emulator comes as an
	// open file.
	Private bool
	Prove   bool
	// SSH asks for this program as ssh in insideBin.
	SSH bool
	// Bare leaves out what is the host's.
	Bare bool
}

// sandboxInfo tells the worker what it got.
type sandboxInfo struct {
	ManyUsers    bool
	ConfigCopied bool // its file system has no idmapped mounts
}

// Folders inside the sandbox.
const (
	insideConfig   = "/config"
	insideNixpkgs  = "/nixpkgs"
	insideInputs   = "/inputs"
	insideEmulator = "/run/nixsd/" + qemu.FileName
	insideOwn      = "/etc/nixsd"
)

// mounts lists what every sandbox sees of the state and cache folders.
func mounts(nixDir, cacheDir string) []sandbox.Mount {
	return []sandbox.Mount{
		{Source: nixDir, Target: "/nix", Writable: true, Exec: true},
		{Source: cacheDir, Target: insideInputs},
	}
}

// nixDir is where the store lies in a state folder. The folder above it keeps
// others on the host away from it.
func nixDir(state string) string { return filepath.Join(state, "root", "nix") }

// emulatorDir is where emulators lie in a state or cache folder.
func emulatorDir(dir string) string { return filepath.Join(dir, "emulator") }

// bare drops the operation and path of an error that is shown beside the path.
func bare(err error) error {
	if pe := (*os.PathError)(nil); errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// spec completes a request to a sandbox's spec.
func (r sandboxRequest) spec(root string, mounts []sandbox.Mount) sandbox.Spec {
	s := sandbox.Spec{Root: root, Mounts: mounts, Files: r.Files, Prove: r.Prove}
	if r.Private {
		s.Emulator = insideEmulator
	}
	return s
}

// diagnosed names the cause of a sandbox that did not start.
func diagnosed(err error) error {
	program, _ := os.Executable()
	facts := sandbox.ReadFacts(os.DirFS("/"), os.Geteuid() == 0, program)
	var start *sandbox.StartError
	var failure *sandbox.Failure
	var errno syscall.Errno
	switch {
	case errors.As(err, &start):
		errors.As(err, &errno)
		return sandbox.Diagnose(start.Op, errno, start.Err.Error(), facts)
	case errors.As(err, &failure):
		if len(failure.Advice) > 0 || failure.Op == "" {
			return &codedError{exitHost, failure.Message, failure.Advice}
		}
		return sandbox.Diagnose(failure.Op, syscall.Errno(failure.Errno), failure.Message, facts)
	}
	return err
}

// locateNixpkgs returns the folder of --nixpkgs on the host, or "".
func (n needs) locateNixpkgs() (dir string, err error) {
	if n.nixpkgs == "" {
		return "", nil
	}
	dir, err = filepath.EvalSymlinks(n.nixpkgs)
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err == nil {
		_, err = os.Stat(filepath.Join(dir, "nixos", "default.nix"))
	}
	if err != nil {
		return "", usageErrorf("name a folder with nixos/default.nix, the URL of a tarball, or a revision of 40 hexadecimal digits", "--nixpkgs %s: %v", n.nixpkgs, bare(err))
	}
	return dir, nil
}

// A lockFile is where the lock is, or will be. Its folder is what the path led to when
// the command began.
type lockFile struct {
	path   string // "" if the command has no business with a lock
	folder *image.Folder
	lost   error // why there is no folder
}

// locateLock opens the lock file's folder for its owner; errors wait for its use.
func (n needs) locateLock(owner image.Owner) lockFile {
	l := lockFile{path: n.lockFile}
	if l.path != "" {
		l.folder, l.lost = image.OpenFolder(filepath.Dir(l.path), owner)
	}
	return l
}

// usable says why the lock file cannot be used.
func (l lockFile) usable() error {
	if l.path == "" {
		return errors.New("this command has no lock file")
	}
	return l.lost
}

// open opens the lock file, if there is one.
func (l lockFile) open() (*os.File, error) {
	if err := l.usable(); err != nil {
		return nil, err
	}
	f, err := l.folder.OpenFile(filepath.Base(l.path))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, usageErrorf("name another file with --lock-file", "%s: %v", l.path, bare(err))
	}
	return f, nil
}

// maxLockFile bounds what is written as a lock, in bytes; one has about 1 kB.
const maxLockFile = 256 << 10

// write replaces the lock file.
func (l lockFile) write(text []byte) error {
	if err := l.usable(); err != nil {
		return err
	}
	if len(text) > maxLockFile {
		return fmt.Errorf("a lock of %d bytes", len(text))
	}
	p, err := l.folder.Create(filepath.Base(l.path))
	if err != nil {
		return err
	}
	if _, err := p.File.Write(text); err != nil {
		p.Discard()
		return &image.OutputError{Path: l.path, Err: err}
	}
	return p.Commit()
}
