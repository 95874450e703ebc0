package main

import (
	nixsd "nixsd-native"
	"nixsd-native/nix"
	"nixsd-native/sandbox"
)

// Names of what is generated, in the sandbox's folder insideOwn.
const (
	wrapperName    = "configuration.nix"
	expressionName = "build.nix"
)

// modules are the NixOS modules of a build, as files of the sandbox.
type modules struct {
	folder   string // of the files, inside the sandbox
	paths    []string
	files    []sandbox.File
	assembly string // path of the module for native assembly, which is used if it fits
}

// add makes a file and returns its path.
func (m *modules) add(name, text string) string {
	path := m.folder + "/" + name
	m.files = append(m.files, textFile(path, text))
	return path
}

// module is add for a file that the configuration imports.
func (m *modules) module(name, text string) string {
	path := m.add(name, text)
	m.paths = append(m.paths, path)
	return path
}

// modules are a target's configuration and what flags add to it. The user's own file is
// never changed.
func (b *build) modules(t *target) *modules {
	m := &modules{folder: t.folder}
	var added []string
	main := t.File
	switch {
	case b.nixos.ofFlake():
	case main == "":
		main = m.module("sd-card.nix", string(nixsd.DefaultConfig))
	default:
		m.paths = append(m.paths, main)
	}
	if len(b.keys) > 0 {
		added = append(added, m.module("login-keys.nix", nix.LoginKeys(b.keys)))
	}
	if b.nixos.withoutZFS {
		added = append(added, m.module("without-zfs.nix", nix.WithoutZFS()))
	}
	if !b.makesImage() {
		return m
	}
	if b.wantsNativeTools() {
		m.assembly = m.add("assembly.nix", nix.Assembly(nativeSystem(), b.job.assembly == assemblyNative))
	}
	if !b.nixos.ofFlake() {
		m.module("etc-nixos.nix", nix.EtcNixos(main, added...))
	}
	return m
}

// makesImage reports whether the build is of an SD image, which sd-image.nix makes.
func (b *build) makesImage() bool { return b.job.attr == "" || b.job.attr == nix.DefaultAttr }

// wantsNativeTools decides which tools make file systems. A machine of the board's own
// architecture has but one kind.
func (b *build) wantsNativeTools() bool {
	return b.job.assembly != assemblyEmulated && nativeSystem() != nix.System
}
