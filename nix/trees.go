package nix

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
)

// moveTree renames a file or a read-only folder, which needs its write bit for "..".
func moveTree(root *os.Root, from, to string) error {
	info, err := root.Lstat(from)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return root.Rename(from, to)
	}
	if err := root.Chmod(from, 0o755); err != nil {
		return err
	}
	if err := root.Rename(from, to); err != nil {
		return err
	}
	return root.Chmod(to, 0o555)
}

// removeTree removes a tree whose folders may be read-only. It is no error if
// there is none.
func removeTree(root *os.Root, name string) error {
	info, err := root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return root.Remove(name)
	}
	err = walk(root, name, func(p string, d fs.DirEntry) error {
		if d.IsDir() {
			return root.Chmod(p, 0o755)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return root.RemoveAll(name)
}

// walk calls visit for a file or folder and all that is in it, a folder before what
// it holds. Unlike fs.WalkDir of root.FS() it does not follow name if that is a link,
// and takes names that are no UTF-8, as store paths may hold.
func walk(root *os.Root, name string, visit func(name string, d fs.DirEntry) error) error {
	info, err := root.Lstat(name)
	if err != nil {
		return err
	}
	return walkEntry(root, name, fs.FileInfoToDirEntry(info), visit)
}

func walkEntry(root *os.Root, name string, d fs.DirEntry, visit func(name string, d fs.DirEntry) error) error {
	if err := visit(name, d); err != nil || !d.IsDir() {
		return err
	}
	entries, err := readDir(root, name)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := walkEntry(root, path.Join(name, e.Name()), e, visit); err != nil {
			return err
		}
	}
	return nil
}

// readDir lists a folder, which must not be a link.
func readDir(root *os.Root, name string) ([]fs.DirEntry, error) {
	if info, err := root.Lstat(name); err != nil || !info.IsDir() {
		return nil, cmp.Or(err, error(&fs.PathError{Op: "readdir", Path: name, Err: syscall.ENOTDIR}))
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.ReadDir(-1)
}

// errDiffers ends a comparison.
var errDiffers = errors.New("the trees differ")

// sameTree reports whether b has the names, kinds, permissions, targets and contents
// of a.
func sameTree(root *os.Root, a, b string) (bool, error) {
	err := walk(root, a, func(name string, _ fs.DirEntry) error {
		return compare(root, name, b+strings.TrimPrefix(name, a))
	})
	if errors.Is(err, errDiffers) {
		return false, nil
	}
	return err == nil, err
}

// compare fails with errDiffers if b is not what a is.
func compare(root *os.Root, a, b string) error {
	infoA, err := root.Lstat(a)
	if err != nil {
		return err
	}
	infoB, err := root.Lstat(b)
	if err != nil || infoA.Mode() != infoB.Mode() {
		return errDiffers
	}
	same := false
	switch infoA.Mode().Type() {
	case 0:
		same = infoA.Size() == infoB.Size() && sameContent(root, a, b)
	case fs.ModeDir:
		inA, err1 := readDir(root, a)
		inB, err2 := readDir(root, b)
		same = err1 == nil && err2 == nil && len(inA) == len(inB)
	case fs.ModeSymlink:
		toA, err1 := root.Readlink(a)
		toB, err2 := root.Readlink(b)
		same = err1 == nil && err2 == nil && toA == toB
	}
	if !same {
		return errDiffers
	}
	return nil
}

// sameContent compares two files of one size.
func sameContent(root *os.Root, a, b string) bool {
	fileA, err := root.Open(a)
	if err != nil {
		return false
	}
	defer fileA.Close()
	fileB, err := root.Open(b)
	if err != nil {
		return false
	}
	defer fileB.Close()
	bufA, bufB := make([]byte, 128<<10), make([]byte, 128<<10)
	for {
		n, errA := io.ReadFull(fileA, bufA)
		m, errB := io.ReadFull(fileB, bufB)
		if !bytes.Equal(bufA[:n], bufB[:m]) || errA != errB {
			return false
		}
		if errA != nil {
			return errA == io.EOF || errA == io.ErrUnexpectedEOF
		}
	}
}

// wipedName is where Wipe puts, below /nix, what must go at once.
const wipedName = ".wiped"

// Wipe removes everything in the folder /nix, which stays, and returns how many bytes
// its files had. Records and Nix's database go first and at once: interrupted, it
// leaves nothing that tells of store paths that are gone.
func Wipe(ctx context.Context, dir string) (freed int64, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, err
	}
	defer root.Close()
	if freed, err = filesSize(ctx, root); err != nil {
		return 0, err
	}
	if err := errors.Join(removeTree(root, wipedName), root.Mkdir(wipedName, 0o755)); err != nil {
		return 0, err
	}
	for _, name := range []string{ownDir, "var"} {
		if err := moveTree(root, name, path.Join(wipedName, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
	}
	inStore, err1 := fs.Glob(root.FS(), "store/*")
	all, err2 := fs.Glob(root.FS(), "*")
	if err := errors.Join(err1, err2); err != nil {
		return 0, err
	}
	for _, name := range append(inStore, all...) {
		if err := errors.Join(ctx.Err(), removeTree(root, name)); err != nil {
			return 0, err
		}
	}
	return freed, nil
}

// filesSize returns the bytes of all files of a tree.
func filesSize(ctx context.Context, root *os.Root) (total int64, err error) {
	err = walk(root, ".", func(_ string, d fs.DirEntry) error {
		if d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				total += info.Size()
			}
		}
		return ctx.Err()
	})
	return total, err
}
