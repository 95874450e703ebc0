package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"nixsd-native/binfmt"
	"nixsd-native/internal/image"
	"nixsd-native/internal/monitor"
	"nixsd-native/internal/wire"
	"nixsd-native/qemu"
	"nixsd-native/sandbox"
)

// A monitorRequest is one of these. Files travel beside it.
type monitorRequest struct {
	Hello      bool
	Open       string // answered with the file
	OpenLock   bool   // answered with the file, if there is one
	OpenStored string // answered with the file
	TryLock    bool
	Lock       bool             // answered with Waiting, perhaps, and then without
	NoWait     bool             // of Lock: answered with Busy instead
	Register   *registerRequest // with the .deb, if need be
	Sandbox    *sandboxRequest  // with the sandbox's end of a socket pair and, if private, the emulator
	Output     bool             // answered with OutputFile
	Create     string           // answered with the file
	Lend       string
	Commit     []string // answered with Paths

	WriteLock     []byte
	TryHost       bool
	Unregister    bool
	Recover       bool // answered with Removed
	RemoveFolders bool
}

type registerRequest struct {
	Package    qemu.Package
	Persistent bool
}

type monitorReply struct {
	Error        *codedError
	Waiting      bool
	Busy         bool      // why there is an Error
	State, Cache string    // of Hello
	Targets      []located // likewise
	Sandbox      sandboxInfo
	OutputFile   string
	Paths        []string
	Removed      bool
	Stripped     []string // of Hello
	BySudo       bool     // likewise
}

// serve answers requests until the worker is gone.
func (m *rootMonitor) serve(ctx context.Context, socket *os.File) error {
	conn, err := wire.NewConn(socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	for {
		var q monitorRequest
		files, err := conn.Recv(&q)
		if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
			return nil
		}
		if err != nil {
			return err
		}
		reply, file, err := m.answer(ctx, conn, q, files)
		wire.CloseAll(files)
		if err != nil {
			reply.Error, reply.Busy = &codedError{exitCode(err), err.Error(), hints(err)}, is[*monitor.BusyError](err)
		}
		var out []*os.File
		if file != nil {
			out = []*os.File{file}
		}
		if err := conn.Send(reply, out...); err != nil && !errors.Is(err, syscall.EPIPE) {
			return err
		}
	}
}

func (m *rootMonitor) answer(ctx context.Context, conn *wire.Conn, q monitorRequest, files []*os.File) (r monitorReply, file *os.File, err error) {
	switch {
	case q.Hello:
		r.State, r.Cache, r.Targets, r.Stripped, r.BySudo = m.state, m.cache, m.targets, m.stripped(), m.owner.Set
	case q.Open != "":
		file, err = m.open(q.Open)
	case q.OpenLock:
		file, err = m.lockFile.open()
	case q.OpenStored != "":
		file, err = openStored(m.state, q.OpenStored)
	case len(q.WriteLock) > 0:
		err = m.lockFile.write(q.WriteLock)
	case q.Lock && m.trouble != nil:
		err = m.trouble
	case q.Lock && q.NoWait:
		m.lock, err = lockState(ctx, m.state, nil, m.makeFolders)
	case q.Lock:
		m.lock, err = lockState(ctx, m.state, func() { conn.Send(monitorReply{Waiting: true}) }, m.makeFolders)
	case q.TryLock:
		m.lock, err = tryLockState(m.state)
	case q.Register != nil:
		err = m.register(ctx, *q.Register, files)
	case q.TryHost:
		err = binfmt.Try(ctx, runDir, &binfmt.Host{})
	case q.Unregister:
		_, err = binfmt.UnregisterPersistent(ctx, runDir, &binfmt.Host{})
	case q.Recover:
		r.Removed, err = binfmt.Recover(ctx, runDir, &binfmt.Host{})
	case q.RemoveFolders:
		err = removeFolders(m.state, m.cache)
	case q.Sandbox != nil && len(files) > 0:
		r.Sandbox, err = m.startSandbox(*q.Sandbox, files)
	case q.Output:
		r.OutputFile, err = m.outputs.open(m.owner)
	case q.Create != "":
		file, err = m.outputs.create(q.Create)
	case q.Lend != "":
		inside := int(m.ids.users().First)
		err = m.outputs.lend(q.Lend, image.Owner{Set: true, UID: inside, GID: inside})
	case len(q.Commit) > 0:
		r.Paths, err = m.outputs.commit(q.Commit)
	default:
		err = errors.New("the worker asked for nothing known")
	}
	return r, file, err
}

