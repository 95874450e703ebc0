package nix

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
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
	err = fs.WalkDir(root.FS(), name, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return root.Chmod(p, 0o755)
		}
		return err
	})
	if err != nil {
		return err
	}
	return root.RemoveAll(name)
}

// errDiffers ends a comparison.
var errDiffers = errors.New("the trees differ")

// sameTree reports whether b has the names, kinds, permissions, targets and contents
// of a.
func sameTree(root *os.Root, a, b string) (bool, error) {
	err := fs.WalkDir(root.FS(), a, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
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
		inA, err1 := fs.ReadDir(root.FS(), a)
		inB, err2 := fs.ReadDir(root.FS(), b)
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
	err = fs.WalkDir(root.FS(), ".", func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				total += info.Size()
			}
		}
		return errors.Join(err, ctx.Err())
	})
	return total, err
}
