package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"nixsd-native"

	"nixsd-native/qemu"
)

// bench prepares a folder, measures, prints, and removes the folder.
func bench(runs int, cache, only, image string) error {
	dir, err := os.MkdirTemp("", "nixsd-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	l := &lab{dir: dir, cache: cache}
	if l.cache == "" {
		l.cache = filepath.Join(dir, "cache")
	}
	defer l.clean()
	measured := l.comparisons
	if image != "" {
		measured = func() ([]comparison, error) { return l.flashed(image) }
	}
	if err := l.prepare(image == ""); err != nil {
		return err
	}
	var results []result
	all, err := measured()
	if err != nil {
		return err
	}
	for _, c := range all {
		if !strings.Contains(c.name, only) {
			continue
		}
		r, err := c.measure(runs)
		if err != nil {
			return firstError(print(os.Stdout, results), err)
		}
		fmt.Fprintf(os.Stderr, "%s: %.2f\n", r.name, r.medianRatio())
		results = append(results, r)
	}
	return print(os.Stdout, results)
}

// A lab is what the measurements share: the program, a filled cache, and a state
// folder in which the demo is built.
type lab struct {
	dir, cache string
	program    string
	deb        string // emulator's package
	blocks     string // Nix's tarball as xz 5.6 and newer compresses: in blocks of 24 MiB
	stopMirror func()
	undo       []func() // what cards need, in the end
	oneBlock   string   // the same as upstream's build does: xz --threads=1
}

func (l *lab) path(names ...string) string {
	return filepath.Join(append([]string{l.dir}, names...)...)
}

// prepare builds the program and, if wanted, the demo and what else comparisons take.
func (l *lab) prepare(demo bool) error {
	l.program = l.path("nixsd-native")
	build := exec.Command("go", "build", "-o", l.program, "nixsd-native/cmd/nixsd-native")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if err := quietly(build); err != nil || !demo {
		return err
	}
	if err := quietly(exec.Command(l.program, l.demo("build", "-o", l.dir+"/")...)); err != nil {
		return err
	}
	return firstError(l.findDeb(), l.packTarball())
}

// demo returns arguments of the program with this lab's folders.
func (l *lab) demo(command string, more ...string) []string {
	return append([]string{command, "--demo", "--state-dir", l.path("state"), "--cache-dir", l.cache}, more...)
}

func (l *lab) clean() {
	if l.stopMirror != nil {
		l.stopMirror()
	}
	for _, undo := range slices.Backward(l.undo) {
		undo()
	}
	for _, name := range []string{"state", "bundle-state"} {
		quietly(l.cleaner(l.path(name), l.path("none")))
	}
}

// cleaner is a command that empties a store, whose files may be nobody else's to remove.
func (l *lab) cleaner(state, cache string) *exec.Cmd {
	return exec.Command(l.program, "clean", "--store", "--state-dir", state, "--cache-dir", cache)
}

func (l *lab) findDeb() error {
	found, err := filepath.Glob(filepath.Join(l.cache, qemu.Default().SHA256+"-*"))
	if err != nil || len(found) == 0 {
		return fmt.Errorf("no emulator's package in %s", l.cache)
	}
	l.deb = found[0]
	return nil
}

// packTarball compresses the demo's Nix tarball in two ways.
func (l *lab) packTarball() error {
	found, err := filepath.Glob(filepath.Join(l.cache, "*-nix-demo-*.tar.zst"))
	if err != nil || len(found) == 0 {
		return fmt.Errorf("no Nix tarball in %s", l.cache)
	}
	plain, err := decompressTo(found[len(found)-1], l.path("nix.tar"))
	if err != nil {
		return err
	}
	l.blocks, l.oneBlock = plain+".blocks.xz", plain+".one.xz"
	return firstError(
		quietly(exec.Command("sh", "-c", fmt.Sprintf("xz -c --threads=0 --block-size=24MiB '%s' > '%s'", plain, l.blocks))),
		quietly(exec.Command("sh", "-c", fmt.Sprintf("xz -c --threads=1 '%s' > '%s'", plain, l.oneBlock))),
	)
}

func (l *lab) comparisons() ([]comparison, error) {
	fetched, err := l.fetched()
	if err != nil {
		return nil, err
	}
	images, err := filepath.Glob(l.path("*.img"))
	if err != nil || len(images) == 0 {
		return nil, fmt.Errorf("the demo left no image (%v)", err)
	}
	flashed, err := l.flashed(images[0])
	emulator := l.path("emulator")
	unpack := fmt.Sprintf("dpkg-deb --fsys-tarfile '%s' | tar x -C '%s' ./usr/bin/qemu-aarch64", l.deb, emulator)
	return append([]comparison{
		{
			name:   "emulator from a cached .deb",
			ours:   command{"qemu.Install", []string{emulatorArg0, l.deb, emulator}, fresh(emulator), nil},
			theirs: command{"dpkg-deb | tar x", []string{"sh", "-c", unpack}, fresh(emulator), nil},
			target: "3 times faster", met: ratio(3),
		},
		l.nixFrom("Nix from a tarball in blocks", l.blocks),
		l.nixFrom("Nix from a tarball in one block", l.oneBlock),
		{
			name: "unchanged second build",
			ours: command{name: "nixsd-native build", argv: append([]string{l.program}, l.demo("build", "-q", "-o", l.dir+"/")...)},
			theirs: command{
				name: "nix-build in the same root", argv: append([]string{l.program}, l.demo("shell", "-q", "--", "sh", "-c", l.nixBuild())...), parse: parseTime,
			},
			target: "at most 1 s more", met: func(a, b time.Duration) bool { return a <= b+time.Second },
		},
		{
			name:   "root file system and image, build phase",
			ours:   l.assembled("native"),
			theirs: l.assembled("emulated"),
			target: "2.5 times faster", met: ratio(2.5),
		},
		l.fleet(),
		l.bundleCreated(),
		l.bundleUsed(),
		fetched,
	}, flashed...), err
}

// assembled is a build of nothing but root file system and image, by tools of a kind.
// A new comment in the configuration, which is in the image, makes both anew.
func (l *lab) assembled(tools string) command {
	config := l.path("assembly", "sd-card.nix")
	n := 0
	return command{
		name: "--assembly " + tools,
		argv: append([]string{l.program}, l.demo("build", "-q", "--json", "--assembly", tools, "-o", l.dir+"/", config)...),
		prepare: func() error {
			n++
			text := fmt.Sprintf("%s# %s tools, run %d\n", nixsd.DefaultConfig, tools, n)
			return firstError(os.MkdirAll(filepath.Dir(config), 0o755), os.WriteFile(config, []byte(text), 0o644))
		},
		parse: parseBuildPhase,
	}
}

// parseBuildPhase reads how long the phase "build" took from the manifest that a build
// printed, behind warnings.
func parseBuildPhase(out []byte) (sample, error) {
	var m struct {
		Phases []struct {
			Name    string
			Seconds float64
		}
	}
	i := bytes.IndexByte(out, '{')
	if i < 0 {
		return sample{}, fmt.Errorf("no manifest in %q", out)
	}
	if err := json.NewDecoder(bytes.NewReader(out[i:])).Decode(&m); err != nil {
		return sample{}, err
	}
	for _, p := range m.Phases {
		if p.Name == "build" {
			return sample{wall: time.Duration(p.Seconds * float64(time.Second))}, nil
		}
	}
	return sample{}, errors.New("the manifest has no phase build")
}

// fresh returns a preparation that empties a folder.
func fresh(dir string) func() error {
	return func() error { return firstError(removeAll(dir), os.MkdirAll(dir, 0o755)) }
}

// ratio returns a target: theirs takes at least so many times as long as ours.
func ratio(want float64) func(ours, theirs time.Duration) bool {
	return func(a, b time.Duration) bool { return b.Seconds() >= want*a.Seconds() }
}

// nixFrom compares the installation of Nix with unpacking alone.
func (l *lab) nixFrom(name, tarball string) comparison {
	dir := l.path("nix")
	return comparison{
		name:   name,
		ours:   command{"sandbox, unpack, register", []string{nixArg0, tarball, dir}, fresh(dir), nil},
		theirs: command{"tar xJ", []string{"tar", "xJf", tarball, "-C", dir}, fresh(dir), nil},
		target: "no slower", met: ratio(1),
	}
}

// nixBuild is a shell command that times a bare nix-build of what the program
// built.
func (l *lab) nixBuild() string {
	return "time -f 'took %e %U %S' nix-build --no-out-link '<nixpkgs/nixos>' -A config.system.build.sdImage" +
		" --argstr system aarch64-linux --arg configuration /etc/nixsd/configuration.nix"
}

// parseTime reads what nixBuild printed: seconds of wall, user and system time.
func parseTime(out []byte) (sample, error) {
	i := bytes.LastIndex(out, []byte("took "))
	var wall, user, system float64
	if i < 0 {
		return sample{}, fmt.Errorf("no times in %q", out)
	}
	if _, err := fmt.Sscanf(string(out[i:]), "took %f %f %f", &wall, &user, &system); err != nil {
		return sample{}, err
	}
	seconds := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	return sample{seconds(wall), seconds(user + system)}, nil
}
