package licenses

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write third-party.txt anew")

// program is what is shipped.
const program = "nixsd-native/cmd/nixsd-native"

// A module is one that is compiled in, with the folders of its packages that are.
type module struct {
	path, version, dir string
	folders            []string
}

// compiledIn lists the modules of the program for both architectures.
func compiledIn(t *testing.T) []*module {
	t.Helper()
	found := map[string]*module{}
	for _, arch := range []string{"amd64", "arm64"} {
		cmd := exec.Command("go", "list", "-deps", "-json=Dir,Module", program)
		cmd.Env = append(os.Environ(), "GOARCH="+arch, "CGO_ENABLED=0")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
			var p struct {
				Dir    string
				Module *struct {
					Path, Version, Dir string
					Main               bool
				}
			}
			if err := d.Decode(&p); err != nil {
				t.Fatal(err)
			}
			if p.Module == nil || p.Module.Main {
				continue
			}
			m := found[p.Module.Path]
			if m == nil {
				m = &module{path: p.Module.Path, version: p.Module.Version, dir: p.Module.Dir}
				found[m.path] = m
			}
			m.folders = append(m.folders, p.Dir)
		}
	}
	var all []*module
	for _, m := range found {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b *module) int { return strings.Compare(a.path, b.path) })
	return all
}

// notice is what files with licences, and what belongs to these, are called.
var notice = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents|authors)(\.(txt|md))?$`)

// notices lists such files in the folders of the packages and above, up to the module's.
func (m *module) notices(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, dir := range m.folders {
		for ; strings.HasPrefix(dir, m.dir); dir = filepath.Dir(dir) {
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if !e.IsDir() && notice.MatchString(e.Name()) {
					all = append(all, filepath.Join(dir, e.Name()))
				}
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// known are licences by words of theirs, the first that fits of a family.
var known = [][]struct{ id, words string }{
	{{"Apache-2.0", "Apache License Version 2.0"}},
	{{"BSD-3-Clause", "endorse or promote products"}, {"BSD-2-Clause", "Redistributions in binary form must"}},
	{{"MIT", "Permission is hereby granted, free of charge"}},
	{{"0BSD", "Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted."}},
	{{"MPL-2.0", "Mozilla Public License Version 2.0"}},
}

// identify returns the SPDX identifiers of the licences in a text.
func identify(text []byte) []string {
	words := strings.Join(strings.Fields(string(text)), " ")
	var ids []string
	for _, family := range known {
		for _, k := range family {
			if strings.Contains(words, k.words) {
				ids = append(ids, k.id)
				break
			}
		}
	}
	return ids
}

// section is what third-party.txt says of a module.
func section(t *testing.T, path, version, dir string, files []string) string {
	t.Helper()
	var ids []string
	var text strings.Builder
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, identify(data)...)
		name, _ := filepath.Rel(dir, file)
		fmt.Fprintf(&text, "---- %s\n\n%s\n\n", name, strings.TrimSpace(strings.ReplaceAll(string(data), "\r\n", "\n")))
	}
	if len(ids) == 0 {
		t.Errorf("%s has no licence that is known here, in %q", path, files)
	}
	slices.Sort(ids)
	return fmt.Sprintf("==== %s %s (%s)\n\n%s", path, version, strings.Join(slices.Compact(ids), ", "), text.String())
}

// The notices are those of exactly what is compiled in.
func TestNoticesAreComplete(t *testing.T) {
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	root := strings.TrimSpace(string(goroot))
	var want strings.Builder
	want.WriteString("nixsd-native contains the following software, under these licences.\n\n")
	want.WriteString(section(t, "std", "Go", root, []string{filepath.Join(root, "LICENSE"), filepath.Join(root, "PATENTS")}))
	for _, m := range compiledIn(t) {
		want.WriteString(section(t, m.path, m.version, m.dir, m.notices(t)))
	}
	if *update {
		if err := os.WriteFile("third-party.txt", []byte(want.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if Text() != want.String() {
		t.Errorf("third-party.txt is of other modules (%s has changed?); make it anew: go test ./internal/licenses -update", runtime.Version())
	}
}

func TestByModule(t *testing.T) {
	all := ByModule()
	if got := all["std"]; !slices.Equal(got, []string{"BSD-3-Clause"}) {
		t.Errorf("Go's own licence is %q; want BSD-3-Clause", got)
	}
	for _, m := range compiledIn(t) {
		if len(all[m.path]) == 0 {
			t.Errorf("no licence of %s", m.path)
		}
	}
}
