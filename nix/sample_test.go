package nix

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// An entry is one of a tarball.
type entry struct {
	kind    byte
	name    string
	content string // or target of a link
	mode    int64
}

func reg(name, content string) entry { return entry{tar.TypeReg, name, content, 0o644} }
func run(name, content string) entry { return entry{tar.TypeReg, name, content, 0o755} }
func link(name, to string) entry     { return entry{tar.TypeSymlink, name, to, 0o777} }
func hard(name, to string) entry     { return entry{tar.TypeLink, name, to, 0o644} }
func folder(name string) entry       { return entry{tar.TypeDir, name, "", 0o755} }
func device(name string) entry       { return entry{tar.TypeChar, name, "", 0o644} }

// archive returns a plain tar archive.
func archive(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range entries {
		h := &tar.Header{Typeflag: e.kind, Name: e.name, Mode: e.mode}
		if e.kind == tar.TypeReg {
			h.Size = int64(len(e.content))
		} else {
			h.Linkname = e.content
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if e.kind == tar.TypeReg {
			io.WriteString(w, e.content)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// compress packs data by zstd, gzip or not at all.
func compress(t testing.TB, format string, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	var w io.WriteCloser
	switch format {
	case "zstd":
		zw, err := zstd.NewWriter(&buf)
		if err != nil {
			t.Fatal(err)
		}
		w = zw
	case "gzip":
		w = gzip.NewWriter(&buf)
	default:
		return data
	}
	_, err1 := w.Write(data)
	if err := errors.Join(err1, w.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// Folders of the sample tarballs, and store paths of the first by their names there.
const (
	nixTop     = "nix-2.26.3-x86_64-linux"
	channelTop = "nixos-24.05.1.0123456789ab"
	nixName    = "11111111111111111111111111111111-nix-2.26.3"
	cacertName = "22222222222222222222222222222222-nss-cacert-3.101"
	shellName  = "33333333333333333333333333333333-busybox-1.36.1"
	fileName   = "44444444444444444444444444444444-builder.sh"
)

// nixEntries are those of a small tarball of Nix, as upstream packs it.
func nixEntries() []entry {
	store := nixTop + "/store/"
	return []entry{
		folder(nixTop + "/"),
		reg(nixTop+"/.reginfo", "the registration"),
		run(nixTop+"/install", upstreamScript),
		folder(nixTop + "/store/"),
		folder(store + nixName + "/"), folder(store + nixName + "/bin/"),
		run(store+nixName+"/bin/nix", "the program"),
		link(store+nixName+"/bin/nix-store", "nix"),
		link(store+nixName+"/share", "/nix/store/"+cacertName+"/share"),
		reg(store+cacertName+"/etc/ssl/certs/ca-bundle.crt", "certificates"),
		hard(store+cacertName+"/etc/ssl/certs/again.crt", store+cacertName+"/etc/ssl/certs/ca-bundle.crt"),
		run(store+shellName+"/bin/busybox", "the shell"),
		reg(store+fileName, "a store path that is a file"),
	}
}

// channelEntries are those of a small channel.
func channelEntries() []entry {
	return []entry{
		folder(channelTop + "/"), reg(channelTop+"/default.nix", "{ }"), reg(channelTop+"/nixos/default.nix", "{ }"),
		run(channelTop+"/maintainers/run.sh", "#!/bin/sh"), link(channelTop+"/.version", "lib/.version"),
	}
}

// without leaves entries out whose names begin with prefix.
func without(all []entry, prefix string) []entry {
	return slices.DeleteFunc(all, func(e entry) bool { return strings.HasPrefix(e.name, prefix) })
}

// newStore returns a Store in an empty folder whose steps succeed, beside a file that
// must not change.
func newStore(t *testing.T) Store {
	t.Helper()
	base := t.TempDir()
	dir, outside := filepath.Join(base, "nix"), filepath.Join(base, "outside")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(outside, []byte("safe"), 0o644)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if got, err := os.ReadFile(outside); string(got) != "safe" {
			t.Errorf("a file outside is %q, %v", got, err)
		}
		if all, err := os.ReadDir(base); len(all) != 2 {
			t.Errorf("outside there are %v, %v", all, err)
		}
		unlock(dir)
	})
	return Store{
		Dir:    dir,
		LoadDB: func(context.Context, string, io.Reader) error { return nil },
		Sync:   func(string) error { return nil },
	}
}

// unlock lets everybody remove a tree with read-only folders.
func unlock(dir string) {
	filepath.WalkDir(dir, func(name string, d fs.DirEntry, _ error) error {
		if d != nil && d.IsDir() {
			os.Chmod(name, 0o755)
		}
		return nil
	})
}

// tree describes a folder: mode, path, and content or target.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		var text []byte
		switch d.Type() {
		case 0:
			text, err = os.ReadFile(name)
		case fs.ModeSymlink:
			var to string
			to, err = os.Readlink(name)
			text = []byte(to)
		}
		fmt.Fprintf(&b, "%v %s %s\n", info.Mode(), strings.TrimPrefix(name, dir+"/"), text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// exists reports whether there is something.
func exists(elem ...string) bool {
	_, err := os.Lstat(filepath.Join(elem...))
	return err == nil
}

// A lapsing context is cancelled once it was asked for its error left times.
type lapsing struct {
	context.Context
	left *int
}

func (c lapsing) Err() error {
	if *c.left--; *c.left < 0 {
		return context.Canceled
	}
	return nil
}
