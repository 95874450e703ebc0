package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nix-community/go-nix/pkg/nar"

	"nixsd-native/nix"
)

// otherSystem is a host architecture that is not this one's.
func otherSystem() (system string, machine elf.Machine) {
	if nativeArch() == "x86_64-linux" {
		return "aarch64-linux", elf.EM_AARCH64
	}
	return "x86_64-linux", elf.EM_X86_64
}

// The demo's inputs for a machine of another architecture can be fetched here, again the
// same, and are what that machine installs.
func TestFetchOtherSystem(t *testing.T) {
	check := mustStay(t)
	from := userInputs(t)
	u := user()
	p := u.places("other-system")
	u.folder(t, filepath.Base(p.cache))
	for _, name := range listing(t, from.cache) {
		if strings.HasSuffix(name, ".deb") {
			copyTree(t, filepath.Join(from.cache, name), filepath.Join(p.cache, name), u.uid)
		}
	}
	system, machine := otherSystem()
	args := p.with("fetch", "--demo", "--json", "--emulation", "none", "--system", system)
	l := must(t, job{as: u, args: args}).inputs(t)
	kinds := map[string]string{}
	for _, in := range l.Inputs {
		kinds[in.Kind] = in.State
		if in.Kind == "nix" && in.Name != "nix-demo-"+system+".tar.zst" {
			t.Errorf("the Nix is %s; want that of %s", in.Name, system)
		}
	}
	if l.System != system || kinds["nix"] != "made here" || kinds["nixpkgs"] != "made here" || !strings.HasSuffix(kinds["packages"], "downloaded") || kinds["qemu"] != "" {
		t.Errorf("fetch --system %s = %+v", system, l)
	}
	tarball := filepath.Join(p.cache, l.Inputs[0].SHA256+"-"+l.Inputs[0].Name)
	installs(t, tarball, machine)
	if err := os.Remove(tarball); err != nil {
		t.Fatal(err)
	}
	if r := run(t, job{as: u, isolated: true, args: append(args, "--check")}); r.status != exitNetwork || r.inputs(t).states() != "missing, ok, ok" {
		t.Errorf("without %s, --check = %d, %s", tarball, r.status, r.out)
	}
	again := must(t, job{as: u, isolated: true, args: append(args, "--offline")}).inputs(t)
	if got := again.states(); got != "made here, made here, in cache" || again.Inputs[0].SHA256 != l.Inputs[0].SHA256 {
		t.Errorf("made again: %+v; want the same as before", again)
	}
	if r := run(t, job{as: u, isolated: true, args: append(args, "--check")}); r.status != 0 || r.inputs(t).states() != "ok, ok, ok" {
		t.Errorf("--check = %d, %s\n%s", r.status, r.out, r.errs)
	}
	check(t)
}

// installs unpacks a Nix tarball as a build does, and looks at every store path that it
// registers and at Nix's own program.
func installs(t *testing.T, tarball string, machine elf.Machine) {
	t.Helper()
	plain := filepath.Join(lab(), "other-nix.tar")
	defer os.Remove(plain)
	unzstd(t, tarball, plain)
	f, err := os.Open(plain)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(lab(), "other-nix-*")
	if err != nil {
		t.Fatal(err)
	}
	var program string
	var registered bytes.Buffer
	store := nix.Store{
		Dir: dir, Sync: func(string) error { return nil },
		LoadDB: func(_ context.Context, nixStore string, reginfo io.Reader) error {
			program = nixStore
			_, err := io.Copy(&registered, reginfo)
			return err
		},
	}
	if err := store.Install(t.Context(), f, info.Size(), strings.Repeat("0", 64)); err != nil {
		t.Fatal(err)
	}
	inStore := func(path string) string { return filepath.Join(dir, strings.TrimPrefix(path, "/nix/")) }
	var paths []string
	for lines := strings.Split(strings.TrimSuffix(registered.String(), "\n"), "\n"); len(lines) > 4; {
		paths = append(paths, lines[0])
		hash := sha256.New()
		size := &counter{}
		if err := nar.DumpPath(io.MultiWriter(hash, size), inStore(lines[0])); err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(hash.Sum(nil)); got != lines[1] || fmt.Sprint(size.n) != lines[2] {
			t.Errorf("%s has NAR hash %s and %d bytes; .reginfo says %s, %s", lines[0], got, size.n, lines[1], lines[2])
		}
		references := 0
		fmt.Sscan(lines[4], &references)
		lines = lines[5+references:]
	}
	if len(paths) != 3 {
		t.Errorf(".reginfo has %q; want Nix, certificates and a shell", paths)
	}
	runsOn(t, filepath.Join(filepath.Dir(inStore(program)), "nix"), machine, paths, inStore)
}

// runsOn checks that a program is a machine's, and that its loader and libraries are
// beside it in a store path.
func runsOn(t *testing.T, program string, machine elf.Machine, paths []string, inStore func(string) string) {
	t.Helper()
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	interp := make([]byte, 0, 256)
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			interp, err = io.ReadAll(p.Open())
		}
	}
	loader := strings.TrimRight(string(interp), "\x00")
	if err != nil || f.Machine != machine || !slices.ContainsFunc(paths, func(p string) bool { return strings.HasPrefix(loader, p+"/") }) {
		t.Fatalf("%s is for %v with loader %s, %v; want %v", program, f.Machine, loader, err, machine)
	}
	needed, err := f.ImportedLibraries()
	if err != nil || len(needed) < 5 {
		t.Errorf("%s needs %q, %v", program, needed, err)
	}
	for _, name := range append(needed, filepath.Base(loader)) {
		library, err := elf.Open(filepath.Join(filepath.Dir(inStore(loader)), name))
		if err != nil {
			t.Errorf("%s needs %s: %v", program, name, err)
			continue
		}
		if library.Machine != machine {
			t.Errorf("%s is for %v; want %v", name, library.Machine, machine)
		}
		library.Close()
	}
}

// A counter counts bytes.
type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) { c.n += int64(len(p)); return len(p), nil }
