package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"

	"nixsd-native/internal/untar"
	"nixsd-native/nix"
	"nixsd-native/sandbox"
)

// sandboxFiles are the small files that every sandbox has.
func (w *workspace) sandboxFiles() ([]sandbox.File, error) {
	passwd, group := nix.Accounts(true)
	files := []sandbox.File{
		textFile("/etc/passwd", passwd),
		textFile("/etc/group", group),
		textFile("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"+w.sshHosts().hosts()),
		// A flake's work tree may be root's, or somebody's whose id is not mapped.
		textFile("/etc/gitconfig", "[safe]\n\tdirectory = *\n"),
	}
	if !w.sources.offline {
		resolv, err := readBounded("/etc/resolv.conf", 64<<10)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		files = append(files, textFile("/etc/resolv.conf", string(resolv)))
	}
	if w.netrc != "" && w.evaluated {
		files = append(files, sandbox.File{Path: insideNetrc, Mode: 0o600, Data: []byte(w.netrc)})
	}
	if w.certificates.pem != nil {
		files = append(files, textFile(insideCertificates, string(w.certificates.pem)))
		w.caBundle = insideCertificates
	}
	return files, nil
}

func textFile(path, text string) sandbox.File {
	return sandbox.File{Path: path, Mode: 0o644, Data: []byte(text)}
}

// readBounded reads a file of at most limit bytes.
func readBounded(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", name, limit)
	}
	return data, err
}

// startSandboxWith starts the sandbox with further files in it.
func (w *workspace) startSandboxWith(ctx context.Context, more ...sandbox.File) error {
	files, err := w.sandboxFiles()
	if err != nil {
		return err
	}
	var hosts builders
	if w.evaluated {
		hosts = w.sshHosts()
	}
	w.session, w.info, err = w.privileges.Sandbox(ctx, sandboxRequest{
		Files:   slices.Concat(files, more, hosts.files()),
		SSH:     len(hosts) > 0,
		Private: w.mode == emulationPrivate,
		Prove:   w.emulation.emulates(),
	}, w.emulator)
	if err == nil && w.info.ConfigCopied {
		w.rep.Note("the configuration was copied, as its file system knows no idmapped mounts")
	}
	return err
}

// showSecrets starts another sandbox if there are keys or logins for Nix: a configuration
// could have read them while it was evaluated, and put them into the store.
func (b *build) showSecrets(ctx context.Context) error {
	b.evaluated = true
	if b.netrc == "" && len(b.sshHosts()) == 0 {
		return nil
	}
	b.session.Close()
	return b.startSandbox(ctx)
}

// bootstrap makes sure that the store is whole, and installs Nix and nixpkgs in it,
// unless they are there.
func (w *workspace) bootstrap(ctx context.Context) error {
	if err := w.beginStore(ctx); err != nil {
		return err
	}
	record := nix.RecordPath(w.inputs.nix.SHA256)
	if _, err := w.session.Open(record); err != nil {
		if err := w.tryStore(ctx); err != nil {
			return err
		}
		if err := w.inside(ctx, nix.StepInstall, w.inputs.nix); err != nil {
			return err
		}
	}
	f, err := w.session.Open(record)
	if err != nil {
		return err
	}
	defer f.Close()
	if w.nix, err = nix.ReadRecord(f); err != nil {
		return err
	}
	if w.caBundle == "" {
		w.caBundle = w.nix.CABundle()
	}
	return firstError(w.bootstrapNixpkgs(ctx), w.keepPlan(ctx))
}

// bootstrapNixpkgs unpacks nixpkgs, unless it is there, a folder of the user's, or a
// flake's own, and makes a patched one of it if patches are wanted.
func (w *workspace) bootstrapNixpkgs(ctx context.Context) error {
	in := w.inputs.nixpkgs
	switch {
	case w.nixos.ofFlake():
		return nil
	case in.SHA256 == "":
		w.nixpkgs = insideNixpkgs
	default:
		w.nixpkgs = nix.ChannelPath(in.SHA256)
		if !w.hasNixpkgs() {
			if err := w.inside(ctx, nix.StepChannel, in); err != nil {
				return err
			}
		}
	}
	if len(w.patches) == 0 {
		return nil
	}
	base, key := w.nixpkgs, nix.PatchedKey(cmp.Or(in.SHA256, in.Name), w.patches...)
	w.nixpkgs = nix.ChannelPath(key)
	if in.SHA256 != "" && w.hasNixpkgs() {
		return nil
	}
	_, err := w.insideStep(ctx, "patching nixpkgs", nil, nix.StepPatch, base, key)
	if bad := (*insideError)(nil); errors.As(err, &bad) && bad.Bad {
		return usageErrorf("make the patch against this nixpkgs ("+in.Name+"); nothing is guessed about lines that moved", "%v", bad)
	}
	return err
}

