package demo

import (
	"bytes"
	"debug/elf"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// nixPackagesT are packages as Nix's tarball is made of, and what they hold.
func nixPackagesT(t testing.TB) ([]Package, map[string][]member) {
	t.Helper()
	lib := func(needed ...string) string { return string(programT{needed: needed}.bytes(t)) }
	return []Package{
			pkg("busybox-static", "1:1.37.0-6+b2"), pkg("ca-certificates", "20250419"), pkg("libc6", "2.41-12"),
			pkg("libgcc-s1", "14.2.0-19"), pkg("nix-bin", "2.26.3+dfsg-1"),
		}, map[string][]member{
			"busybox-static": {{name: "./usr/bin/busybox", content: "busybox"}, {name: "./usr/share/doc/x", content: "doc"}},
			"ca-certificates": {
				{name: "./" + certificates + "B.crt", content: "second\n\n"}, {name: "./" + certificates + "A.crt", content: "first"},
				{name: "./etc/ca-certificates.conf", content: "x"},
			},
			"libc6": {
				{name: "./" + libDir + "libc.so.6", content: lib("ld-linux-x86-64.so.2")},
				{name: "./" + libDir + "ld-linux-x86-64.so.2", content: lib()},
				{name: "./usr/lib64/ld-linux-x86-64.so.2", link: "../lib/" + triplet + "/ld-linux-x86-64.so.2"},
				{name: "./" + libDir + "libnss_dns.so.2", content: lib("libc.so.6")},
				{name: "./" + libDir + "libnss_files.so.2", content: lib("libc.so.6")},
				{name: "./" + libDir + "libresolv.so.2", content: lib("libc.so.6")},
				{name: "./" + libDir + "libunused.so.1", content: lib()},
			},
			"libgcc-s1": {{name: "./" + libDir + "libgcc_s.so.1", content: lib("libc.so.6")}},
			"nix-bin": {
				{name: "./usr/bin/nix", content: string(programT{interp: "/lib64/ld-linux-x86-64.so.2", needed: []string{"libnixstore.so.2", "libc.so.6"}}.bytes(t))},
				{name: "./usr/bin/nix-store", link: "nix"},
				{name: "./" + libDir + "libnixstore.so.2", link: "libnixstore.so.2.26.3"},
				{name: "./" + libDir + "libnixstore.so.2.26.3", content: lib("libc.so.6")},
			},
		}
}

func nixTarballT(t testing.TB, pkgs []Package, members map[string][]member) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := NixTarball(&b, Hosts[0], pkgs, walkOf(members), t.TempDir()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// nixContents is the tarball of nixPackagesT with HASH for the hash of store paths.
const nixContents = `nix-2.26.3-x86_64-linux/
nix-2.26.3-x86_64-linux/.reginfo
nix-2.26.3-x86_64-linux/install*
nix-2.26.3-x86_64-linux/store/
nix-2.26.3-x86_64-linux/store/HASH-busybox-static-1.37.0/
nix-2.26.3-x86_64-linux/store/HASH-busybox-static-1.37.0/bin/
nix-2.26.3-x86_64-linux/store/HASH-busybox-static-1.37.0/bin/busybox*
nix-2.26.3-x86_64-linux/store/HASH-busybox-static-1.37.0/bin/sh -> busybox
nix-2.26.3-x86_64-linux/store/HASH-nix-2.26.3/
nix-2.26.3-x86_64-linux/store/HASH-nix-2.26.3/bin/
nix-2.26.3-x86_64-linux/store/HASH-nix-2.26.3/bin/nix*
nix-2.26.3-x86_64-linux/store/HASH-nix-2.26.3/bin/nix-build -> nix
nix-2.26.3-x86_64-linux/store/HASH-nix-2.26.3/bin/nix-channel -> nix
nix-2.26.3-x86_64-linux/store/HASH-nix-2.26.3/bin/nix-collect-garbage -> nix
nix-2.26.3-x86_64-linux/store/HASH-nix-2.26.3/bin/nix-copy-closure -> nix
nix-2.26.3-x86_64-linux/store/HASH-nix-2.26.3/bin/nix-daemon -> nix
nix-2.26.3-x86_64-linux/store/HASH-nix-2.26.3/bin/nix-env -> nix
nix-2.26.3-x86_64-linux/store/HASH-nix-2.26.3/bin/nix-hash -> nix
nix-2.26.3-x86_64-linux/store/HASH-nix-2.26.3/bin/nix-instantiate -> nix
nix-2.26.3-x86_64-linux/store/HASH-nix-2.26.3/bin/nix-prefetch-url -> nix
nix-2.26.3-x86_64-linux/store/HASH-nix-2.26.3/bin/nix-shell -> nix
nix-2.26.3-x86_64-linux/store/HASH-nix-2.26.3/bin/nix-store -> nix
nix-2.26.3-x86_64-linux/store/HASH-nix-2.26.3/lib/
nix-2.26.3-x86_64-linux/store/HASH-nix-2.26.3/lib/ld-linux-x86-64.so.2*
nix-2.26.3-x86_64-linux/store/HASH-nix-2.26.3/lib/libc.so.6*
nix-2.26.3-x86_64-linux/store/HASH-nix-2.26.3/lib/libgcc_s.so.1*
nix-2.26.3-x86_64-linux/store/HASH-nix-2.26.3/lib/libnixstore.so.2*
nix-2.26.3-x86_64-linux/store/HASH-nix-2.26.3/lib/libnss_dns.so.2*
nix-2.26.3-x86_64-linux/store/HASH-nix-2.26.3/lib/libnss_files.so.2*
nix-2.26.3-x86_64-linux/store/HASH-nix-2.26.3/lib/libresolv.so.2*
nix-2.26.3-x86_64-linux/store/HASH-nss-cacert-20250419/
nix-2.26.3-x86_64-linux/store/HASH-nss-cacert-20250419/etc/
nix-2.26.3-x86_64-linux/store/HASH-nss-cacert-20250419/etc/ssl/
nix-2.26.3-x86_64-linux/store/HASH-nss-cacert-20250419/etc/ssl/certs/
nix-2.26.3-x86_64-linux/store/HASH-nss-cacert-20250419/etc/ssl/certs/ca-bundle.crt
`

// storeHash is the hash of a store path: 160 bits in Nix's base 32.
var storeHash = regexp.MustCompile(`[0-9abcdfghijklmnpqrsvwxyz]{32}-`)

// The tarball is laid out as upstream's, whose install names the two store paths that
// the program needs.
func TestNixTarball(t *testing.T) {
	pkgs, members := nixPackagesT(t)
	all := readTar(t, nixTarballT(t, pkgs, members))
	var found []string
	for _, name := range lines(all) {
		found = append(found, storeHash.ReplaceAllString(name, "HASH-"))
	}
	slices.Sort(found)
	if got := strings.Join(found, "\n") + "\n"; got != nixContents {
		t.Errorf("NixTarball holds\n%s; want\n%s", got, nixContents)
	}
	const top = "nix-2.26.3-x86_64-linux/"
	install := entryOf(t, all, top+"install").content
	nix, cacert := quotedIn(t, install, "nix"), quotedIn(t, install, "cacert")
	program := entryOf(t, all, top+"store/"+path.Base(nix)+"/bin/nix").content
	f := openELF(t, []byte(program))
	if got, want := interpreter(t, f), nix+"/lib/ld-linux-x86-64.so.2\x00"; got != want {
		t.Errorf("nix is started by %q; want %q", got, want)
	}
	if got := textOf(t, f, elf.DT_RPATH); got != "$ORIGIN/../lib" {
		t.Errorf("nix finds libraries in %q", got)
	}
	if got := entryOf(t, all, top+"store/"+path.Base(cacert)+"/etc/ssl/certs/ca-bundle.crt").content; got != "first\nsecond\n" {
		t.Errorf("certificates = %q; want those of the packages, sorted by name, a line each", got)
	}
	if !strings.HasPrefix(install, "#! /bin/sh\n") {
		t.Errorf("install = %q; want a script", install)
	}
}

// quotedIn returns the store path that a line of install gives a name.
func quotedIn(t testing.TB, install, name string) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^`+name+`="(/nix/store/`+storeHash.String()+`[^"/]+)"$`).FindAllStringSubmatch(install, -1)
	if len(m) != 1 {
		t.Fatalf("install names %s %d times; want once\n%s", name, len(m), install)
	}
	return m[0][1]
}

