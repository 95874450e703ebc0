package upstream

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// A tree calls its visitor for everything in a folder, parents first. Names are relative to
// the folder, clean and without a slash at the end; "." is the folder itself.
type tree func(visitor) error

// A visitor takes an entry of a tree. It does not keep or change the header.
type visitor func(h *tar.Header, content io.Reader) error

func (v visitor) dir(name string) error {
	return v(&tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755}, nil)
}

func (v visitor) file(name, content string) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content))}
	return v(h, strings.NewReader(content))
}

func (v visitor) link(name, to string) error {
	return v(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to, Mode: 0o777}, nil)
}

// tarTree is the one folder in a tarball compressed by zstd.
func tarTree(name string) tree {
	return func(visit visitor) error {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		z, err := zstd.NewReader(f)
		if err != nil {
			return err
		}
		defer z.Close()
		for tr := tar.NewReader(z); ; {
			h, err := tr.Next()
			if errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return fmt.Errorf("%s: %v", name, err)
			}
			h.Name = below(h.Name)
			if h.Typeflag == tar.TypeLink {
				h.Linkname = below(h.Linkname)
			}
			if err := visit(h, tr); err != nil {
				return err
			}
		}
	}
}

// below takes the first folder off a path.
func below(name string) string {
	_, rest, _ := strings.Cut(path.Clean(name), "/")
	return path.Clean(rest)
}

// dirTree is a folder on this machine without its .git.
func dirTree(dir string) tree {
	return func(visit visitor) error {
		return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.Name() == ".git" && name != dir {
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			rel, err := filepath.Rel(dir, name)
			if err != nil {
				return err
			}
			return visitFile(name, filepath.ToSlash(rel), d, visit)
		})
	}
}

func visitFile(name, rel string, d fs.DirEntry, visit visitor) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	h := &tar.Header{Name: rel, Mode: int64(info.Mode().Perm())}
	switch d.Type() {
	case fs.ModeDir:
		h.Typeflag = tar.TypeDir
		return visit(h, nil)
	case fs.ModeSymlink:
		h.Typeflag = tar.TypeSymlink
		if h.Linkname, err = os.Readlink(name); err != nil {
			return err
		}
		return visit(h, nil)
	case 0:
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		h.Typeflag, h.Size = tar.TypeReg, info.Size()
		return visit(h, f)
	}
	return fmt.Errorf("%s is no file, folder or link", name)
}

// A packer writes a tree as the folder top of a tarball.
type packer struct {
	*tar.Writer
	top   string
	style func(h *tar.Header) // gives an entry its owner, time and mode
}

func (p packer) add(h *tar.Header, content io.Reader) error {
	out := *h
	p.style(&out)
	out.Name = path.Join(p.top, h.Name)
	switch h.Typeflag {
	case tar.TypeDir:
		out.Name += "/"
	case tar.TypeLink:
		out.Linkname = path.Join(p.top, h.Linkname)
	}
	if err := p.WriteHeader(&out); err != nil {
		return err
	}
	if h.Size == 0 {
		return nil
	}
	_, err := io.Copy(p, content)
	return err
}

// writeNix writes upstream's binary tarball of Nix.
func writeNix(w io.Writer, c Content) error {
	asItIs := func(*tar.Header) {}
	p := packer{tar.NewWriter(w), "nix-" + c.NixVersion + "-" + c.NixSystem, asItIs}
	if err := tarTree(c.NixTar)(p.add); err != nil {
		return err
	}
	return p.Close()
}

// channelTime is the time of every file in a channel: 1980-01-01, the first that zip
// knows.
var channelTime = time.Unix(315532800, 0)

// channelStyle is that of tar --owner=0 --group=0 --numeric-owner --format=gnu.
func channelStyle(h *tar.Header) {
	*h = tar.Header{
		Typeflag: h.Typeflag, Linkname: h.Linkname, Size: h.Size, Mode: h.Mode,
		ModTime: channelTime, Format: tar.FormatGNU,
	}
}

// gitStyle is that of git archive.
func gitStyle(commit time.Time) func(h *tar.Header) {
	return func(h *tar.Header) {
		mode := int64(0o664)
		switch {
		case h.Typeflag == tar.TypeSymlink:
			mode = 0o777
		case h.Typeflag == tar.TypeDir || h.Mode&0o100 != 0:
			mode = 0o775
		}
		*h = tar.Header{
			Typeflag: h.Typeflag, Linkname: h.Linkname, Size: h.Size, Mode: mode,
			ModTime: commit, Uname: "root", Gname: "root",
		}
	}
}

// writeGit writes a tarball as git archive does, with the commit's id in a header for
// all that follows.
func writeGit(w io.Writer, t tree, top, revision string, commit time.Time) error {
	p := packer{tar.NewWriter(w), top, gitStyle(commit)}
	err := p.WriteHeader(&tar.Header{
		Typeflag: tar.TypeXGlobalHeader, Name: "pax_global_header",
		PAXRecords: map[string]string{"comment": revision},
	})
	if err != nil {
		return err
	}
	if err := t(p.add); err != nil {
		return err
	}
	return p.Close()
}
