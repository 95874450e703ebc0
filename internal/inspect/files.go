package inspect

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"

	"github.com/diskfs/go-diskfs/filesystem/ext4"
)

// Files are those of an image's root file system, as they are now: links are not
// followed. Paths begin with a slash.
type Files struct {
	Partition // they are in
	tree      *tree
}

// A Node is a file, a folder or something else.
type Node struct {
	Mode     fs.FileMode // type and permission bits
	UID, GID uint32
}

// ErrNoRoot says that an image has no one file system with a system to change.
var ErrNoRoot = errors.New("it has no root file system, or several")

// Root opens the file system of an image, read by Read, that its system starts from: its
// only ext4, or else the only one that is marked bootable. If there is none, the error is
// ErrNoRoot.
func Root(f *os.File, r *Report) (*Files, error) {
	of := func(like func(Partition) bool) (all []Partition) {
		for _, p := range r.Partitions {
			if p.Volume != nil && p.Volume.Type == "ext4" && like(p) {
				all = append(all, p)
			}
		}
		return all
	}
	found := of(func(Partition) bool { return true })
	if len(found) != 1 {
		found = of(func(p Partition) bool { return p.Bootable })
	}
	if len(found) != 1 {
		return nil, ErrNoRoot
	}
	t, err := (&disk{File: f}).openTree(&found[0])
	if err != nil {
		return nil, err
	}
	return &Files{found[0], t}, nil
}

// Lookup tells what is at a path; the error is fs.ErrNotExist if there is nothing.
func (f *Files) Lookup(p string) (n Node, err error) {
	defer damaged(&err)
	if p = path.Clean(p); p == "/" {
		return Node{Mode: fs.ModeDir | 0o755}, nil
	}
	entries, err := f.tree.files.ReadDir(name(path.Dir(p)))
	if err != nil {
		return n, err
	}
	i := slices.IndexFunc(entries, func(e fs.DirEntry) bool { return e.Name() == path.Base(p) })
	if i < 0 {
		return n, fs.ErrNotExist
	}
	n.Mode = entries[i].Type()
	info, err := f.tree.files.Stat(name(p))
	if err != nil {
		return n, err
	}
	n.Mode |= info.Mode().Perm()
	if st, ok := info.Sys().(*ext4.StatT); ok {
		n.UID, n.GID = st.UID, st.GID
	}
	return n, nil
}

// Content returns a regular file of at most limit bytes. One with holes is an error.
func (f *Files) Content(p string, limit int64) (data []byte, err error) {
	defer damaged(&err)
	file, err := f.tree.files.Open(name(p))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err = readAll(file, limit+1)
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", p, limit)
	}
	return data, err
}

// damaged makes an error of the library's panic, see Read.
func damaged(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("the file system is damaged (%v)", p)
	}
}
