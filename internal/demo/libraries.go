package demo

import (
	"archive/tar"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// maxFile bounds one unpacked file in bytes; Nix itself has 12 MB.
const maxFile = 256 << 20

// A tree is a scratch folder with the files of packages that somebody asked for.
type tree struct {
	dir   string
	links map[string]string // path → target, both relative to the root
}

// unpack keeps the regular files and links that keep accepts. Its argument and the
// paths in the tree have no leading "./".
func unpack(walk Walk, pkgs []Package, dir string, keep func(name string) bool) (*tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	t := &tree{dir, map[string]string{}}
	for _, p := range pkgs {
		err := walk(p, func(h *tar.Header, content io.Reader) error {
			name := strings.TrimPrefix(path.Clean(h.Name), "/")
			if !keep(name) {
				return nil
			}
			switch h.Typeflag {
			case tar.TypeSymlink:
				t.links[name] = linkTarget(name, h.Linkname)
			case tar.TypeReg:
				return writeIn(root, name, h, content)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %v", p.Name, err)
		}
	}
	return t, nil
}

func linkTarget(name, link string) string {
	if path.IsAbs(link) {
		return strings.TrimPrefix(path.Clean(link), "/")
	}
	return path.Join(path.Dir(name), link)
}

func writeIn(root *os.Root, name string, h *tar.Header, content io.Reader) error {
	if h.Size > maxFile {
		return fmt.Errorf("%s has %d bytes", name, h.Size)
	}
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, content); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// find follows links, at most 8, and returns the file of a path, or "". What lies
// outside of the tree, where a link may point, is none.
func (t *tree) find(name string) string {
	for range 8 {
		to, ok := t.links[name]
		if !ok {
			break
		}
		name = to
	}
	if !filepath.IsLocal(name) {
		return ""
	}
	file := filepath.Join(t.dir, name)
	if info, err := os.Lstat(file); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	return file
}

// libraryDirs are where Debian puts libraries; %s is the GNU triplet.
var libraryDirs = []string{"usr/lib/%s/", "usr/lib/", "lib/%s/", "usr/lib64/", "lib/"}

// library returns the file of a library by its soname, or "".
func (t *tree) library(triplet, soname string) string {
	for _, dir := range libraryDirs {
		if file := t.find(strings.ReplaceAll(dir, "%s", triplet) + soname); file != "" {
			return file
		}
	}
	return ""
}

// needed returns the libraries that program needs, and those that they need, by
// soname.
func (t *tree) needed(triplet, program string) (map[string]string, error) {
	found := map[string]string{}
	for todo := []string{program}; len(todo) > 0; todo = todo[1:] {
		f, err := elf.Open(todo[0])
		if err != nil {
			return nil, err
		}
		names, err := f.ImportedLibraries()
		f.Close()
		if err != nil {
			return nil, err
		}
		for _, soname := range names {
			if found[soname] != "" {
				continue
			}
			file := t.library(triplet, soname)
			if file == "" {
				return nil, fmt.Errorf("%s needs %s, which no package has", filepath.Base(todo[0]), soname)
			}
			found[soname] = file
			todo = append(todo, file)
		}
	}
	return found, nil
}
