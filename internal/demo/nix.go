package demo

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nix-community/go-nix/pkg/nar"
	"github.com/nix-community/go-nix/pkg/nixbase32"
)

// A Host is the machine that builds, in the words of Nix, Debian and GNU.
type Host struct {
	System  string // "x86_64-linux"
	Arch    string // "amd64"
	Triplet string // "x86_64-linux-gnu"
	Loader  string // soname of the dynamic loader
}

// Hosts are the machines that the demo knows.
var Hosts = []Host{
	{"x86_64-linux", "amd64", "x86_64-linux-gnu", "ld-linux-x86-64.so.2"},
	{"aarch64-linux", "arm64", "aarch64-linux-gnu", "ld-linux-aarch64.so.1"},
}

// nixPrograms are the names under which nix is its older self.
var nixPrograms = []string{
	"nix-build", "nix-channel", "nix-collect-garbage", "nix-copy-closure", "nix-daemon", "nix-env",
	"nix-hash", "nix-instantiate", "nix-prefetch-url", "nix-shell", "nix-store",
}

// loadedLater are libraries that libc and Nix open by name at run time: for host
// names, and to end a thread.
var loadedLater = []string{"libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2", "libgcc_s.so.1"}

// certificates is where Debian's CA certificates are.
const certificates = "usr/share/ca-certificates/mozilla/"

// NixTarball writes to w, as an uncompressed tar, what upstream's installer tarball
// nix-<V>-<system>.tar.xz holds, made from Debian packages of the host's
// architecture: nix-bin, ca-certificates, busybox-static and their libraries.
// scratch is an empty folder for its work. The output depends on the packages
// alone.
func NixTarball(w io.Writer, host Host, pkgs []Package, walk Walk, scratch string) error {
	unpacked := filepath.Join(scratch, "packages") // not beside what becomes the store
	if err := os.Mkdir(unpacked, 0o700); err != nil {
		return err
	}
	files, err := unpack(walk, pkgs, unpacked, func(name string) bool {
		return strings.Contains(name, ".so") || strings.HasPrefix(name, certificates) ||
			name == "usr/bin/nix" || name == "usr/bin/busybox"
	})
	if err != nil {
		return err
	}
	version := upstreamVersion(pkgs, "nix-bin")
	n := &nixTree{
		store: filepath.Join(scratch, "store"),
		salt:  recipe(host, pkgs),
	}
	nix, err1 := n.addNix(files, host, version)
	cacert, err2 := n.addCertificates(files, upstreamVersion(pkgs, "ca-certificates"))
	_, err3 := n.addShell(files, upstreamVersion(pkgs, "busybox-static"))
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	install := fmt.Sprintf("#! /bin/sh\n# nixsd-native reads these two lines and no more.\nnix=\"%s\"\ncacert=\"%s\"\n", nix, cacert)
	return writeTarball(w, fmt.Sprintf("nix-%s-%s", version, host.System), map[string][]byte{
		"install":  []byte(install),
		".reginfo": n.reginfo.Bytes(),
	}, n.store)
}

// recipe hashes everything that the store paths depend on.
func recipe(host Host, pkgs []Package) string {
	var b strings.Builder
	fmt.Fprintln(&b, "nixsd demo 1", host.System, libraryPath)
	for _, p := range pkgs {
		fmt.Fprintln(&b, p.Name, p.SHA256)
	}
	return b.String()
}

// upstreamVersion cuts a Debian version to what upstream called it: no epoch, no
// revision, no +dfsg, no ~deb13u1, whose tilde no store path may have.
func upstreamVersion(pkgs []Package, name string) string {
	i := slices.IndexFunc(pkgs, func(p Package) bool { return p.Name == name })
	if i < 0 {
		return "0"
	}
	v := pkgs[i].Version
	if _, rest, ok := strings.Cut(v, ":"); ok {
		v = rest
	}
	if i := strings.IndexAny(v, "-+~"); i >= 0 {
		v = v[:i]
	}
	return v
}