// hasNixpkgs reports whether the tree that is to be used is there.
func (w *workspace) hasNixpkgs() bool {
	f, err := w.session.Open(w.nixpkgs + "/nixos/default.nix")
	if err == nil {
		f.Close()
	}
	return err == nil
}

// An insideError says why a step in the sandbox failed.
type insideError struct{ nix.InsideMessage }

func (e *insideError) Error() string { return e.InsideMessage.Error }

// inside runs one of package nix's steps in the sandbox, on a tarball.
func (w *workspace) inside(ctx context.Context, what string, in input) error {
	file, err := w.tarball(ctx, in)
	if err != nil {
		return err
	}
	tarball, err := os.Open(file)
	if err != nil {
		return err
	}
	defer tarball.Close()
	info, err := tarball.Stat()
	if err != nil {
		return err
	}
	last, err := w.insideStep(ctx, "unpacking "+in.Name, tarball, what, in.SHA256)
	w.rep.Bytes("unpacking "+in.Name, info.Size(), info.Size())
	if bad := (*insideError)(nil); errors.As(err, &bad) && last.Bad {
		return &untar.FormatError{Name: in.Name, Reason: last.Error}
	}
	return err
}

// insideStep runs one of package nix's steps and returns its last message. If the step
// failed, that is an *insideError, too.
func (w *workspace) insideStep(ctx context.Context, label string, stdin *os.File, args ...string) (last nix.InsideMessage, err error) {
	conf, err := nix.Conf{ManyUsers: w.info.ManyUsers}.Text()
	if err != nil {
		return last, err
	}
	exit, err := w.runInSandbox(ctx, sandbox.Command{
		Self: true, Argv: append([]string{nix.InsideArg0}, args...), Env: []string{"NIX_CONFIG=" + conf}, Dir: "/",
	}, stdin,
		readInside(func(m nix.InsideMessage) {
			if m.Note != "" {
				w.rep.Note("%s", m.Note)
				return
			}
			if m.File != nil {
				w.onFile(*m.File)
				return
			}
			last = m
			w.rep.Bytes(label, m.Done, 0)
		}), nil)
	switch {
	case err != nil:
		return last, err
	case last.Error != "":
		return last, &insideError{last}
	case exit != (sandbox.Exit{}):
		return last, fmt.Errorf("the step %s ended with %+v", args[0], exit)
	}
	return last, nil
}

// handIn is insideStep for a step that reads data.
func (w *workspace) handIn(ctx context.Context, data []byte, args ...string) error {
	r, pipe, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	if err := syscall.SetNonblock(int(r.Fd()), false); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	go func() { pipe.Write(data); pipe.Close() }()
	_, err = w.insideStep(ctx, "", r, args...)
	return err
}

// readInside calls visit for every message of a step inside.
func readInside(visit func(nix.InsideMessage)) func(io.Reader) {
	return func(r io.Reader) {
		for scan := bufio.NewScanner(r); scan.Scan(); {
			var m nix.InsideMessage
			if json.Unmarshal(scan.Bytes(), &m) == nil {
				visit(m)
			}
		}
	}
}

// runInSandbox runs a command whose output and errors are read, as they come, by
// two functions; one that is nil leaves the stream to /dev/null.
func (w *workspace) runInSandbox(ctx context.Context, c sandbox.Command, stdin *os.File, out, errs func(io.Reader)) (sandbox.Exit, error) {
	stdout, waitOut, err := pipeTo(out)
	if err != nil {
		return sandbox.Exit{}, err
	}
	stderr, waitErr, err := pipeTo(errs)
	if err != nil {
		return sandbox.Exit{}, err
	}
	exit, err := w.runWatched(ctx, c, stdin, stdout, stderr)
	waitOut()
	waitErr()
	return exit, err
}

// pipeTo returns a file whose content read gets, and a function that closes it and
// waits for read.
func pipeTo(read func(io.Reader)) (to *os.File, wait func(), err error) {
	if read == nil {
		return nil, func() {}, nil
	}
	r, to, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	if err := syscall.SetNonblock(int(to.Fd()), false); err != nil { // else programs of C meet EAGAIN
		return nil, nil, os.NewSyscallError("fcntl", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		read(r)
		io.Copy(io.Discard, r) // a reader that gave up must not stop the writer
		r.Close()
	}()
	return to, func() { to.Close(); <-done }, nil
}
