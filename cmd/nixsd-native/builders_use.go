package main

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"

	"nixsd-native/internal/sshclient"
	"nixsd-native/nix"
	"nixsd-native/sandbox"
)

// builders are the remote machines of a run.
type builders []builder

// What the sandbox has for them: this program as ssh, and what it needs.
const (
	sshArg0    = "ssh"
	insideBin  = "/run/nixsd/bin"
	insideSSH  = insideOwn + "/ssh"
	knownHosts = insideSSH + "/known_hosts"
)

// sshHosts are all machines that Nix reaches by ssh, the one to push to last.
func (w *workspace) sshHosts() builders {
	if w.pushHost == nil {
		return w.builders
	}
	return append(w.builders[:len(w.builders):len(w.builders)], *w.pushHost)
}

// sshMain is the program ssh in the sandbox.
func sshMain(args []string) int {
	p := sshclient.Program{User: "root", KnownHosts: knownHosts, In: os.Stdin, Out: os.Stdout, Errs: os.Stderr}
	return p.Main(context.Background(), args)
}

// sshMount shows this program, by a path of it, to a sandbox as its ssh.
func sshMount(program string) sandbox.Mount {
	return sandbox.Mount{Source: program, Target: insideBin + "/" + sshArg0, IsFile: true, Exec: true}
}

// openProgram opens the file that this process runs, and no other that has taken its
// place since. /proc/self/exe itself cannot be mounted: it is of another mount namespace.
func openProgram() (*os.File, error) {
	name, err := os.Executable()
	if err != nil {
		return nil, err
	}
	f, err := openNamed(name)
	if err != nil {
		return nil, err
	}
	ours, err := os.Stat("/proc/self/exe")
	if err == nil {
		var opened os.FileInfo
		if opened, err = f.Stat(); err == nil && os.SameFile(ours, opened) {
			return f, nil
		}
	}
	f.Close()
	return nil, &codedError{exitHost, name + " is not the program any more that this process runs", []string{"run the command again"}}
}

// programPath is the PATH of Nix's programs.
func (w *workspace) programPath(more ...string) string {
	dirs := append([]string{w.nix.Nix + "/bin"}, more...)
	if len(w.sshHosts()) > 0 {
		dirs = append(dirs, insideBin)
	}
	return strings.Join(dirs, ":")
}

// inside is a builder as Nix is told of it: by what was found out about it, with the key
// that lets us in.
func (b builder) inside(i int) nix.Machine {
	m := b.Machine
	m.User, m.Host, m.Port, m.HostKey, m.Key = b.target.User, b.target.Host, b.target.Port, "", keyInside(i)
	if m.Port == sshclient.DefaultPort {
		m.Port = 0
	}
	return m
}

func keyInside(i int) string { return fmt.Sprintf("%s/key%d", insideSSH, i+1) }

// setting is Nix's setting builders.
func (all builders) setting() string {
	var machines []nix.Machine
	for i, b := range all {
		machines = append(machines, b.inside(i))
	}
	return nix.BuildersSetting(machines)
}

// files are keys and host keys, those that were used and no others. Nobody inside but
// Nix can read a key, and nobody can write.
func (all builders) files() []sandbox.File {
	if len(all) == 0 {
		return nil
	}
	var files []sandbox.File
	var known strings.Builder
	for i, b := range all {
		files = append(files, sandbox.File{Path: keyInside(i), Mode: 0o400, Data: b.pem, ReadOnly: true})
		known.WriteString(sshclient.LineFor(b.target.Host, b.target.Port, b.hostKey) + "\n")
	}
	return append(files, sandbox.File{Path: knownHosts, Mode: 0o444, Data: []byte(known.String()), ReadOnly: true})
}

// hosts are the lines of /etc/hosts for names that only the host's own resolver may know.
func (all builders) hosts() string {
	var lines strings.Builder
	for _, b := range all {
		if b.address != "" && net.ParseIP(b.target.Host) == nil {
			fmt.Fprintf(&lines, "%s %s\n", b.address, b.target.Host)
		}
	}
	return lines.String()
}

// does reports whether one of them builds for a system.
func (all builders) does(system string) bool {
	return slices.ContainsFunc(all, func(b builder) bool { return b.Does(system) })
}

// native reports whether all work for a system is done by machines of that kind, as far
// as they tell.
func (all builders) native(system string) bool {
	return all.does(system) && !slices.ContainsFunc(all, func(b builder) bool {
		return b.Does(system) && b.about.system != "" && b.about.system != system
	})
}

// slots counts, by system, how many builds run at a time on the remote machines.
func (all builders) slots() map[string]int {
	n := map[string]int{}
	for _, b := range all {
		for _, system := range b.Systems {
			n[system] += b.Jobs
		}
	}
	return n
}

// A builderRecord is a remote builder in manifests and forecasts.
type builderRecord struct {
	URI     string   `json:"uri"` // without the user
	Systems []string `json:"systems"`
	Slots   int      `json:"slots"`             // builds at a time
	Machine string   `json:"machine,omitempty"` // what it is: aarch64-linux
	Nix     string   `json:"nix,omitempty"`     // its version
}

func (all builders) records() []builderRecord {
	var records []builderRecord
	for _, b := range all {
		records = append(records, builderRecord{b.URI(), b.Systems, b.Jobs, b.about.system, b.about.version})
	}
	return records
}

// A slotCount tells who builds how much at a time.
type slotCount struct {
	Builders []builderRecord `json:"machines"`
	Remote   map[string]int  `json:"remote"` // builds at a time, by system
	Local    int             `json:"local"`
	Here     []string        `json:"local_systems"`
}

// slots counts them, or returns nil if there is but this machine.
func (b *build) slots() *slotCount {
	if len(b.builders) == 0 {
		return nil
	}
	s := &slotCount{Builders: b.builders.records(), Remote: b.builders.slots(), Local: b.job.maxJobs, Here: []string{nativeSystem()}}
	if s.Local == 0 {
		s.Local = runtime.NumCPU()
	}
	s.Here = append(s.Here, b.extraPlatforms()...)
	return s
}

// String is a line of the forecast.
func (s *slotCount) String() string {
	var remote []string
	for _, system := range slices.Sorted(maps.Keys(s.Remote)) {
		remote = append(remote, fmt.Sprintf("%s for %s", plural(int64(s.Remote[system]), "slot"), system))
	}
	return fmt.Sprintf("builders: %s, %s; this machine: %s for %s",
		plural(int64(len(s.Builders)), "machine"), strings.Join(remote, ", "), plural(int64(s.Local), "slot"), strings.Join(s.Here, ", "))
}
