package inject

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// A Node is what is at a path of the file system.
type Node struct {
	Mode     fs.FileMode // type and permission bits
	UID, GID uint32
}

// Lookup tells what is at a path, without following links; its error is fs.ErrNotExist if
// there is nothing.
type Lookup func(path string) (Node, error)

// A Plan is what is done to a file system.
type Plan struct {
	Folders []File // to be made, outer ones first
	Replace []bool // of each of Files, whether one is there already
	Files   []File
}

// NewPlan looks at what is there. Missing folders are made: root's, 0755, but in homes
// the owner's alone. Files are replaced; nothing else is, and no link is followed.
func NewPlan(files []File, look Lookup) (*Plan, error) {
	p := &Plan{Files: files}
	for i, f := range files {
		if slices.ContainsFunc(files[:i], func(other File) bool { return other.Dest == f.Dest }) {
			return nil, &RefusedError{f.Dest, "it is named twice"}
		}
		if err := p.folders(f, look); err != nil {
			return nil, err
		}
		n, err := look(f.Dest)
		exists := err == nil
		switch {
		case errors.Is(err, fs.ErrNotExist) || p.makes(path.Dir(f.Dest)):
			exists = false
		case err != nil:
			return nil, err
		case !n.Mode.IsRegular():
			return nil, &RefusedError{f.Dest, "there is a " + kind(n.Mode) + " already, which is not replaced"}
		}
		p.Replace = append(p.Replace, exists)
	}
	return p, nil
}

// Replaced lists the paths of the files that others give way to.
func (p *Plan) Replaced() (all []string) {
	for i, f := range p.Files {
		if p.Replace[i] {
			all = append(all, f.Dest)
		}
	}
	return all
}

// A RefusedError says why a file cannot be put to its place.
type RefusedError struct{ Dest, Reason string }

func (e *RefusedError) Error() string { return e.Dest + ": " + e.Reason }

func kind(m fs.FileMode) string {
	switch m.Type() {
	case fs.ModeDir:
		return "folder"
	case fs.ModeSymlink:
		return "link"
	case 0:
		return "file"
	}
	return "special file"
}

// makes reports whether a folder is among those that are made.
func (p *Plan) makes(dir string) bool {
	return slices.ContainsFunc(p.Folders, func(f File) bool { return f.Dest == dir })
}

// folders adds the missing ones on the way to a file.
func (p *Plan) folders(f File, look Lookup) error {
	parts := strings.Split(path.Dir(f.Dest), "/")[1:]
	for i := range parts {
		dir := "/" + path.Join(parts[:i+1]...)
		if dir == "/" || p.makes(dir) {
			continue
		}
		missing := p.makes(path.Dir(dir))
		if !missing {
			n, err := look(dir)
			missing = errors.Is(err, fs.ErrNotExist)
			if err != nil && !missing {
				return err
			}
			if !missing && !n.Mode.IsDir() {
				return &RefusedError{f.Dest, fmt.Sprintf("%s is a %s", dir, kind(n.Mode))}
			}
		}
		if missing {
			p.Folders = append(p.Folders, folder(dir, f))
		}
	}
	return nil
}

// folder is one that is made for a file. A home, and what is in it, is its owner's alone.
func folder(dir string, of File) File {
	switch {
	case strings.HasPrefix(dir, "/home/"):
		return File{Dest: dir, Mode: 0o700, UID: of.UID, GID: of.GID}
	case dir == "/root" || strings.HasPrefix(dir, "/root/"):
		return File{Dest: dir, Mode: 0o700}
	}
	return File{Dest: dir, Mode: 0o755}
}

// Type bits of an inode's mode (ext4's documentation, inodes.rst).
const (
	typeRegular = 0o100000
	typeFolder  = 0o040000
)

// Script is what debugfs is told with -f, where sources[i] is the file with the data of
// Files[i].
func (p *Plan) Script(sources []string) string {
	var b strings.Builder
	fields := func(f File, kind uint32) {
		for _, field := range []struct {
			name, value string
		}{{"mode", fmt.Sprintf("0%o", kind|f.Mode)}, {"uid", fmt.Sprint(f.UID)}, {"gid", fmt.Sprint(f.GID)}} {
			fmt.Fprintf(&b, "set_inode_field %s %s %s\n", quoted(f.Dest), field.name, field.value)
		}
	}
	for _, f := range p.Folders {
		fmt.Fprintf(&b, "mkdir %s\n", quoted(f.Dest))
		fields(f, typeFolder)
	}
	for i, f := range p.Files {
		if p.Replace[i] {
			fmt.Fprintf(&b, "rm %s\n", quoted(f.Dest))
		}
		// write takes its second argument as a name in the current folder, whatever is in it.
		fmt.Fprintf(&b, "cd %s\nwrite %s %s\n", quoted(path.Dir(f.Dest)), quoted(sources[i]), quoted(path.Base(f.Dest)))
		fields(f, typeRegular)
	}
	return b.String()
}

// quoted is a word as debugfs reads it: in quotes, of which two stand for one (e2fsprogs:
// lib/ss/parse.c).
func quoted(word string) string { return `"` + strings.ReplaceAll(word, `"`, `""`) + `"` }

// Cat is the request to debugfs that prints a file.
func Cat(path string) string { return "cat " + quoted(path) }

// Failed finds in what debugfs wrote to standard error why it failed: it ends with 0 in
// any case, but says nothing there but its version if all went well.
func Failed(stderr string) (reason string) {
	var lines []string
	for line := range strings.Lines(stderr) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "debugfs 1.") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}

// Verify compares what is there with what the plan says. content returns a file.
func (p *Plan) Verify(look Lookup, content func(path string) ([]byte, error)) error {
	for _, f := range p.Folders {
		if err := verify(f, fs.ModeDir, look); err != nil {
			return err
		}
	}
	for _, f := range p.Files {
		if err := verify(f, 0, look); err != nil {
			return err
		}
		data, err := content(f.Dest)
		if err != nil {
			return err
		}
		if !bytes.Equal(data, f.Data) {
			return fmt.Errorf("%s has other content than it should", f.Dest)
		}
	}
	return nil
}

func verify(f File, kind fs.FileMode, look Lookup) error {
	n, err := look(f.Dest)
	if err != nil {
		return fmt.Errorf("%s: %v", f.Dest, err)
	}
	want := Node{kind | fs.FileMode(f.Mode), f.UID, f.GID}
	if n != want {
		return fmt.Errorf("%s is %v of %d:%d, and should be %v of %d:%d", f.Dest, n.Mode, n.UID, n.GID, want.Mode, want.UID, want.GID)
	}
	return nil
}
