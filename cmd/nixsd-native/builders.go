package main

import (
	"debug/elf"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"nixsd-native/internal/monitor"
	"nixsd-native/nix"
)

// buildersFlags name remote builders.
type buildersFlags struct {
	specs, hosts []string
	builderKey   string
}

func (f *buildersFlags) register(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.hosts, "builder", nil, "let `[USER@]HOST[:PORT]` do the aarch64 work, over ssh, on all its processors; repeatable")
	fs.StringArrayVar(&f.specs, "builders", nil, "remote builders, a `spec` as Nix has it: \"ssh-ng://HOST aarch64-linux …\" or @FILE; repeatable")
	fs.StringVar(&f.builderKey, "builder-key", "", "private key `file` for remote builders, and for --push-to by ssh (default: those in ~/.ssh)")
}

func (f *buildersFlags) any() bool { return len(f.specs)+len(f.hosts) > 0 }

// machines are the builders that the flags describe; read returns what an @FILE holds.
func (f *buildersFlags) machines(read func(file string) (string, error)) ([]nix.Machine, error) {
	all, err := nix.ParseMachines(strings.Join(f.specs, "\n"), read)
	if err != nil {
		return nil, usageErrorf("describe one like \"ssh-ng://nix@builder aarch64-linux\", or use --builder HOST", "--builders: %v", err)
	}
	for _, host := range f.hosts {
		if strings.ContainsAny(host, "/ \t\n") {
			return nil, usageErrorf("name it like nix@builder or nix@builder:2222; URLs and more are for --builders", "--builder %q is no [USER@]HOST[:PORT]", host)
		}
		m, err := nix.BuilderOf(host)
		if err != nil {
			return nil, usageErrorf("name it like nix@builder or nix@builder:2222", "--builder: %v", err)
		}
		all = append(all, m)
	}
	return all, nil
}

func (f *buildersFlags) check(offline, sandboxed bool) error {
	noFiles := func(string) (string, error) { return "", nil } // they are read later
	all, err := f.machines(noFiles)
	switch {
	case err != nil:
		return err
	case len(all) == 0 && len(nix.MachineFiles(strings.Join(f.specs, "\n"))) == 0 && f.any():
		return usageErrorf("describe one like \"ssh-ng://nix@builder aarch64-linux\", or leave the flag out", "--builders names no machine")
	case f.any() && offline:
		return usageErrorf("", "--offline uses no network, so no remote builder can be reached")
	case f.any() && !sandboxed:
		return usageErrorf("leave --sandbox=false out", "without Nix's sandbox, builds could read the key for the remote builders")
	}
	return nil
}

// files lists the files that the flags name, and, for root, those that ssh would use.
func (f *buildersFlags) files() []string {
	var all []string
	if f.builderKey != "" {
		all = append(all, f.builderKey)
	}
	if !f.any() {
		return all
	}
	all = append(all, nix.MachineFiles(strings.Join(f.specs, "\n"))...)
	machines, _ := f.machines(func(string) (string, error) { return "", nil })
	for _, m := range machines {
		if m.Key != "" {
			all = append(all, expandHome(m.Key))
		}
	}
	return append(all, rootsSSHFiles()...)
}

// rootsSSHFiles lists what ssh would use of root's own, which the worker may not read.
func rootsSSHFiles() []string {
	var all []string
	if rootAlone() {
		for _, name := range slices.Concat(defaultKeys, []string{"config", "known_hosts"}) {
			all = append(all, filepath.Join(sshHome(), ".ssh", name))
		}
	}
	return all
}

// defaultKeys are in ~/.ssh; ssh(1) tries them in another order, with the same end.
var defaultKeys = []string{"id_ed25519", "id_ecdsa", "id_rsa"}

// rootAlone reports whether root runs this program for itself, not by sudo for somebody.
func rootAlone() bool {
	env := hostEnvironment()
	_, _, bySudo := monitor.Caller(env["SUDO_UID"], env["SUDO_GID"])
	return os.Geteuid() == 0 && !bySudo
}

// sshHome is the home of whoever called, whose .ssh is used: sudo's caller is known by
// SUDO_UID to the monitor, and by its own id to the worker, which is nobody's if root
// called. Without root, HOME tells.
func sshHome() string {
	env := hostEnvironment()
	id := strconv.Itoa(os.Geteuid())
	switch uid, _, bySudo := monitor.Caller(env["SUDO_UID"], env["SUDO_GID"]); {
	case os.Geteuid() == 0 && bySudo:
		id = strconv.Itoa(uid)
	case os.Geteuid() != 0 && !runningAsWorker() && filepath.IsAbs(env["HOME"]):
		return env["HOME"]
	}
	return loginOf(id).HomeDir
}

// loginOf finds a user; one that nobody knows is a worker of root's.
func loginOf(id string) *user.User {
	for _, id := range []string{id, "0"} {
		if u, err := user.LookupId(id); err == nil {
			return u
		}
	}
	return &user.User{Username: "root", HomeDir: "/root"}
}

// expandHome does what a shell would have done with "~/" at the beginning of a word.
func expandHome(name string) string {
	if rest, ok := strings.CutPrefix(name, "~/"); ok {
		return filepath.Join(sshHome(), rest)
	}
	return name
}

// readMachineFile reads an @FILE.
func (w *workspace) readMachineFile(name string) (string, error) {
	data, err := w.readSecret(name)
	if err != nil {
		return "", fmt.Errorf("@%s: %v", name, bare(err))
	}
	return string(data), nil
}

// maxSecret bounds keys, known_hosts and files of machines, in bytes.
const maxSecret = 4 << 20

// readSecret reads a file of the caller's: with the worker's own rights, else as one that
// the command line names.
func (w *workspace) readSecret(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		named, namedErr := w.privileges.Open(name)
		if namedErr != nil {
			return nil, err
		}
		f = named
	}
	defer f.Close()
	return readAllBounded(f, name, maxSecret)
}

// mustBeStatic refuses a program that could not be ssh in the sandbox, where there is no
// loader.
func mustBeStatic() error {
	self, err := elf.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer self.Close()
	for _, p := range self.Progs {
		if p.Type == elf.PT_INTERP {
			return &codedError{exitHost, "this nixsd-native is linked dynamically, so it cannot be the sandbox's ssh", []string{
				"build it with CGO_ENABLED=0 go build ./cmd/nixsd-native",
			}}
		}
	}
	return nil
}