// The same packages make the same bytes, whatever else there was; other packages make
// other store paths.
func TestNixTarballIsReproducible(t *testing.T) {
	pkgs, members := nixPackagesT(t)
	want := nixTarballT(t, pkgs, members)
	for range 3 {
		if got := nixTarballT(t, pkgs, members); !bytes.Equal(got, want) {
			t.Errorf("NixTarball of the same = %d bytes; want the same %d", len(got), len(want))
		}
	}
	moved := slices.Clone(pkgs)
	for i := range moved {
		moved[i].File, moved[i].URL = "/elsewhere", "file:///elsewhere"
	}
	if !bytes.Equal(nixTarballT(t, moved, members), want) {
		t.Error("NixTarball depends on where the packages are")
	}
	other := slices.Clone(pkgs)
	other[2].SHA256 = strings.Repeat("0", 64)
	was, is := storePaths(readTar(t, want)), storePaths(readTar(t, nixTarballT(t, other, members)))
	for p := range is {
		if was[p] {
			t.Errorf("%s is the same with another libc6", p)
		}
	}
	if len(was) != 3 || len(is) != 3 {
		t.Errorf("%d and %d store paths; want 3", len(was), len(is))
	}
}

func storePaths(all []inTar) map[string]bool {
	found := map[string]bool{}
	for _, e := range all {
		if _, below, ok := strings.Cut(e.name, "/store/"); ok && below != "" {
			first, _, _ := strings.Cut(below, "/")
			found[first] = true
		}
	}
	return found
}

