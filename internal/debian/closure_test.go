package debian

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func names(packages []Package) string {
	var s []string
	for _, p := range packages {
		s = append(s, p.Name)
	}
	return strings.Join(s, " ")
}

// TestClosureApt compares with what apt would install, see testdata/README.md.
func TestClosureApt(t *testing.T) {
	ix, err := ParseIndex(bytes.NewReader(readFileT(t, "trixie/Packages.gz")))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/trixie/closure-*.txt")
	if err != nil || len(files) < 5 {
		t.Fatalf("golden files %q, %v", files, err)
	}
	for _, file := range files {
		root := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "closure-"), ".txt")
		got, err := ix.Closure([]string{root}, ClosureOptions{})
		want := strings.Join(strings.Fields(string(readFileT(t, "trixie/"+filepath.Base(file)))), " ")
		if err != nil || names(got) != want {
			t.Errorf("Closure(%s) = %s, %v; want %s", root, names(got), err, want)
		}
	}
}

// archiveT makes an index of packages given as "name version: depends", with
// " ; Provides: ..." and the like behind it.
func archiveT(t *testing.T, lines string) *Index {
	t.Helper()
	var text strings.Builder
	for line := range strings.Lines(lines) {
		head, rest, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			head = strings.TrimSuffix(head, ":")
		}
		if head == "" {
			continue
		}
		name, version, _ := strings.Cut(head, " ")
		depends, more, _ := strings.Cut(rest, ";")
		fields := []string{"Package: " + name, "Version: " + version, "Depends: " + strings.TrimSpace(depends)}
		for f := range strings.SplitSeq(more, ";") {
			if f = strings.TrimSpace(f); f != "" {
				fields = append(fields, f)
			}
		}
		text.WriteString(stanzaT(fields...))
	}
	return indexT(t, text.String())
}

const smallArchive = `
	app 1: libc (>= 2), shell | shell-old, tool:any; Pre-Depends: base
	base 1:
	libc 2.41-1: libgcc; Provides: libc-virtual (= 2.41), libc-abi
	libgcc 14: libc
	shell 5: libc
	shell-old 4: libc
	tool 1~rc1:
	picky 1: shell-old, shell | shell-old
	late 1: shell | shell-old, needs-old
	needs-old 1: shell-old
	mta-a 1: ; Provides: mta
	mta-b 1: ; Provides: mta; Priority: standard
	mail 1: mta
	mail-b 1: default-mta | mta, mta-a
	virtual-version 1: libc-virtual (>= 2.40)
	virtual-later 1: no-such | libc-virtual (<< 2.40) | base
	native 1: tool:native, tool:amd64
	islands 1: island-a
	island-a 1: island-b
	island-b 1: island-c, island-a
	island-c 1: islands
	epoch 1: libc (<< 1:0)
	shadowed 1: mta-real
	mta-real 1:
	stand-in 1: ; Provides: mta-real (= 3)
	wants-new 1: mta-real (>= 2)
`

func TestClosure(t *testing.T) {
	ix := archiveT(t, smallArchive)
	tests := []struct {
		roots, skip, want string
	}{
		{"", "", ""},
		{"base", "", "base"},
		{"base base", "", "base"},
		{"app", "", "app base libc libgcc shell tool"},
		{"app shell-old", "", "app base libc libgcc shell-old tool"},
		{"picky", "", "libc libgcc picky shell-old"},
		{"late", "", "late libc libgcc needs-old shell-old"},
		{"mail", "", "mail mta-b"},
		{"mail mta-a", "", "mail mta-a"},
		{"mail mail-b", "", "mail mail-b mta-a"},
		{"mta", "", "mta-b"},
		{"libc-abi", "", "libc libgcc"},
		{"virtual-version", "", "libc libgcc virtual-version"},
		{"virtual-later", "", "base virtual-later"},
		{"native", "", "native tool"},
		{"islands", "", "island-a island-b island-c islands"},
		{"epoch", "", "epoch libc libgcc"},
		{"shadowed", "", "mta-real shadowed"},
		{"shadowed stand-in", "", "shadowed stand-in"},
		{"wants-new", "", "stand-in wants-new"},

		{"app", "libc", "app base shell tool"},
		{"app", "libc shell base tool", "app"},
		{"app", "shell", "app base libc libgcc tool"},
		{"app", "shell-old", "app base libc libgcc shell tool"},
		{"app libgcc", "libc", "app base libgcc shell tool"},
		{"islands", "island-b", "island-a islands"},
		{"mail", "mta", "mail"},
		{"mail", "mta-b", "mail"},
		{"virtual-version", "libc", "virtual-version"},
		{"virtual-later", "no-such", "virtual-later"},
		{"app", "app", ""},
		{"app no-such", "no-such", "app base libc libgcc shell tool"},
	}
	for _, test := range tests {
		roots, skip := strings.Fields(test.roots), strings.Fields(test.skip)
		opt := ClosureOptions{Skip: func(name string) bool { return slices.Contains(skip, name) }}
		for range 2 { // in both orders of the roots
			got, err := ix.Closure(roots, opt)
			if err != nil || names(got) != test.want {
				t.Errorf("Closure(%q, skip %q) = %q, %v; want %q", roots, skip, names(got), err, test.want)
			}
			slices.Reverse(roots)
		}
	}
}

func TestClosureUnsatisfiable(t *testing.T) {
	ix := archiveT(t, `
		top 1: middle
		middle 1: bottom (>= 2) | other:arm64
		bottom 1.5:
		other 1:
		provided 1: ; Provides: virtual, exact (= 1)
		unversioned 1: virtual (>= 1)
		wrong-version 1: exact (>> 1)
		missing 1: no-such (= 1)
		malformed 1: a b
		deep 1: malformed
		bad-provides 1: ; Provides: wanted, !
		wants 1: wanted
	`)
	tests := []struct {
		root, want string
	}{
		{"no-such", "package no-such: the index has no such package"},
		{"missing", "missing needs no-such (= 1): the index has no such package"},
		{"top", "top → middle needs bottom (>= 2) | other:arm64: the index has only bottom 1.5 (amd64), other 1 (amd64)"},
		{"unversioned", "unversioned needs virtual (>= 1): the index has only virtual, provided by provided"},
		{"wrong-version", "wrong-version needs exact (>> 1): the index has only exact (= 1), provided by provided"},
		{"wants", "wants needs wanted: the index has no such package"},
	}
	for _, test := range tests {
		got, err := ix.Closure([]string{test.root}, ClosureOptions{})
		var unmet *DependencyError
		if got != nil || !errors.As(err, &unmet) || err.Error() != test.want {
			t.Errorf("Closure(%s) = %s, %v; want the error %s", test.root, names(got), err, test.want)
		}
	}
	var malformed *FormatError
	if _, err := ix.Closure([]string{"deep"}, ClosureOptions{}); !errors.As(err, &malformed) || !strings.Contains(err.Error(), "package malformed") {
		t.Errorf("Closure(deep) = %v; want a *FormatError that names the package", err)
	}
}
