package demo

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A link in a package never leads to a file of the host.
func TestFindStaysInside(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "libx.so.1")
	if err := os.WriteFile(outside, []byte("host"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, link := range []string{strings.Repeat("../", 30) + outside, "../../../../" + outside, "../../../../../etc/passwd"} {
		files := unpackT(t, member{name: libDir + "libx.so.1", link: link}, member{name: "x", content: "x"})
		if got := files.library(triplet, "libx.so.1"); got != "" {
			t.Errorf("library by a link to %s = %s; want none", link, got)
		}
	}
	files := unpackT(t, member{name: "scratch", content: "x"})
	beside := filepath.Join(filepath.Dir(files.dir), "beside")
	if err := os.WriteFile(beside, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := files.find("../beside"); got != "" {
		t.Errorf("find(../beside) = %s; want none", got)
	}
}

// BusyBox for the channel is a file of bounded size.
func TestChannelRefuses(t *testing.T) {
	sets, _ := setsT()
	for name, tt := range map[string]struct {
		m    member
		want string
	}{
		"symlink":   {member{name: "./usr/bin/busybox", link: "/bin/sh"}, "usr/bin/busybox is no file"},
		"folder":    {member{name: "./usr/bin/busybox/"}, "usr/bin/busybox is no file"},
		"oversized": {member{name: "./usr/bin/busybox", content: "x", size: maxFile + 1}, "usr/bin/busybox has 268435457 bytes"},
	} {
		err := Channel(io.Discard, sets, walkOf(map[string][]member{"busybox-static": {tt.m}}))
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "nil") {
			t.Errorf("Channel(%s) = %v; want …%s…", name, err, tt.want)
		}
	}
	err := Channel(io.Discard, sets, walkOf(map[string][]member{"busybox-static": nil}))
	if err == nil || strings.Contains(err.Error(), "nil") {
		t.Errorf("Channel without BusyBox = %v; want an error in words", err)
	}
}

// The scratch folder's name, which comes from --cache-dir, may have any character.
func TestNixTarballInOddFolder(t *testing.T) {
	pkgs, members := nixPackagesT(t)
	want := nixTarballT(t, pkgs, members)
	for _, name := range []string{"[a]", "a*?", "a b", `a\b`} {
		dir := filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if err := NixTarball(&got, Hosts[0], pkgs, walkOf(members), dir); err != nil || !bytes.Equal(got.Bytes(), want) {
			t.Errorf("NixTarball in %q = %v; want the same bytes as elsewhere", name, err)
		}
	}
}

// A package cannot put a file of its own into the store.
func TestNixTarballStoreIsOurs(t *testing.T) {
	pkgs, members := nixPackagesT(t)
	members["libc6"] = append(members["libc6"], member{name: "./store/evil.so", content: "x"})
	for _, e := range readTar(t, nixTarballT(t, pkgs, members)) {
		if strings.Contains(e.name, "evil") {
			t.Errorf("the tarball has %s", e.name)
		}
	}
}

// What is missing is named.
func TestNixTarballNamesTheMissing(t *testing.T) {
	for of, want := range map[string]string{
		"busybox-static": "busybox-static holds no usr/bin/busybox",
		"libgcc-s1":      "no package has libgcc_s.so.1",
	} {
		pkgs, members := nixPackagesT(t)
		members[of] = nil
		if err := NixTarball(io.Discard, Hosts[0], pkgs, walkOf(members), t.TempDir()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("NixTarball with an empty %s = %v; want …%s…", of, err, want)
		}
	}
}

// A store path has no tilde.
func TestUpstreamVersionOfBackport(t *testing.T) {
	for version, want := range map[string]string{"20250419~deb13u1": "20250419", "2.30.0~rc1+dfsg-1~bpo13+1": "2.30.0"} {
		if got := upstreamVersion([]Package{pkg("p", version)}, "p"); got != want {
			t.Errorf("upstreamVersion(%q) = %q; want %q", version, got, want)
		}
	}
}

// Any bytes are relocated or refused.
func FuzzRelocate(f *testing.F) {
	whole := programT{interp: "/lib64/ld-linux-x86-64.so.2", needed: []string{"libc.so.6"}}.bytes(f)
	f.Add(whole)
	f.Add(whole[:100])
	f.Fuzz(func(t *testing.T, program []byte) {
		const interp = "/nix/store/x/lib/ld.so"
		out, err := relocate(program, interp)
		if err == nil && (len(out) != len(program)+len(interp)+1 || !strings.HasSuffix(string(out), interp+"\x00")) {
			t.Errorf("relocate = %d bytes of %d; want a file that ends in the interpreter", len(out), len(program))
		}
	})
}

// damagedT are programs whose headers lie about where things are, by what is wrong.
func damagedT(t testing.TB) map[string][]byte {
	whole := programT{interp: "/lib64/ld-linux-x86-64.so.2", needed: []string{"libc.so.6"}}.bytes(t)
	section := func(name string, field int, value uint64) []byte {
		out := bytes.Clone(whole)
		for i, s := range openELF(t, whole).Sections {
			if s.Name == name {
				at := binary.LittleEndian.Uint64(out[40:]) + uint64(i*64+field) // e_shoff
				binary.LittleEndian.PutUint64(out[at:], value)
			}
		}
		return out
	}
	const offset, size = 24, 32 // in Elf64_Shdr
	folded := bytes.Clone(whole[:64])
	folded[8], folded[32], folded[56] = byte(elf.PT_INTERP), 8, 1 // e_phoff in the ELF header itself
	clear(folded[40:48])                                          // no sections
	clear(folded[60:])
	return map[string][]byte{
		"program header in the ELF header": folded,
		"dynamic section behind the end":   section(".dynamic", offset, 1<<40),
		"dynamic section past the end":     section(".dynamic", size, 1<<20),
		"half a dynamic entry":             section(".dynamic", size, 8),
		"build id behind the end":          section(".note.gnu.build-id", offset, 1<<40),
		"build id at the end":              section(".note.gnu.build-id", offset, uint64(len(whole))-20),
	}
}

func TestRelocateRefusesDamaged(t *testing.T) {
	for name, program := range damagedT(t) {
		if _, err := relocate(program, "/x"); err == nil {
			t.Errorf("relocate(%s) succeeded", name)
		}
	}
}

// Whatever a package's names and links are, nothing is written or found outside of
// the folder.
func FuzzUnpack(f *testing.F) {
	f.Add("./usr/lib/libx.so.1", "libx.so", "../lib/libx.so.1")
	f.Fuzz(func(t *testing.T, name, linkName, target string) {
		above := t.TempDir()
		dir := filepath.Join(above, "scratch")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		members := map[string][]member{"p": {{name: linkName, link: target + "/"}, {name: name, content: "x"}}}
		files, err := unpack(walkOf(members), []Package{pkg("p", "1")}, dir, func(string) bool { return true })
		for _, file := range under(t, above) {
			if !strings.HasPrefix(file, "scratch/") || err != nil {
				t.Errorf("unpack(%q) = %v, wrote %s", name, err, file)
			}
		}
		if err != nil {
			return
		}
		for _, n := range []string{name, linkName, target} {
			if got := files.find(n); got != "" && !strings.HasPrefix(got, dir+"/") {
				t.Errorf("find(%q) with a link %q to %q = %s; want a file in the folder", n, linkName, target, got)
			}
		}
	})
}

// Whatever a program says that it needs, what is found are files of the packages.
func FuzzNeeded(f *testing.F) {
	f.Add(programT{needed: []string{"libc.so.6"}}.bytes(f), programT{needed: []string{"../../../etc/passwd"}}.bytes(f))
	f.Add(programT{needed: []string{"libc.so.6"}}.bytes(f), programT{needed: []string{"libc.so.6", "p"}}.bytes(f))
	f.Fuzz(func(t *testing.T, program, library []byte) {
		files := unpackT(t, member{name: "p", content: string(program)}, member{name: libDir + "libc.so.6", content: string(library)})
		found, err := files.needed(triplet, filepath.Join(files.dir, "p"))
		for soname, file := range found {
			if rel, rerr := filepath.Rel(files.dir, file); err == nil && (rerr != nil || !filepath.IsLocal(rel)) {
				t.Errorf("%q is %s", soname, file)
			}
		}
	})
}
