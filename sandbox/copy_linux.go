package sandbox

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Bounds of the copy of a configuration.
const (
	CopyLimit      = 64 << 20 // bytes
	copyEntryLimit = 20_000
)

type bounds struct{ bytes, entries int64 }

// copyTree copies folders, regular files and links for the first of users alone to
// read. Links are not followed; other kinds of files are left out.
func copyTree(source, target string, users Range, most bounds) error {
	from, err := os.OpenRoot(source)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenRoot(target)
	if err != nil {
		return err
	}
	defer to.Close()
	c := &copier{from: from, to: to, source: source, owner: int(users.First), left: most}
	return fs.WalkDir(from.FS(), ".", c.visit)
}

type copier struct {
	from, to *os.Root
	source   string
	owner    int
	left     bounds
}

func (c *copier) visit(name string, d fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	if c.left.entries--; c.left.entries < 0 {
		return &TreeError{c.source}
	}
	switch d.Type() {
	case fs.ModeDir:
		if err := c.to.Mkdir(name, 0o700); err != nil && name != "." {
			return err
		}
	case fs.ModeSymlink:
		to, err := c.from.Readlink(name)
		if err != nil {
			return err
		}
		if err := c.to.Symlink(to, name); err != nil {
			return err
		}
	case 0:
		if err := c.file(name); err != nil {
			return err
		}
	default:
		return nil
	}
	return c.to.Lchown(name, c.owner, c.owner)
}

func (c *copier) file(name string) error {
	in, err := c.from.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	out, err := c.to.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600|info.Mode()&0o100)
	if err != nil {
		return err
	}
	n, err := io.Copy(out, io.LimitReader(in, c.left.bytes+1))
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	if c.left.bytes -= n; c.left.bytes < 0 {
		return &TreeError{c.source}
	}
	return nil
}

// A TreeError says that the folder of a configuration is too large to be copied,
// which is needed where its file system has no idmapped mounts.
type TreeError struct{ Dir string }

func (e *TreeError) Error() string {
	return fmt.Sprintf("the folder of the configuration, %s, has more than %d MiB or %d files", e.Dir, CopyLimit>>20, copyEntryLimit)
}

// Hints tells what to do.
func (e *TreeError) Hints() []string {
	return []string{"put the configuration and what it imports into a folder of its own"}
}
