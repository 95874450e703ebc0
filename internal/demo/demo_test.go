package demo

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"
)

// A member is an entry of a package: a file, or a link if it has a target.
type member struct {
	name, content, link string
	size                int64 // claimed, if not 0
	kind                byte  // another type
}

// walkOf fakes the unpacking of packages, by name.
func walkOf(packages map[string][]member) Walk {
	return func(p Package, visit func(*tar.Header, io.Reader) error) error {
		members, ok := packages[p.Name]
		if !ok {
			return fs.ErrNotExist
		}
		for _, m := range members {
			h := &tar.Header{Typeflag: tar.TypeReg, Name: m.name, Size: int64(len(m.content)), Mode: 0o644}
			switch {
			case m.kind != 0:
				h.Typeflag = m.kind
			case m.link != "":
				h.Typeflag, h.Linkname = tar.TypeSymlink, m.link
			case strings.HasSuffix(m.name, "/"):
				h.Typeflag = tar.TypeDir
			}
			if m.size != 0 {
				h.Size = m.size
			}
			if err := visit(h, strings.NewReader(m.content)); err != nil {
				return err
			}
		}
		return nil
	}
}

// An inTar is an entry of a tarball that was made.
type inTar struct {
	name, content, link string
	executable          bool
	kind                byte
}

// readTar returns the entries of a tarball, all of which must be owned by root and of
// the first second.
func readTar(t testing.TB, data []byte) []inTar {
	t.Helper()
	var all []inTar
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Gname != "" || h.ModTime.Unix() != 1 {
			t.Errorf("%s is owned by %d:%d (%q, %q), of %v; want 0:0 without names, of second 1", h.Name, h.Uid, h.Gid, h.Uname, h.Gname, h.ModTime)
		}
		all = append(all, inTar{h.Name, string(content), h.Linkname, h.Mode&0o111 != 0 && h.Typeflag == tar.TypeReg, h.Typeflag})
	}
}

// lines show entries as one looks at them: a folder with its slash, a program with a
// star, a link with its target.
func lines(all []inTar) []string {
	var out []string
	for _, e := range all {
		line := e.name
		if e.executable {
			line += "*"
		}
		if e.link != "" {
			line += " -> " + e.link
		}
		out = append(out, line)
	}
	return out
}

// entryOf returns the one entry with a name.
func entryOf(t testing.TB, all []inTar, name string) inTar {
	t.Helper()
	i := slices.IndexFunc(all, func(e inTar) bool { return e.name == name })
	if i < 0 {
		t.Fatalf("the tarball has no %s, but %q", name, lines(all))
	}
	return all[i]
}

// errWriter fails after some bytes, as a full disk does.
type errWriter struct{ left int }

var errFull = errors.New("full")

func (w *errWriter) Write(p []byte) (int, error) {
	if len(p) > w.left {
		return 0, errFull
	}
	w.left -= len(p)
	return len(p), nil
}

func TestSkip(t *testing.T) {
	roots := []string{"openssh-server", "tar", "libpam-runtime", "perl-base"}
	for _, tt := range []struct {
		name string
		want bool
	}{
		{"openssh-server", false},
		{"libpam-runtime", false}, // asked for by name
		{"perl-base", false},
		{"libc6", false},
		{"libarchive13t64", false},
		{"libpam0g", false},
		{"zlib1g", false},
		{"linux-image-6.12.43+deb13-arm64", false},
		{"linux-base", true},
		{"dpkg", true},
		{"debconf", true},
		{"systemd", true},
		{"libpam-modules", true},
		{"libperl5.40", true},
		{"liblocale-gettext-perl", true},
		{"libkmod-common", true},
		{"", true},
	} {
		if got := Skip(roots)(tt.name); got != tt.want {
			t.Errorf("Skip(%q)(%q) = %v; want %v", roots, tt.name, got, tt.want)
		}
	}
}

// Every group names packages once, and Nix and the channel find in them what they
// take out of packages by name.
func TestGroups(t *testing.T) {
	for what, groups := range map[string]map[string][]string{"host": HostGroups(), "board": BoardGroups()} {
		for name, roots := range groups {
			if sorted := slices.Compact(slices.Sorted(slices.Values(roots))); len(roots) == 0 || len(sorted) != len(roots) {
				t.Errorf("%s group %s = %q; want some, each once", what, name, roots)
			}
		}
		if !slices.Contains(groups["tools"], "busybox-static") {
			t.Errorf("%s tools = %q; want busybox-static, which the channel starts from", what, groups["tools"])
		}
	}
	for _, name := range []string{"nix-bin", "ca-certificates", "busybox-static"} {
		if !slices.Contains(HostGroups()["nix"], name) {
			t.Errorf("host group nix = %q; want %s", HostGroups()["nix"], name)
		}
	}
	i := slices.IndexFunc(Hosts, func(h Host) bool { return h.Arch == Board })
	if i < 0 || Hosts[i].System != "aarch64-linux" {
		t.Errorf("Hosts has no %s of aarch64-linux", Board)
	}
}

// pkg is a package whose hash follows from its name and version.
func pkg(name, version string) Package {
	return Package{
		Name: name, Version: version, Arch: "amd64", SHA256: fmt.Sprintf("%064x", name+version)[:64],
		File: "/nowhere/" + name, URL: "file:///inputs/" + path.Base(name) + ".deb",
	}
}
