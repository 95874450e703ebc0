package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"nixsd-native/internal/decompress"
	"nixsd-native/internal/wire"
	"nixsd-native/nix"
	"nixsd-native/qemu"
	"nixsd-native/sandbox"
)

// installEmulator is what a build does with the emulator's package.
func installEmulator(deb, dir string) error {
	f, err := os.Open(deb)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = qemu.Install(context.Background(), qemu.Default().Package(), f, dir)
	return err
}

// rangeFirst is the first host id of the sandbox that root measures with.
const rangeFirst = 458752

// installNix is what a build does with Nix's tarball, in a sandbox of its own whose
// /nix is dir.
func installNix(tarball, dir string) error {
	root, err := os.MkdirTemp(filepath.Dir(dir), "root-*")
	if err != nil {
		return err
	}
	defer os.Remove(root)
	options := sandbox.Options{Stderr: os.Stderr}
	if os.Geteuid() == 0 {
		options.Users.Range = sandbox.Range{First: rangeFirst, Count: sandbox.RangeSize}
		if err := os.Chown(dir, rangeFirst, rangeFirst); err != nil {
			return err
		}
	}
	passwd, group := nix.Accounts(true)
	options.Spec = sandbox.Spec{
		Root:   root,
		Mounts: []sandbox.Mount{{Source: dir, Target: "/nix", Writable: true, Exec: true}},
		Files: []sandbox.File{
			{Path: "/etc/passwd", Mode: 0o644, Data: []byte(passwd)}, {Path: "/etc/group", Mode: 0o644, Data: []byte(group)},
		},
	}
	ours, theirs, err := wire.Pair()
	if err != nil {
		return err
	}
	p, err := sandbox.Start(options, theirs)
	if err != nil {
		return err
	}
	defer p.Kill()
	conn, err := wire.NewConn(ours)
	if err != nil {
		return err
	}
	session, err := sandbox.Attach(conn)
	if err != nil {
		return err
	}
	return runInstall(session, tarball, options.Users.Many())
}

func runInstall(session *sandbox.Session, tarball string, manyUsers bool) error {
	f, err := os.Open(tarball)
	if err != nil {
		return err
	}
	defer f.Close()
	conf, err := nix.Conf{ManyUsers: manyUsers}.Text()
	if err != nil {
		return err
	}
	exit, err := session.Run(context.Background(), sandbox.Command{
		Self: true, Argv: []string{nix.InsideArg0, nix.StepInstall, "bench"}, Env: []string{"NIX_CONFIG=" + conf}, Dir: "/",
	}, f, os.Stdout, os.Stderr)
	if err == nil && exit != (sandbox.Exit{}) {
		err = fmt.Errorf("the installation ended with %+v", exit)
	}
	return err
}

// removeAll removes a tree whose folders may be read-only.
func removeAll(dir string) error {
	filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			os.Chmod(name, 0o755)
		}
		return nil
	})
	return os.RemoveAll(dir)
}

func decompressTo(file, plain string) (string, error) {
	in, err := decompress.Open(file)
	if err != nil {
		return "", err
	}
	defer in.Close()
	out, err := os.Create(plain)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(out, in)
	return plain, errors.Join(err, out.Close())
}

// quietly runs a command and shows what it printed only if it failed.
func quietly(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %v\n%s", cmd.Args, err, out)
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
