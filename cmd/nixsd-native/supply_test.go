package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"nixsd-native/internal/sbom/sbomtest"
	"nixsd-native/internal/testenv"
	"nixsd-native/nix"
	"nixsd-native/qemu"
)

// released builds the program as it is shipped, in a folder's tree. Paths are left in what
// is for another architecture: all of Go's library would have to be compiled again.
func released(t *testing.T, tree, arch string, env ...string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "nixsd-native")
	args := []string{"build", "-buildvcs=false", "-mod=readonly", "-o", path}
	if arch == runtime.GOARCH {
		args = append(args, "-trimpath")
	}
	cmd := exec.Command("go", append(args, "./cmd/nixsd-native")...)
	cmd.Dir = tree
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+arch), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// copyOfTree copies what a build reads to a folder of another name.
func copyOfTree(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "somewhere else")
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(top, path)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || rel == "out" || rel == "dist"):
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(dir, rel), 0o755)
		case !d.Type().IsRegular() || rel == "nixsd-native" || d.Name() == ".git":
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, rel), data, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// What is shipped is static, reproducible, and tells what it is made of.
func TestReleased(t *testing.T) {
	programs := map[string]string{"amd64": released(t, top, "amd64"), "arm64": released(t, top, "arm64")}
	t.Run("static", func(t *testing.T) { testStatic(t, programs) })
	t.Run("reproducible", func(t *testing.T) { testReproducible(t, programs[runtime.GOARCH]) })
	t.Run("version", func(t *testing.T) { testVersionTellsAll(t, programs[runtime.GOARCH]) })
}

// On both architectures the program needs nothing of its host: no loader and no library.
func testStatic(t *testing.T, programs map[string]string) {
	for arch, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		f, err := elf.Open(programs[arch])
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, p := range f.Progs {
			if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
				t.Errorf("%s: the program has a segment %v", arch, p.Type)
			}
		}
		if libs, err := f.ImportedLibraries(); len(libs) > 0 || f.Machine != machine {
			t.Errorf("%s: it is of %v and needs %q, %v", arch, f.Machine, libs, err)
		}
	}
}

// The same source makes the same program: in another folder and, if asked for, with other,
// empty caches, where modules come from the module proxy alone.
func testReproducible(t *testing.T, program string) {
	first, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	var env []string
	if testenv.Times(1, 2) > 1 {
		env = append(onlyProxy(t), "GOCACHE="+t.TempDir(), "GOMODCACHE="+filepath.Join(t.TempDir(), "mod"))
	}
	second, err := os.ReadFile(released(t, copyOfTree(t), runtime.GOARCH, env...))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Errorf("two builds differ: sha256 %x and %x", sha256.Sum256(first), sha256.Sum256(second))
	}
	here, err := filepath.Abs(top)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{here, goEnv(t, "GOMODCACHE"), goEnv(t, "GOCACHE")} {
		if bytes.Contains(first, []byte(path+"/")) {
			t.Errorf("the program names %s, which is of this machine", path)
		}
	}
}

// goEnv is a setting of the Go tool.
func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// onlyProxy is an environment in which modules come from proxies: no version control may
// be run, nor anything be fetched directly.
func onlyProxy(t *testing.T) []string {
	t.Helper()
	proxies := strings.FieldsFunc(goEnv(t, "GOPROXY"), func(r rune) bool { return r == ',' || r == '|' })
	proxies = slices.DeleteFunc(proxies, func(p string) bool { return p == "direct" || p == "off" })
	return []string{"GOPROXY=" + strings.Join(proxies, ","), "GOVCS=*:off", "GOPRIVATE=", "GONOSUMDB=", "GONOPROXY=", "GOFLAGS=-modcacherw"}
}

// Nothing takes a module's place, and none is kept in the tree.
func TestModules(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Path}}{{with .Replace}} replaced by {{.Path}}{{end}}", "all").Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), "replaced by") {
		t.Errorf("modules: %s", out)
	}
	if _, err := os.Stat(filepath.Join(top, "vendor")); err == nil {
		t.Error("the tree has a folder vendor")
	}
}

// version tells all pins and modules, and the bill of materials has the same modules, with
// the hashes of go.sum.
func testVersionTellsAll(t *testing.T, program string) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	goSum, err := os.ReadFile(filepath.Join(top, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	var pins struct {
		Version, Go, Arch string
		QEMU              []qemu.Pin
		Nix               []nix.Pin
		Keys              []string `json:"debian_keys"`
		Modules           []struct{ Path, Version, Sum string }
		Release           string `json:"nixos_release"`
		CacheKey          string `json:"cache_key"`
	}
	if err := json.Unmarshal(printed(t, program, "version", "--json"), &pins); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(pins.QEMU, qemu.Pins()) || !slices.Equal(pins.Nix, nix.Pins()) || len(pins.Keys) < 6 || pins.Go != info.GoVersion ||
		pins.Release != nix.DefaultRelease || pins.CacheKey != nix.CacheKey || len(pins.Modules) != len(info.Deps) || len(info.Deps) < 15 {
		t.Errorf("version --json: %+v", pins)
	}
	bill := printed(t, program, "version", "--sbom")
	if err := sbomtest.Check(t, bill); err != nil {
		t.Error(err)
	}
	bom := new(cdx.BOM)
	if err := json.Unmarshal(bill, bom); err != nil {
		t.Fatal(err)
	}
	notices := string(printed(t, program, "version", "--licenses"))
	parts := map[string]cdx.Component{}
	for _, c := range *bom.Components {
		parts[c.Name] = c
	}
	for _, m := range info.Deps {
		if c := parts[m.Path]; c.Version != m.Version || c.Hashes == nil || c.Licenses == nil || !strings.Contains(notices, "==== "+m.Path+" "+m.Version+" ") {
			t.Errorf("%s %s: the bill of materials has %+v", m.Path, m.Version, c)
		}
		if !strings.Contains(string(goSum), m.Path+" "+m.Version+" "+m.Sum+"\n") {
			t.Errorf("go.sum has no %s %s %s", m.Path, m.Version, m.Sum)
		}
	}
	if len(parts) != len(info.Deps)+1 || parts["std"].Version != strings.TrimPrefix(info.GoVersion, "go") {
		t.Errorf("the bill of materials has %d components; want %d and Go's own library", len(parts), len(info.Deps))
	}
}

func printed(t *testing.T, program string, args ...string) []byte {
	t.Helper()
	out, err := exec.Command(program, args...).Output()
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	return out
}
