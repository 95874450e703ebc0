package demo

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nixsd-native/internal/testenv"
)

// A relocated program has the loader and the search path that were asked for, and is
// otherwise what it was.
func TestRelocate(t *testing.T) {
	needed := []string{"libnix.so.2", "libc.so.6"}
	for _, interp := range []string{"/l", "/lib64/ld-linux-x86-64.so.2", "/nix/store/" + strings.Repeat("0", 32) + "-nix-2.26.3/lib/ld-linux-aarch64.so.1"} {
		for _, p := range []programT{
			{interp: "/lib64/ld-linux-x86-64.so.2", needed: needed},
			{interp: "/lib64/ld-linux-x86-64.so.2", needed: needed, buildID: 15, nulls: 2},
		} {
			in := p.bytes(t)
			kept := bytes.Clone(in)
			out, err := relocate(in, interp)
			if err != nil || !bytes.Equal(in, kept) {
				t.Errorf("relocate(%+v, %q) = %v; want success, and the argument unchanged", p, interp, err)
				continue
			}
			before, after := openELF(t, in), openELF(t, out)
			if got := interpreter(t, after); got != interp+"\x00" {
				t.Errorf("relocate(%+v, %q) has interpreter %q", p, interp, got)
			}
			if got := textOf(t, after, elf.DT_RPATH); got != "$ORIGIN/../lib" {
				t.Errorf("relocate(%+v, %q) has DT_RPATH %q", p, interp, got)
			}
			if libs, err := after.ImportedLibraries(); err != nil || !slices.Equal(libs, needed) {
				t.Errorf("relocate(%+v, %q) needs %q, %v; want %q", p, interp, libs, err, needed)
			}
			if got, want := differing(before, in, out), []string{".dynamic", ".note.gnu.build-id"}; !slices.Equal(got, want) || len(out) != len(in)+len(interp)+1 {
				t.Errorf("relocate(%+v, %q) changed sections %q, %d bytes to %d; want %q and a longer end", p, interp, got, len(in), len(out), want)
			}
			if last := after.Section(".dynamic"); !bytes.Equal(out[last.Offset+last.Size-16:][:16], make([]byte, 16)) {
				t.Errorf("relocate(%+v, %q) ends the dynamic section without DT_NULL", p, interp)
			}
		}
	}
}

// differing names the sections whose bytes differ.
func differing(f *elf.File, a, b []byte) []string {
	var names []string
	for _, s := range f.Sections {
		if !bytes.Equal(a[s.Offset:][:s.Size], b[s.Offset:][:s.Size]) {
			names = append(names, s.Name)
		}
	}
	return names
}

func TestRelocateErrors(t *testing.T) {
	const loader = "/lib64/ld-linux-x86-64.so.2"
	small := make([]byte, 52) // an ELF header of 32 bits
	copy(small, "\x7fELF\x01\x01\x01")
	binary.LittleEndian.PutUint16(small[16:], uint16(elf.ET_EXEC))
	binary.LittleEndian.PutUint32(small[20:], uint32(elf.EV_CURRENT))
	for name, tt := range map[string]struct {
		in   []byte
		want string
	}{
		"empty":            {nil, "EOF"},
		"script":           {[]byte("#!/bin/sh\nexit 0\n"), "bad magic number"},
		"32 bits":          {small, "not a 64-bit little-endian program"},
		"library":          {programT{needed: []string{"libc.so.6"}}.bytes(t), "no interpreter: statically linked"},
		"headers far away": {programT{interp: loader, gap: 56 * 8}.bytes(t), "program headers are not behind the ELF header"},
		"no build id":      {programT{interp: loader, buildID: -1}.bytes(t), "sections of a dynamic program are missing"},
		"short build id":   {programT{interp: loader, buildID: 14}.bytes(t), "build id of 30 bytes"},
		"no spare entry":   {programT{interp: loader, needed: []string{"libc.so.6"}, nulls: 1}.bytes(t), "no spare entry"},
	} {
		if _, err := relocate(tt.in, "/x"); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("relocate(%s) = %v; want …%s…", name, err, tt.want)
		}
	}
}

// A real program, relocated, starts by the copied loader and uses the copied
// libraries alone: cat shows what it has in memory.
func TestRelocateRuns(t *testing.T) {
	program, err := filepath.EvalSymlinks(testenv.NeedProgram(t, "cat"))
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	f := openELF(t, data)
	i := slices.IndexFunc(Hosts, func(h Host) bool { return elfMachines[h.Arch] == f.Machine })
	if i < 0 || interpreter(t, f) == "" {
		testenv.Need(t, "dynamic cat", os.ErrNotExist)
	}
	libraries, err := (&tree{dir: "/"}).needed(Hosts[i].Triplet, program)
	testenv.Need(t, "libraries as in Debian", err)
	dir := t.TempDir()
	loader := filepath.Join(dir, "lib", Hosts[i].Loader)
	for soname, file := range libraries {
		if err := copyFile(file, filepath.Join(dir, "lib", soname), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := copyFile(strings.TrimRight(interpreter(t, f), "\x00"), loader, 0o755); err != nil {
		t.Fatal(err)
	}
	if data, err = relocate(data, loader); err != nil {
		t.Fatal(err)
	}
	moved := filepath.Join(dir, "bin", "cat")
	if err := writeFile(moved, data, 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(moved, "/proc/self/maps").CombinedOutput()
	if err != nil || !strings.Contains(string(out), loader) {
		t.Errorf("relocated cat = %v; want %s in memory\n%s", err, loader, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, ".so") && !strings.Contains(line, dir) {
			t.Errorf("relocated cat uses %s", line)
		}
	}
}

var elfMachines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