// An incomplete or foreign package is an error that tells what is missing.
func TestNixTarballErrors(t *testing.T) {
	lib := string(programT{}.bytes(t))
	for name, tt := range map[string]struct {
		of      string
		members []member // instead of the package's
		want    string
	}{
		"no nix":              {"nix-bin", nil, "nix-bin holds no usr/bin/nix"},
		"nix is a loop":       {"nix-bin", []member{{name: "usr/bin/nix", link: "nix"}}, "nix-bin holds no usr/bin/nix"},
		"nix lies elsewhere":  {"nix-bin", []member{{name: "usr/bin/nix", link: "/bin/sh"}}, "nix-bin holds no usr/bin/nix"},
		"nix is a folder":     {"nix-bin", []member{{name: "usr/bin/nix/"}}, "nix-bin holds no usr/bin/nix"},
		"nix is no program":   {"nix-bin", []member{{name: "usr/bin/nix", content: "#!/bin/sh\nexit 0\n"}}, "bad magic number"},
		"nix is static":       {"nix-bin", []member{{name: "usr/bin/nix", content: lib}}, "nix: no interpreter: statically linked"},
		"nix lacks a library": {"nix-bin", []member{{name: "usr/bin/nix", content: string(programT{interp: "/l", needed: []string{"libx.so.1"}}.bytes(t))}}, "nix needs libx.so.1, which no package has"},
		"no certificates":     {"ca-certificates", []member{{name: "usr/share/doc/x", content: "x"}}, "ca-certificates holds no certificates"},
		"no loader":           {"libc6", nil, "libc.so.6, which no package has"},
		"upwards":             {"libgcc-s1", []member{{name: "./../libgcc_s.so.1", content: lib}}, "libgcc-s1: "},
		"oversized":           {"nix-bin", []member{{name: "usr/bin/nix", size: maxFile + 1}}, "nix-bin: usr/bin/nix has 268435457 bytes"},
	} {
		pkgs, members := nixPackagesT(t)
		members[tt.of] = tt.members
		err := NixTarball(io.Discard, Hosts[0], pkgs, walkOf(members), t.TempDir())
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("NixTarball(%s) = %v; want …%s…", name, err, tt.want)
		}
	}
	pkgs, members := nixPackagesT(t)
	if err := NixTarball(io.Discard, Hosts[1], pkgs, walkOf(members), t.TempDir()); err == nil {
		t.Error("NixTarball for aarch64 of amd64 packages succeeded")
	}
	delete(members, "libc6")
	if err := NixTarball(io.Discard, Hosts[0], pkgs, walkOf(members), t.TempDir()); err == nil || !strings.HasPrefix(err.Error(), "libc6: ") {
		t.Errorf("NixTarball without a package's file = %v; want libc6: …", err)
	}
}

func TestUpstreamVersion(t *testing.T) {
	for _, tt := range []struct{ version, want string }{
		{"2.26.3+dfsg-1", "2.26.3"},
		{"2.26.3+dfsg-1+b3", "2.26.3"},
		{"1:1.37.0-6+b2", "1.37.0"},
		{"20250419", "20250419"},
		{"20230311+deb12u1", "20230311"},
		{"2.8-1-1", "2.8"},
		{"", ""},
	} {
		if got := upstreamVersion([]Package{pkg("other", "9"), pkg("p", tt.version)}, "p"); got != tt.want {
			t.Errorf("upstreamVersion(%q) = %q; want %q", tt.version, got, tt.want)
		}
	}
	if got := upstreamVersion(nil, "p"); got != "0" {
		t.Errorf("upstreamVersion of no package = %q; want 0", got)
	}
}

// A file replaces what is there and brings its folders.
func TestCopyFile(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "a/b/to")
	if err := os.WriteFile(from, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := copyFile(from, to, 0o755); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(to)
	if err != nil || info.Mode()&0o700 != 0o700 || info.Size() != 7 {
		t.Errorf("copy = %v, %v; want 7 bytes that the owner may run", info, err)
	}
	if err := copyFile(filepath.Join(dir, "none"), to, 0o755); err == nil {
		t.Error("copyFile of nothing succeeded")
	}
	if err := copyFile(from, filepath.Join(from, "below"), 0o755); err == nil {
		t.Error("copyFile below a file succeeded")
	}
}
