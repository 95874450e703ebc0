package nix

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"
)

// PatchDir is where a sandbox that patches nixpkgs has its patches, applied in the
// order of their names.
const PatchDir = "/etc/nixsd/patches"

// ResizePatch is, among the names in PatchDir, no patch but the wish that the image
// builder check a file system before it shrinks it. Patches have numbers from 001 on.
const ResizePatch = "000-resize2fs"

// ext4Builder is the file that ResizePatch changes.
const ext4Builder = "nixos/lib/make-ext4-fs.nix"

// PatchedKey names a tree by what it is made of: the tarball's sha256, or for a folder
// its path, and the patches in order.
func PatchedKey(base string, patches ...[]byte) string {
	hash := sha256.New()
	fmt.Fprintf(hash, "%s\n", base)
	for _, p := range patches {
		sum := sha256.Sum256(p)
		hash.Write(sum[:])
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// A PatchError says that a patch does not fit.
type PatchError struct{ Name, Reason string }

func (e *PatchError) Error() string { return fmt.Sprintf("%s: %s", e.Name, e.Reason) }

// Patch makes ChannelPath(key) of the tree at base, a folder inside the sandbox, and the
// patches of a folder. The base stays as it is: files that no patch touches are shared
// with it if they lie in the same file system. Errors are *PatchError if a patch does
// not apply exactly, or of the file system.
func (s Store) Patch(ctx context.Context, base, key string, patches fs.FS) error {
	return s.inScratch(func(root, tree *os.Root, scratch string) error {
		if err := copyTree(ctx, base, filepath.Join(s.Dir, scratch)); err != nil {
			return err
		}
		if err := s.applyAll(tree, patches); err != nil {
			return err
		}
		if err := errors.Join(root.MkdirAll(channelDir, 0o755), s.Sync(s.Dir)); err != nil {
			return err
		}
		target := path.Join(channelDir, key)
		if err := removeTree(root, target); err != nil { // of a folder that may have changed
			return err
		}
		return root.Rename(scratch, target)
	})
}

// copyTree makes a tree like another, with hard links where possible.
func copyTree(ctx context.Context, from, to string) error {
	return filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		target := to + strings.TrimPrefix(name, from)
		switch {
		case d.IsDir() && d.Name() == ".git" && name != from:
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(target, 0o755)
		case d.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(name)
			return errors.Join(err, os.Symlink(link, target))
		case !d.Type().IsRegular():
			return nil
		}
		if os.Link(name, target) == nil {
			return nil
		}
		return copyFile(name, target)
	})
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, info.Mode().Perm()|0o200)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// applyAll applies the patches of a folder to a tree.
func (s Store) applyAll(tree *os.Root, patches fs.FS) error {
	entries, err := fs.ReadDir(patches, ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == ResizePatch {
			err = s.checkBeforeResize(tree)
		} else if data, readErr := fs.ReadFile(patches, e.Name()); readErr != nil {
			err = readErr
		} else {
			err = applyPatch(tree, e.Name(), data)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// applyPatch applies one patch, all its lines where they say that they belong.
func applyPatch(tree *os.Root, name string, data []byte) error {
	// The first characters number the patches.
	_, name, _ = strings.Cut(name, "-")
	files, _, err := gitdiff.Parse(bytes.NewReader(data))
	if err != nil {
		return &PatchError{name, "is no patch: " + err.Error()}
	}
	if len(files) == 0 {
		return &PatchError{name, "changes nothing: is it a unified diff?"}
	}
	for _, f := range files {
		f.OldName, f.NewName = inTree(tree, f.OldName), inTree(tree, f.NewName)
		if err := applyFile(tree, f); err != nil {
			return &PatchError{name, fmt.Sprintf("does not apply to %s: %v", cmp.Or(f.OldName, f.NewName), err)}
		}
	}
	return nil
}

// inTree takes the folders a and b off a name, which diffs that git did not make still
// have, unless the tree has them.
func inTree(tree *os.Root, name string) string {
	first, rest, _ := strings.Cut(name, "/")
	if first != "a" && first != "b" {
		return name
	}
	if _, err := tree.Lstat(first); err == nil {
		return name
	}
	return rest
}

// applyFile replaces, makes, renames or removes one file. It never writes into one,
// which may be the pristine tree's, too.
func applyFile(tree *os.Root, f *gitdiff.File) error {
	for _, name := range []string{f.OldName, f.NewName} {
		if name != "" && !filepath.IsLocal(name) {
			return errors.New("it is outside of the tree")
		}
	}
	var old []byte
	mode := fs.FileMode(0o644)
	if !f.IsNew {
		info, err := tree.Lstat(f.OldName)
		if err != nil {
			return errors.New("there is no such file")
		}
		if !info.Mode().IsRegular() {
			return errors.New("it is no regular file")
		}
		mode = info.Mode().Perm() | 0o200
		if old, err = tree.ReadFile(f.OldName); err != nil {
			return err
		}
	}
	var patched bytes.Buffer
	if err := gitdiff.Apply(&patched, bytes.NewReader(old), f); err != nil {
		return err
	}
	if f.IsNew || f.IsRename || f.IsCopy {
		if _, err := tree.Lstat(f.NewName); err == nil {
			return fmt.Errorf("%s is there already", f.NewName)
		}
	}
	if !f.IsNew && (f.IsDelete || f.IsRename) {
		if err := tree.Remove(f.OldName); err != nil {
			return err
		}
	}
	if f.IsDelete {
		return nil
	}
	if f.NewMode != 0 {
		mode = f.NewMode.Perm()
	}
	return replace(tree, f.NewName, patched.Bytes(), mode)
}

// replace puts a new file at name.
func replace(tree *os.Root, name string, data []byte, mode fs.FileMode) error {
	if err := tree.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	if err := tree.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return tree.WriteFile(name, data, mode)
}

// resizeLine is a line of a shell script that shrinks a file system in a file.
var resizeLine = regexp.MustCompile(`(?m)^([ \t]*)resize2fs (?:-M )?(\S+).*$`)

// checkBeforeResize lets the image builder of NixOS 20.03 and older check a file system
// before it is shrunk. There cptofs, a kernel in a process, writes the time of the last
// mount, and resize2fs then asks for "e2fsck -f" (nixpkgs#86366). Since 20.09 mkfs.ext4
// fills the file system, and nothing is needed.
func (s Store) checkBeforeResize(tree *os.Root) error {
	text, err := tree.ReadFile(ext4Builder)
	if err != nil {
		return &PatchError{"--apply-resize2fs-patch", "this nixpkgs has no " + ext4Builder}
	}
	if !bytes.Contains(text, []byte("cptofs")) || !resizeLine.Match(text) {
		s.note("--apply-resize2fs-patch is not needed: this nixpkgs does not fill file systems with cptofs, as NixOS 20.03 and older do")
		return nil
	}
	// Status 1 of e2fsck is: errors corrected.
	changed := resizeLine.ReplaceAll(text, []byte("${1}e2fsck -fy ${2} || [ $$? -eq 1 ]\n${0}"))
	return replace(tree, ext4Builder, changed, 0o644)
}
