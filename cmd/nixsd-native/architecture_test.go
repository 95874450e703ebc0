package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// module is this module's path; top is its folder.
const (
	module = "nixsd-native"
	top    = "../.."
)

// A goPackage is what go list tells of a package.
type goPackage struct {
	ImportPath, Name, Dir string
	GoFiles               []string
	Imports               []string
}

// packages lists those of this module, without tests.
func packages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Name,Dir,GoFiles,Imports", module+"/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []goPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// group is a package's place in the tree: "binfmt", "internal", "cmd", "" for the root.
func group(importPath string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(importPath, module), "/"), "/")
	return first
}

// mayImport says, by group, which groups of this module a package may import. Programs
// of the tree, the benchmark among them, wire all of them together.
var mayImport = map[string][]string{
	"":         nil,
	"binfmt":   {"internal"},
	"qemu":     {"internal"},
	"nix":      {"internal"},
	"sandbox":  {"internal"},
	"internal": nil,
}

// forAll are packages that even internal ones may import.
var forAll = []string{module + "/internal/durable", module + "/internal/shell"}

// The domains know nothing of one another, and what is internal knows nothing of them.
func TestImports(t *testing.T) {
	all := packages(t)
	if len(all) < 15 {
		t.Fatalf("go list found %d packages; want all", len(all))
	}
	for _, p := range all {
		if p.Name == "main" {
			continue
		}
		allowed, known := mayImport[group(p.ImportPath)]
		if !known {
			t.Errorf("%s lies in a folder that DESIGN does not have", p.ImportPath)
		}
		for _, i := range p.Imports {
			if !slices.Contains(forAll, i) && (i == module || strings.HasPrefix(i, module+"/")) && !slices.Contains(allowed, group(i)) {
				t.Errorf("%s imports %s", p.ImportPath, i)
			}
		}
	}
}

// onlyIn says who alone may import a package: a pattern of the importing file's path.
var onlyIn = map[string]*regexp.Regexp{
	"github.com/spf13/pflag":          regexp.MustCompile(`^cmd/nixsd-native/`),
	"github.com/cheggaaa/pb/v3":       regexp.MustCompile(`^cmd/nixsd-native/`),
	"golang.org/x/sys/unix":           regexp.MustCompile(`_linux(_[a-z0-9]+)?\.go$`),
	"net/http":                        regexp.MustCompile(`^internal/(fetch|upstream)/`),
	"github.com/ulikunitz/xz":         regexp.MustCompile(`^(qemu|internal/(deb|decompress|upstream))/`),
	"github.com/blakesmith/ar":        regexp.MustCompile(`^internal/deb/`),
	"github.com/ProtonMail/":          regexp.MustCompile(`^internal/debian/`),
	"golang.org/x/crypto/ssh":         regexp.MustCompile(`^(cmd/nixsd-native|internal/(sshclient|inspect))/`),
	"github.com/diskfs/go-diskfs":     regexp.MustCompile(`^internal/inspect/`),
	"golang.org/x/term":               regexp.MustCompile(`^cmd/nixsd-native/`),
	"github.com/CycloneDX/":           regexp.MustCompile(`^internal/sbom/`),
	"github.com/santhosh-tekuri/":     regexp.MustCompile(`^internal/sbom/sbomtest/`),
	"github.com/hanwen/go-fuse":       regexp.MustCompile(`^internal/cardtest/`),
	"github.com/nix-community/go-nix": regexp.MustCompile(`^(nix|internal/demo)/`),
}

// processState is what only a main may look at or change.
var processState = regexp.MustCompile(`\bos\.(Args|Exit|Getenv|LookupEnv|Environ|Setenv)\b`)

// Flags, bars, the process's state, system calls and HTTP each have one home.
func TestHomes(t *testing.T) {
	for _, p := range packages(t) {
		for _, file := range p.GoFiles {
			data, err := os.ReadFile(filepath.Join(p.Dir, file))
			if err != nil {
				t.Fatal(err)
			}
			name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/") + "/" + file
			for imported, home := range onlyIn {
				if bytes.Contains(data, []byte(`"`+imported)) && !home.MatchString(name) {
					t.Errorf("%s imports %s", name, imported)
				}
			}
			if found := processState.Find(data); found != nil && p.Name != "main" && p.ImportPath != module+"/internal/testenv" {
				t.Errorf("%s has %s", name, found)
			}
		}
	}
}

// Bounds of what a reader can take in at once, in lines.
const maxFileLines = 300

// Files stay short, so that each is about one thing.
func TestFileLengths(t *testing.T) {
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		lines := 0
		for scan := bufio.NewScanner(f); scan.Scan(); {
			lines++
		}
		if lines > maxFileLines {
			t.Errorf("%s has %d lines; want at most %d", path, lines, maxFileLines)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The tree has the folders that DESIGN names, and no others.
func TestFolders(t *testing.T) {
	entries, err := os.ReadDir(top)
	if err != nil {
		t.Fatal(err)
	}
	known := []string{"binfmt", "cmd", "internal", "nix", "qemu", "sandbox", "README.md", "LICENSE", "share", "embed.go", "go.mod", "go.sum", "sd-card.nix"}
	for _, e := range entries {
		built := slices.Contains([]string{"nixsd-native", "out", "dist"}, e.Name()) // by the README's commands and .ci/release
		if !built && !strings.HasPrefix(e.Name(), ".") && !slices.Contains(known, e.Name()) {
			t.Errorf("the tree has %s at its top", e.Name())
		}
	}
}
