package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"

	"nixsd-native/internal/inspect"
	"nixsd-native/internal/vm"
)

// unbootableImage writes an image whose one partition lies behind its end.
func unbootableImage(t *testing.T) string {
	t.Helper()
	data := make([]byte, 1<<20)
	copy(data[446:], []byte{0x80, 0, 0, 0, 0x83, 0, 0, 0, 0, 0x40, 0, 0, 0, 0x40, 0, 0})
	copy(data[510:], "\x55\xaa")
	name := filepath.Join(t.TempDir(), "card.img")
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// runBoot boots an image with a QEMU that ends at once, and tells whether it ran.
func runBoot(t *testing.T, image string, args ...string) (errs string, ran bool, err error) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "ran")
	if err := os.WriteFile(filepath.Join(dir, "qemu-system-aarch64"), []byte("#!/bin/sh\n[ \"$1\" = -sandbox ] || >"+file+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	parsed, err := parse(append([]string{"boot", "--u-boot", image, image}, args...), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	j := parsed.(*bootJob)
	files, err := openFiles(j)
	if err != nil {
		t.Fatal(err)
	}
	j.take(files)
	var b bytes.Buffer
	err = j.run(t.Context(), &app{out: &b, errs: &b})
	return b.String(), isFile(file), err
}

// What inspect says that no board boots is not booted to check it, but may be looked at.
func TestBootUnbootable(t *testing.T) {
	image := unbootableImage(t)
	errs, _, err := runBoot(t, image, "--check")
	if exitCode(err) != exitVerify || !strings.Contains(err.Error(), image+" would not boot: its partitions end at ") || strings.Contains(errs, "booting") {
		t.Errorf("boot --check = %v, prints %s; want that it would not boot", err, errs)
	}
	errs, ran, err := runBoot(t, image)
	if err != nil || !ran || !strings.Contains(errs, "warning: its partitions end at ") {
		t.Errorf("boot = %v, QEMU ran: %v, prints %s; want a warning", err, ran, errs)
	}
}

// Who cannot type Ctrl-A X is told how a console ends all the same.
func TestBootWithoutTerminal(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	stdin := os.Stdin
	defer func() { os.Stdin = stdin }()
	os.Stdin = null
	errs, _, err := runBoot(t, unbootableImage(t))
	if err != nil || !strings.Contains(errs, "; end it with Ctrl-C; scripts have --check\n") {
		t.Errorf("boot = %v, prints %s; want how to end it", err, errs)
	}
}

// A machine whose console shows nothing has no u-boot; one that shows something may need
// more time.
func TestBootSilent(t *testing.T) {
	var b bytes.Buffer
	g := &guest{app: &app{errs: &b}, job: &bootJob{name: "card.img", timeout: 8e9}, Machine: vm.Machine{UBoot: "/etc/passwd"}}
	console := new(vm.Console)
	err := g.failed(context.DeadlineExceeded, console)
	if !strings.Contains(err.Error(), "nothing was printed on its console within 8s") || !strings.Contains(strings.Join(hints(err), ""), "whether /etc/passwd is a u-boot.bin") {
		t.Errorf("%v, hints %q; want that nothing was printed", err, hints(err))
	}
	console.Write([]byte("U-Boot\n"))
	if err := g.failed(context.DeadlineExceeded, console); !strings.Contains(err.Error(), "it does not let in within 8s") {
		t.Errorf("%v; want that it does not let in", err)
	}
}

// Who has no private key, or names the public one, is told so.
func TestBootKeys(t *testing.T) {
	const public = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJl3dIeudNqd0DPMRD6OIh65tjkxFNOtwGcWB2gCgPhk me@home\n"
	name := filepath.Join(t.TempDir(), "key.pub")
	if err := os.WriteFile(name, []byte(public), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g := &guest{job: &bootJob{name: "card.img", identity: name, private: f}}
	_, _, err = g.keys()
	if exitCode(err) != exitUsage || !strings.Contains(err.Error(), "is a public key") || !strings.HasSuffix(hints(err)[0], "/key") {
		t.Errorf("keys = %v, hints %q; want that it is the public one", err, hints(err))
	}
	g.report = new(inspect.Report)
	if _, err := g.target(nil); exitCode(err) != exitVerify || !strings.Contains(err.Error(), "what it starts cannot be told") {
		t.Errorf("target = %v; want that nothing is known", err)
	}
	g.report = &inspect.Report{Boot: make([]inspect.Entry, 1), System: inspect.System{SSH: true, Logins: []inspect.Login{{User: "me", Keys: []inspect.Key{{Fingerprint: "SHA256:x"}}}}}}
	if _, err := g.target(nil); exitCode(err) != exitUsage || !strings.Contains(err.Error(), "card.img lets in me SHA256:x, but there is no private key") {
		t.Errorf("target = %v; want that there is no key", err)
	}
}

// A check tells every 30 seconds what it waits for.
func TestBootWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		g := &guest{app: &app{errs: &b}}
		ctx, cancel := context.WithTimeout(t.Context(), defaultTimeout)
		defer cancel()
		stop := g.waiting(ctx, "ssh")
		time.Sleep(95 * time.Second)
		stop()
		time.Sleep(time.Minute)
		want := "still waiting for ssh (30 s of 15 min 0 s)\nstill waiting for ssh (1 min 0 s of 15 min 0 s)\nstill waiting for ssh (1 min 30 s of 15 min 0 s)\n"
		if got := b.String(); got != want {
			t.Errorf("in 95 s it tells %q; want %q", got, want)
		}
	})
}

// loginFile writes a private key, and returns it with the login that it has.
func loginFile(t *testing.T) (*os.File, inspect.Login) {
	t.Helper()
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "id")
	if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return openFile(t, name), inspect.Login{User: "me", Keys: []inspect.Key{{Fingerprint: ssh.FingerprintSHA256(signer.PublicKey())}}}
}

func openFile(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// An onLine calls a function at what is written; one goroutine at a time writes to it.
type onLine struct {
	bytes.Buffer
	call func(line string)
}

func (w *onLine) Write(b []byte) (int, error) {
	w.call(string(b))
	return w.Buffer.Write(b)
}

// Who interrupts a check that waits is shown the end of the console, as at its time's end.
func TestBootInterrupted(t *testing.T) {
	dir := t.TempDir()
	qemu, printed := filepath.Join(dir, "qemu"), filepath.Join(dir, "printed")
	if err := os.WriteFile(qemu, []byte("#!/bin/sh\necho U-Boot; echo Starting; : >"+printed+"; exec sleep 600\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	private, login := loginFile(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	errs := &onLine{call: func(line string) {
		if strings.HasPrefix(line, "still waiting for ssh (") && isFile(printed) {
			cancel(errInterrupted)
		}
	}}
	g := &guest{
		app: &app{errs: errs, env: environment{"PATH": os.Getenv("PATH")}}, qemu: qemu, image: openFile(t, os.DevNull), heartbeat: 10 * time.Millisecond,
		job:    &bootJob{name: "card.img", timeout: time.Hour, identity: "id", private: private},
		report: &inspect.Report{Boot: make([]inspect.Entry, 1), System: inspect.System{SSH: true, Logins: []inspect.Login{login}}},
	}
	if err := g.findPort(); err != nil {
		t.Fatal(err)
	}
	err := g.check(ctx)
	lines := strings.Split(strings.TrimSpace(errs.String()), "\n")
	if err != errInterrupted || !slices.Equal(lines[len(lines)-2:], []string{"console> U-Boot", "console> Starting"}) {
		t.Errorf("check = %v, prints %q; want that it was interrupted, and the console", err, lines)
	}
}
