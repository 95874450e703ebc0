// Package demo makes, from packages of Debian's archive, the inputs that every
// build takes, in upstream's layouts: a Nix tarball and a channel. Its nixos/
// understands the sd-card.nix that NixOS would.
package demo

import (
	"archive/tar"
	"io"
	"slices"
	"strings"
)

// Suite is the Debian suite that the demo is made of.
const Suite = "trixie"

// SystemName is what the demo's system calls itself (NAME in os-release).
const SystemName = "NixOS demo"

// Board is the Debian architecture of the boards.
const Board = "arm64"

// A Package is a .deb of Debian's archive.
type Package struct {
	Name, Version, Arch string
	SHA256              string // hex
	// File is the .deb on this machine, URL where the build finds it.
	File, URL string
}

// A Walk calls visit for every entry of a package's data.tar until it returns an
// error, which comes back but for the one that stands for "stop".
type Walk func(p Package, visit func(h *tar.Header, content io.Reader) error) error

// HostGroups names, by purpose, the packages that the machine which builds starts
// from: Nix with its CA certificates and shell, and the tools that make file
// systems natively.
func HostGroups() map[string][]string {
	return map[string][]string{
		"nix":   {"nix-bin", "ca-certificates", "busybox-static"},
		"tools": toolRoots,
	}
}

// BoardGroups names the packages for the board and for tools that run emulated.
func BoardGroups() map[string][]string {
	return map[string][]string{
		"kernel": {"linux-image-arm64"},
		"ssh":    {"openssh-server", "openssh-client", "openssh-sftp-server"},
		"uboot":  {"u-boot-rpi"},
		"tools":  toolRoots,
	}
}

// InImage reports whether the image holds files of a package, by the board's groups with
// their closures: all but the tools, of which BusyBox alone is in it.
func InImage(groups map[string][]string, name string) bool {
	for group, members := range groups {
		if group != "tools" && slices.Contains(members, name) {
			return true
		}
	}
	return name == "busybox-static"
}

// toolRoots are what a derivation of either architecture needs. libarchive13t64
// lets mke2fs read tarballs.
var toolRoots = []string{"busybox-static", "tar", "e2fsprogs", "libarchive13t64", "dosfstools", "mtools", "fdisk"}

// Skip tells which packages a closure of roots leaves out: in a root without
// package manager and service manager, only programs that were asked for and
// libraries are of use.
func Skip(roots []string) func(name string) bool {
	wanted := map[string]bool{}
	for _, r := range roots {
		wanted[r] = true
	}
	return func(name string) bool {
		switch {
		case wanted[name], name == "zlib1g", strings.HasPrefix(name, "linux-image-"):
			return false
		case strings.HasPrefix(name, "libpam-"), strings.HasPrefix(name, "libperl"), strings.HasSuffix(name, "-perl"), strings.HasSuffix(name, "-common"):
			return true
		}
		return !strings.HasPrefix(name, "lib")
	}
}