// A namedFile is one that the command line names, opened before there was a worker, or
// why it could not be.
type namedFile struct {
	file *os.File
	err  error
}

// openAll opens what the command line names.
func openAll(names []string) map[string]namedFile {
	all := map[string]namedFile{}
	for _, name := range names {
		f, err := openNamed(name)
		all[name] = namedFile{f, err}
	}
	return all
}

// open hands out a file that the command line names, and no other. It may be asked for
// again.
func (m *rootMonitor) open(name string) (*os.File, error) {
	named, ok := m.files[name]
	if !ok {
		return nil, fmt.Errorf("the worker asked for %q, which is not on the command line", name)
	}
	if named.err == nil {
		named.file.Seek(0, io.SeekStart) // who asked before has read it; a pipe goes on
	}
	return named.file, bare(named.err)
}

// register makes the emulator of a pinned package the host's handler.
func (m *rootMonitor) register(ctx context.Context, q registerRequest, files []*os.File) error {
	p := qemu.Package{Name: filepath.Base(q.Package.Name), SHA256: q.Package.SHA256}
	if pin, ok := qemu.ByHash(p.SHA256); ok {
		p = pin.Package()
	} else if p.SHA256 != m.trustedDeb {
		return &qemu.UnpinnedError{Name: p.Name, SHA256: p.SHA256}
	}
	dir := emulatorDir(m.state)
	emulator, ok := qemu.Installed(p, dir)
	if !ok {
		if len(files) != 1 {
			return errors.New("the worker passed no .deb")
		}
		var err error
		if emulator, err = qemu.Install(ctx, p, files[0], dir); err != nil {
			return err
		}
	}
	want := binfmt.Want{
		Entry:          binfmt.AArch64(binfmt.Name, emulator.Path, binfmt.KernelFlags()),
		EmulatorSHA256: emulator.SHA256,
	}
	if q.Persistent {
		return binfmt.RegisterPersistent(ctx, runDir, &binfmt.Host{}, want)
	}
	var err error
	if m.caretaker == nil { // a build can do without: then the next command cleans up
		m.caretaker, _ = monitor.StartCaretaker(caretakerArg0)
	}
	m.lease, err = binfmt.Acquire(ctx, runDir, &binfmt.Host{}, want)
	return err
}

// startSandbox starts a sandbox at the other end of the first file.
func (m *rootMonitor) startSandbox(q sandboxRequest, files []*os.File) (sandboxInfo, error) {
	s, err := m.prepare(q.Bare)
	if err != nil {
		return sandboxInfo{}, diagnosed(err)
	}
	var all []sandbox.Mount
	if !q.Bare {
		all = slices.Clone(s.mounts)
	}
	if q.Private {
		if len(files) != 2 {
			return sandboxInfo{}, errors.New("the worker passed no emulator")
		}
		bound, err := s.stage.Bind(fmt.Sprintf("emulator%d", len(m.sandboxes)), sandbox.Mount{
			Source: fmt.Sprintf("/proc/self/fd/%d", files[1].Fd()), Target: insideEmulator, IsFile: true, Exec: true,
		})
		if err != nil {
			return sandboxInfo{}, err
		}
		all = append(all, bound)
	}
	if q.SSH {
		bound, err := s.bindSSH(fmt.Sprintf("ssh%d", len(m.sandboxes)))
		if err != nil {
			return sandboxInfo{}, err
		}
		all = append(all, bound)
	}
	users := sandbox.Users{Range: m.ids.users()}
	p, err := sandbox.Start(sandbox.Options{
		Spec: q.spec(s.root, all), Users: users, Network: !m.offline, Stderr: os.Stderr,
	}, files[0])
	if err != nil {
		return sandboxInfo{}, diagnosed(err)
	}
	m.sandboxes = append(m.sandboxes, p)
	return sandboxInfo{ManyUsers: true, ConfigCopied: s.copied}, nil
}
