package inspect

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/diskfs/go-diskfs/filesystem"
	"github.com/diskfs/go-diskfs/filesystem/ext4"
	"github.com/diskfs/go-diskfs/filesystem/fat12"
	"github.com/diskfs/go-diskfs/filesystem/fat16"
	"github.com/diskfs/go-diskfs/filesystem/fat32"
)

// Bounds on what a hostile image can make us do: links on the way to a file, as in the
// kernel, and bytes of a text.
const (
	maxLinks = 40
	maxText  = 1 << 20
)

// A tree is a file system whose links are followed within it. Paths begin with a slash.
type tree struct {
	files filesystem.FileSystem
	links interface{ ReadLink(string) (string, error) } // nil if there are none
	known map[string]link                               // what was read of them: the library reads all folders on the way
}

// A link is what ReadLink said.
type link struct {
	target string
	err    error
}

func (t *tree) readLink(p string) (string, error) {
	l, ok := t.known[p]
	if !ok {
		l.target, l.err = t.links.ReadLink(name(p))
		t.known[p] = l
	}
	return l.target, l.err
}

func (d *disk) openTree(p *Partition) (*tree, error) {
	var err error
	t := &tree{known: map[string]link{}}
	switch p.Volume.Type {
	case "ext4":
		var e *ext4.FileSystem
		if e, err = ext4.Read(d, p.Size, p.Start, sector); err == nil {
			t.files, t.links = e, e
		}
	case "fat12":
		t.files, err = fat12.Read(d, p.Size, p.Start, sector)
	case "fat16":
		t.files, err = fat16.Read(d, p.Size, p.Start, sector)
	default:
		t.files, err = fat32.Read(d, p.Size, p.Start, sector)
	}
	return t, err
}

// name is a path as io/fs wants it.
func name(p string) string {
	if p = strings.TrimPrefix(path.Clean("/"+p), "/"); p != "" {
		return p
	}
	return "."
}

// follow returns a path without links to the same file.
func (t *tree) follow(p string) (string, error) {
	if t.links == nil {
		return path.Clean("/" + p), nil
	}
	done, rest, links := "/", strings.Split(path.Clean("/"+p), "/"), 0
	for len(rest) > 0 {
		next := path.Join(done, rest[0])
		rest = rest[1:]
		target, err := t.readLink(next)
		if next == "/" || err != nil { // no link; if it is not there at all, its reader will tell
			done = next
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("%s: too many links", p)
		}
		if path.IsAbs(target) {
			done = "/"
		}
		rest = slices.Concat(strings.Split(target, "/"), rest)
	}
	return done, nil
}

// stat describes what a path leads to.
func (t *tree) stat(p string) (fs.FileInfo, error) {
	p, err := t.follow(p)
	if err != nil {
		return nil, err
	}
	return t.files.Stat(name(p))
}

func (t *tree) has(p string) bool {
	_, err := t.stat(p)
	return p != "" && err == nil
}

// head returns at most n bytes of a file.
func (t *tree) head(p string, n int64) ([]byte, error) {
	p, err := t.follow(p)
	if err != nil {
		return nil, err
	}
	info, err := t.files.Stat(name(p))
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New(p + " is no file")
	}
	f, err := t.files.Open(name(p))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, min(n, info.Size()))
}

// readAll returns at most n bytes.
func readAll(r io.Reader, n int64) ([]byte, error) {
	return io.ReadAll(io.LimitReader(progress{r}, n))
}

// progress makes it an error that nothing is read: the library reads nothing, over and
// over, where a file has a hole, or lost its blocks.
type progress struct{ io.Reader }

func (p progress) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	if n == 0 && err == nil && len(b) > 0 {
		err = io.ErrNoProgress
	}
	return n, err
}

// text returns a file without blanks around, "" if there is none.
func (t *tree) text(p string) string {
	data, err := t.head(p, maxText)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(strings.ToValidUTF8(string(data), "�"))
}

// list returns the names in a folder, sorted; none if there is no folder.
func (t *tree) list(p string) (names []string) {
	p, err := t.follow(p)
	if err != nil {
		return nil
	}
	entries, err := t.files.ReadDir(name(p))
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if n := e.Name(); n != "." && n != ".." {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names
}
