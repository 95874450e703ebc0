package demo

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"
)

// A tarWriter writes reproducible entries: sorted by the caller, owned by 0:0, of
// the first second, as the store has them.
type tarWriter struct{ *tar.Writer }

func (w tarWriter) entry(h tar.Header, content []byte) error {
	h.ModTime = time.Unix(1, 0)
	h.Size = int64(len(content))
	h.Format = tar.FormatGNU
	if err := w.WriteHeader(&h); err != nil {
		return err
	}
	_, err := w.Write(content)
	return err
}

func (w tarWriter) dir(name string) error {
	return w.entry(tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755}, nil)
}

func (w tarWriter) file(name string, content []byte, executable bool) error {
	mode := int64(0o644)
	if executable {
		mode = 0o755
	}
	return w.entry(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode}, content)
}

// tree adds everything below a folder, sorted, under prefix.
func (w tarWriter) tree(dir, prefix string) error {
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		in := path.Join(prefix, filepath.ToSlash(rel))
		switch d.Type() {
		case fs.ModeDir:
			return w.dir(in)
		case fs.ModeSymlink:
			to, err := os.Readlink(name)
			if err != nil {
				return err
			}
			return w.entry(tar.Header{Typeflag: tar.TypeSymlink, Name: in, Linkname: to, Mode: 0o777}, nil)
		case 0:
			info, err := d.Info()
			if err != nil {
				return err
			}
			content, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			return w.file(in, content, info.Mode()&0o100 != 0)
		}
		return fmt.Errorf("%s is no file, folder or link", name)
	})
}

// writeTarball writes one folder with files in it and a folder store.
func writeTarball(w io.Writer, name string, files map[string][]byte, store string) error {
	tw := tarWriter{tar.NewWriter(w)}
	if err := tw.dir(name); err != nil {
		return err
	}
	names := make([]string, 0, len(files))
	for n := range files {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		if err := tw.file(path.Join(name, n), files[n], n == "install"); err != nil {
			return err
		}
	}
	if err := tw.tree(store, path.Join(name, "store")); err != nil {
		return err
	}
	return tw.Close()
}
