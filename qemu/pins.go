// Package qemu knows which emulator a build uses and takes it out of its Debian
// package: a static qemu-aarch64 that runs on an x86_64 host.
package qemu

import (
	"path"
	"slices"
	"strings"

	"nixsd-native/internal/debian"
)

// A Pin names one Debian package by hash. All pins are for amd64 hosts; hosts of
// the board's own architecture emulate nothing.
type Pin struct {
	Suite    string // Debian suite it was published in
	Version  string // Debian version
	PoolPath string // below the archive's root
	SHA256   string // of the .deb, hex
	SHA1     string // of the .deb, hex: how Debian's archive of snapshots names files
	Size     int64  // of the .deb, bytes
	Emulator string // sha256 of the emulator inside, hex
}

// pins are Debian's packages as of 2026-11, sha256 and size from the suites'
// signed indexes, sha1 and Emulator computed from the files. The first is the
// default. None is older than 10.0.8, which fixed the fork deadlock of
// tonistiigi/binfmt#240, but the last, kept for whoever needs Debian 12's layout.
var pins = []Pin{
	{
		Suite:    "trixie",
		Version:  "1:10.0.13+ds-0+deb13u1",
		PoolPath: "pool/main/q/qemu/qemu-user_10.0.13+ds-0+deb13u1_amd64.deb",
		SHA256:   "ca6ede739327a20ae5a3498230c8a3a9a072c586e131bc6bcc1201eb1725e336",
		SHA1:     "dec1373851d29f91642c197f4a339d0d2ad25ed0",
		Size:     71089852,
		Emulator: "73cc2584f119f9e74c85c0a8549dbb6fd104ae3897a06a7500797f9e5b4d0943",
	},
	{
		Suite:    "sid",
		Version:  "1:11.1.3+ds-1",
		PoolPath: "pool/main/q/qemu/qemu-user_11.1.3+ds-1_amd64.deb",
		SHA256:   "5fa915e759f314400cf7d64a2745747e6baa50a180c938b3e8d281ce57ede452",
		SHA1:     "df5ab4a6de0ab31b9a5215eb03929285dcbe4d7e",
		Size:     72595524,
		Emulator: "52a2c32043feea7aab68c2e25f4b546db75202df6dae4659ecd871460b11c4ae",
	},
	{
		Suite:    "trixie-backports",
		Version:  "1:11.1.3+ds-1~bpo13+1",
		PoolPath: "pool/main/q/qemu/qemu-user_11.1.3+ds-1~bpo13+1_amd64.deb",
		SHA256:   "c22209644efe80e5d7f5ac67d319dc1d91f9f977a3a1cee734952c97d6097172",
		SHA1:     "7123d2135a0dcdea3771bad2a986f32333ca2225",
		Size:     70501080,
		Emulator: "51b7a9805f7f2ba8e1a06d141fe28493ba288d38acf74daeba79f1a50a26eb27",
	},
	{
		Suite:    "bookworm",
		Version:  "1:7.2+dfsg-7+deb12u18+b3",
		PoolPath: "pool/main/q/qemu/qemu-user-static_7.2+dfsg-7+deb12u18+b3_amd64.deb",
		SHA256:   "c3e3ba2bd87f8c5b9a5da5ef21b5a3b82d7c63b89dd448d9ddaa4eabc5b6e402",
		SHA1:     "5708c6db00b35729b429a04773a40acd0f376826",
		Size:     62603724,
		Emulator: "4f55e2e88dc05dc0f619562d5795b8eb25ed2ad2547504fb4835207a6911c350",
	},
}

// snapshotTime is a moment at which Debian's archive held every pin.
// Its archive of snapshots answers with its last copy before it.
const snapshotTime = "20261123T000000Z"

// Pins returns the table, the default first.
func Pins() []Pin { return slices.Clone(pins) }

// Default returns the pin that a build uses when nothing else is asked for.
func Default() Pin { return pins[0] }

// ByHash finds the pin of a .deb by its sha256 in hex.
func ByHash(sha256 string) (Pin, bool) {
	i := slices.IndexFunc(pins, func(p Pin) bool { return p.SHA256 == sha256 })
	if i < 0 {
		return Pin{}, false
	}
	return pins[i], true
}

// Name returns the file name of the .deb.
func (p Pin) Name() string { return path.Base(p.PoolPath) }

// Package returns the pin as what Install takes.
func (p Pin) Package() Package { return Package{p.Name(), p.SHA256, p.Emulator} }

// Sources lists where the .deb can be had: each Debian mirror, then
// [debian.Snapshots], which keeps what the pool has dropped.
func (p Pin) Sources(mirrors []string) []string {
	var urls []string
	for _, m := range mirrors {
		urls = append(urls, strings.TrimSuffix(m, "/")+"/"+p.PoolPath)
	}
	return append(urls,
		debian.Snapshots+"/file/"+p.SHA1,
		debian.Snapshots+"/archive/debian/"+snapshotTime+"/"+p.PoolPath,
	)
}
