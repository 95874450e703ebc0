package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"nixsd-native/internal/sshclient"
	"nixsd-native/nix"
)

// A builder is a remote machine that answered.
type builder struct {
	nix.Machine
	target  sshclient.Target
	hostKey ssh.PublicKey
	pem     []byte // the key that lets us in
	address string // the host's, as it answered
	whole   bool   // all its processors are for us
	about   aboutMachine
}

// aboutMachine is what a machine tells of itself; all is empty where a key is good for
// nothing but Nix.
type aboutMachine struct {
	version    string // of its Nix
	system     string // what it is, in Nix's words
	processors int
}

// builderTimeout bounds the question whether a builder is there.
const builderTimeout = 10 * time.Second

// askBuilders asks all remote builders, at the same time, whether they are there. Who
// does not answer is named and left out.
func (b *build) askBuilders(ctx context.Context) error {
	f := &b.job.buildersFlags
	if !f.any() {
		return nil
	}
	if err := mustBeStatic(); err != nil {
		return err
	}
	machines, err := f.machines(b.readMachineFile)
	if err != nil {
		return err
	}
	logins, err := b.newLogins(f.builderKey)
	if err != nil {
		return err
	}
	all, errs := make([]builder, len(machines)), make([]error, len(machines))
	var asking sync.WaitGroup
	for i, m := range machines {
		all[i].Machine, all[i].whole = m, i >= len(machines)-len(f.hosts)
		if all[i].target, errs[i] = logins.target(m); errs[i] == nil {
			asking.Go(func() { errs[i] = all[i].ask(ctx) })
		}
	}
	asking.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for i := range all {
		if errs[i] == nil {
			all[i].pem = logins.files[all[i].target.Keys[0].Name].pem
			b.builders = append(b.builders, all[i])
		} else if len(all) > 1 {
			b.leftOut = append(b.leftOut, fmt.Sprintf("the builder %s is left out: %s", machines[i].URI(), strings.TrimPrefix(errs[i].Error(), machines[i].URI()+": ")))
			b.rep.Warn("%s", b.leftOut[len(b.leftOut)-1])
		}
	}
	b.emulation.remote = b.builders.does(nix.System)
	return noneLeft(b.builders, machines, errs)
}

// noneLeft is the error of a run whose builders are all gone, or all of those that were
// to do the aarch64 work.
func noneLeft(left builders, asked []nix.Machine, errs []error) error {
	var first error
	for i, m := range asked {
		if errs[i] != nil && (len(left) == 0 || m.Does(nix.System)) {
			first = cmp.Or(first, errs[i])
		}
	}
	if first == nil || len(left) > 0 && left.does(nix.System) {
		return nil
	}
	return &codedError{sshCode(first), "no remote builder is left: " + first.Error(), append(hints(first),
		"or build on this machine: leave the builder out, or add --emulation private to use both")}
}

// sshCode is the exit code for a machine that cannot be reached.
func sshCode(err error) int {
	if is[*usageError](err) {
		return exitUsage
	}
	if e := (*sshclient.Error)(nil); errors.As(err, &e) {
		switch e.Kind {
		case sshclient.UnknownHost, sshclient.ChangedHost:
			return exitVerify
		case sshclient.BadKey:
			return exitUsage
		}
	}
	return exitNetwork
}

// askPushHost finds out, before anything is built, whether the machine answers that
// --push-to reaches by ssh.
func (b *build) askPushHost(ctx context.Context) error {
	if !b.job.bySSH() {
		return nil
	}
	m, err := nix.StoreMachine(b.job.pushTo)
	if err := firstError(err, mustBeStatic()); err != nil {
		return err
	}
	logins, err := b.newLogins(b.job.builderKey)
	if err != nil {
		return err
	}
	host := builder{Machine: m}
	if host.target, err = logins.target(m); err == nil {
		err = host.ask(ctx)
	}
	if err != nil {
		return &codedError{sshCode(err), "--push-to " + m.URI() + ": " + strings.TrimPrefix(err.Error(), m.URI()+": "), hints(err)}
	}
	host.pem = logins.files[host.target.Keys[0].Name].pem
	b.pushHost = &host
	return nil
}

// ask connects, and lets the machine tell about itself.
func (b *builder) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, builderTimeout)
	defer cancel()
	c, err := sshclient.Dial(ctx, b.target)
	if err != nil {
		return err
	}
	defer c.Close()
	b.hostKey, b.address = c.HostKey, c.Address
	b.target.Keys = b.target.Keys[c.Key : c.Key+1]
	out, status, err := c.Output(ctx, b.question())
	if err != nil {
		return fmt.Errorf("%s: it does not answer: %v", b.URI(), err)
	}
	const notFound = 127 // of a shell
	if status == notFound {
		return &codedError{exitNetwork, fmt.Sprintf("%s: it has no %s in the PATH of an ssh login", b.URI(), b.program()), []string{
			"install Nix there, or name the program: --builders \"" + b.URI() + "?remote-program=/PATH/TO/" + b.program() + " aarch64-linux\"",
		}}
	}
	b.about = parseAbout(out)
	if b.Jobs == 0 {
		b.Jobs = 1 // as Nix has it
		if b.whole {
			b.Jobs = max(1, b.about.processors)
		}
	}
	return nil
}

// program is what Nix starts there.
func (b *builder) program() string {
	settings, _ := url.ParseQuery(b.Query)
	if named := settings.Get("remote-program"); named != "" {
		return named
	}
	if b.Scheme == "ssh" {
		return "nix-store"
	}
	return "nix-daemon"
}

// question makes a machine print what parseAbout reads. A key that is good for nothing
// but Nix runs Nix instead, which ends as there is no input.
func (b *builder) question() string { return b.program() + " --version && uname -m && nproc" }

var nixVersion = regexp.MustCompile(`^\S+ \(Nix\) ([0-9][\w.-]*)$`)

// systems are what uname calls machines, and Nix.
var systems = map[string]string{"aarch64": "aarch64-linux", "arm64": "aarch64-linux", "x86_64": "x86_64-linux", "armv7l": "armv7l-linux"}

func parseAbout(out string) (a aboutMachine) {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	m := nixVersion.FindStringSubmatch(lines[0])
	if m == nil || len(lines) != 3 {
		return a
	}
	a.version, a.system = m[1], systems[lines[1]]
	if n, err := strconv.Atoi(lines[2]); err == nil && n > 0 && n < 1<<16 {
		a.processors = n
	}
	return a
}
