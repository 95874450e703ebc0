package demo

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Every store path of the tarball is registered, with the hash and size of what the
// tarball holds of it, and with references that are there, too.
func TestReginfo(t *testing.T) {
	pkgs, members := nixPackagesT(t)
	all := readTar(t, nixTarballT(t, pkgs, members))
	const top = "nix-2.26.3-x86_64-linux/"
	there := storePaths(all)
	nix := quotedIn(t, entryOf(t, all, top+"install").content, "nix")
	seen := map[string]bool{}
	for in := strings.Split(strings.TrimSuffix(entryOf(t, all, top+".reginfo").content, "\n"), "\n"); len(in) > 0; {
		if len(in) < 5 {
			t.Fatalf("the registration ends with %q", in)
		}
		storePath, hash, size, deriver := in[0], in[1], in[2], in[3]
		n, err := strconv.Atoi(in[4])
		if err != nil || n < 0 || n > len(in)-5 || deriver != "" {
			t.Fatalf("%s: %q references, deriver %q; want their number and none", storePath, in[4], deriver)
		}
		references := in[5:][:n]
		in = in[5+n:]
		nar := narOf(all, top+"store/"+path.Base(storePath))
		if want := fmt.Sprintf("%x", sha256.Sum256(nar)); hash != want || size != strconv.Itoa(len(nar)) {
			t.Errorf("%s is registered with hash %s, size %s; want %s, %d", storePath, hash, size, want, len(nar))
		}
		var want []string
		if storePath == nix {
			want = []string{nix}
		}
		if !slices.Equal(references, want) {
			t.Errorf("%s refers to %q; want %q", storePath, references, want)
		}
		if !there[path.Base(storePath)] || path.Dir(storePath) != "/nix/store" || seen[storePath] {
			t.Errorf("%s is not in the tarball, or registered twice", storePath)
		}
		seen[storePath] = true
	}
	if len(seen) != len(there) {
		t.Errorf("%d store paths are registered; want %d", len(seen), len(there))
	}
}

// narOf serializes an entry of a tarball and what is below it as Nix does, see figure
// 5.2 of https://edolstra.github.io/pubs/phd-thesis.pdf.
func narOf(all []inTar, name string) []byte {
	var b bytes.Buffer
	str := func(words ...string) {
		for _, s := range words {
			binary.Write(&b, binary.LittleEndian, uint64(len(s)))
			b.WriteString(s + strings.Repeat("\x00", (8-len(s)%8)%8))
		}
	}
	var node func(name string)
	node = func(name string) {
		i := slices.IndexFunc(all, func(e inTar) bool { return strings.TrimSuffix(e.name, "/") == name })
		e := all[i]
		switch {
		case strings.HasSuffix(e.name, "/"):
			str("(", "type", "directory")
			for _, child := range below(all, name) {
				str("entry", "(", "name", child, "node")
				node(path.Join(name, child))
				str(")")
			}
		case e.link != "":
			str("(", "type", "symlink", "target", e.link)
		case e.executable:
			str("(", "type", "regular", "executable", "", "contents", e.content)
		default:
			str("(", "type", "regular", "contents", e.content)
		}
		str(")")
	}
	str("nix-archive-1")
	node(name)
	return b.Bytes()
}

// below returns the names in a folder, sorted by their bytes.
func below(all []inTar, dir string) []string {
	var names []string
	for _, e := range all {
		if name := strings.TrimSuffix(e.name, "/"); path.Dir(name) == dir {
			names = append(names, path.Base(name))
		}
	}
	slices.Sort(names)
	return names
}