// A nixTree gathers store paths below a folder and what is to be registered.
type nixTree struct {
	store   string
	salt    string
	reginfo bytes.Buffer
}

// path names a store path; the hash is as good as any that is unique.
func (n *nixTree) path(name string) string {
	sum := sha256.Sum256([]byte(n.salt + name))
	return "/nix/store/" + nixbase32.EncodeToString(sum[:20]) + "-" + name
}

// add registers a finished store path that refers to the given ones, in the form
// that nix-store --load-db --hash-given reads: path, hash, size, deriver, number of
// references, references.
func (n *nixTree) add(storePath string, references ...string) error {
	hash := sha256.New()
	size := &counter{w: hash}
	if err := nar.DumpPath(size, n.onDisk(storePath)); err != nil {
		return err
	}
	fmt.Fprintf(&n.reginfo, "%s\n%x\n%d\n\n%d\n", storePath, hash.Sum(nil), size.n, len(references))
	for _, r := range references {
		fmt.Fprintln(&n.reginfo, r)
	}
	return nil
}

func (n *nixTree) onDisk(storePath string) string {
	return filepath.Join(n.store, filepath.Base(storePath))
}

func (n *nixTree) addNix(files *tree, host Host, version string) (string, error) {
	out := n.path("nix-" + version)
	bin, lib := filepath.Join(n.onDisk(out), "bin"), filepath.Join(n.onDisk(out), "lib")
	program := files.find("usr/bin/nix")
	if program == "" {
		return "", errors.New("nix-bin holds no usr/bin/nix")
	}
	needed, err := files.needed(host.Triplet, program)
	if err != nil {
		return "", err
	}
	for _, soname := range append(loadedLater, host.Loader) {
		if needed[soname] == "" {
			needed[soname] = files.library(host.Triplet, soname)
		}
		if needed[soname] == "" {
			return "", fmt.Errorf("no package has %s", soname)
		}
	}
	for soname, file := range needed {
		if err := copyFile(file, filepath.Join(lib, soname), 0o755); err != nil {
			return "", err
		}
	}
	data, err := os.ReadFile(program)
	if err != nil {
		return "", err
	}
	if data, err = relocate(data, out+"/lib/"+host.Loader); err != nil {
		return "", fmt.Errorf("nix: %v", err)
	}
	if err := writeFile(filepath.Join(bin, "nix"), data, 0o755); err != nil {
		return "", err
	}
	for _, name := range nixPrograms {
		if err := os.Symlink("nix", filepath.Join(bin, name)); err != nil {
			return "", err
		}
	}
	return out, n.add(out, out) // it names itself: the loader's path
}

func (n *nixTree) addCertificates(files *tree, version string) (string, error) {
	names, err := fs.Glob(os.DirFS(files.dir), certificates+"*.crt")
	if err != nil || len(names) == 0 {
		return "", errors.New("ca-certificates holds no certificates")
	}
	var bundle bytes.Buffer
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(files.dir, name))
		if err != nil {
			return "", err
		}
		bundle.Write(append(bytes.TrimSpace(data), '\n'))
	}
	out := n.path("nss-cacert-" + version)
	if err := writeFile(filepath.Join(n.onDisk(out), "etc/ssl/certs/ca-bundle.crt"), bundle.Bytes(), 0o644); err != nil {
		return "", err
	}
	return out, n.add(out)
}

func (n *nixTree) addShell(files *tree, version string) (string, error) {
	out := n.path("busybox-static-" + version)
	bin := filepath.Join(n.onDisk(out), "bin")
	program := files.find("usr/bin/busybox")
	if program == "" {
		return "", errors.New("busybox-static holds no usr/bin/busybox")
	}
	if err := copyFile(program, filepath.Join(bin, "busybox"), 0o755); err != nil {
		return "", err
	}
	if err := os.Symlink("busybox", filepath.Join(bin, "sh")); err != nil {
		return "", err
	}
	return out, n.add(out)
}

func copyFile(from, to string, mode os.FileMode) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return writeFile(to, data, mode)
}

// writeFile makes the folders above, too.
func writeFile(name string, data []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, data, mode)
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
