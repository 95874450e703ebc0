package nix

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// What the patches of these tests change.
const (
	original = "one\ntwo\nthree\nfour\nfive\nsix\nseven\n"
	goodDiff = "--- a/file\n+++ b/file\n@@ -2,3 +2,3 @@\n two\n-three\n+THREE\n four\n"
)

// patchable is a store with a tree "base" in it and a function that patches it.
func patchable(t *testing.T) (dir string, patch func(patches fstest.MapFS, note func(string)) error) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range map[string]string{"base/file": original, "base/sub/gone": "gone\n", "base/" + ext4Builder: "cptofs -p\n  resize2fs -M $img\n"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o444)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("file", filepath.Join(dir, "base", "link")); err != nil {
		t.Fatal(err)
	}
	return dir, func(patches fstest.MapFS, note func(string)) error {
		s := Store{Dir: dir, Sync: func(string) error { return nil }, Note: note}
		return s.Patch(context.Background(), filepath.Join(dir, "base"), "key", patches)
	}
}

func mapOf(name, text string) fstest.MapFS { return fstest.MapFS{name: {Data: []byte(text)}} }

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A patch makes a tree of its own; the pristine one stays, and shares what is the same.
func TestPatch(t *testing.T) {
	dir, patch := patchable(t)
	git := "diff --git a/sub/gone b/sub/gone\ndeleted file mode 100644\n--- a/sub/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone\n" +
		"diff --git a/new/file b/new/file\nnew file mode 100755\n--- /dev/null\n+++ b/new/file\n@@ -0,0 +1 @@\n+new\n"
	err := patch(fstest.MapFS{"001-a.patch": {Data: []byte(goodDiff)}, "002-b.patch": {Data: []byte(git)}, ResizePatch: {}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	base, tree := filepath.Join(dir, "base"), filepath.Join(dir, channelDir, "key")
	if got, want := read(t, filepath.Join(tree, "file")), strings.Replace(original, "three", "THREE", 1); got != want {
		t.Errorf("file = %q; want %q", got, want)
	}
	if got := read(t, filepath.Join(base, "file")); got != original {
		t.Errorf("the pristine file = %q", got)
	}
	if _, err := os.Stat(filepath.Join(tree, "sub/gone")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a removed file: %v", err)
	}
	if info, err := os.Stat(filepath.Join(tree, "new/file")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("a new program: %v, %v", info, err)
	}
	if to, err := os.Readlink(filepath.Join(tree, "link")); to != "file" {
		t.Errorf("link → %q, %v", to, err)
	}
	if got, want := read(t, filepath.Join(tree, ext4Builder)), "cptofs -p\n  e2fsck -fy $img || [ $? -eq 1 ]\n  resize2fs -M $img\n"; got != want {
		t.Errorf("%s = %q; want %q", ext4Builder, got, want)
	}
	if _, err := os.Stat(filepath.Join(dir, ownDir, scratchName)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the scratch folder: %v", err)
	}
}

// Nothing is guessed: a patch whose lines have moved, or that leads elsewhere, is
// refused, and leaves no tree.
func TestPatchRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"moved":     {strings.Replace(goodDiff, "-2,3 +2,3", "-3,3 +3,3", 1), "does not apply to file"},
		"other":     {strings.Replace(goodDiff, "-three", "-drei", 1), "does not apply to file"},
		"context":   {strings.Replace(goodDiff, " four", " vier", 1), "does not apply to file"},
		"missing":   {strings.ReplaceAll(goodDiff, "/file", "/nowhere"), "no such file"},
		"outside":   {strings.ReplaceAll(goodDiff, "/file", "/../../outside"), "outside of the tree"},
		"absolute":  {strings.NewReplacer("a/file", "/etc/passwd", "b/file", "/etc/passwd").Replace(goodDiff), "does not apply"},
		"link":      {strings.ReplaceAll(goodDiff, "/file", "/link"), "no regular file"},
		"no patch":  {"<html>404</html>\n", "is it a unified diff"},
		"cut short": {goodDiff[:len(goodDiff)-12], "is no patch"},
	} {
		dir, patch := patchable(t)
		err := patch(mapOf("001-my.patch", c.text), nil)
		if pe := (*PatchError)(nil); !errors.As(err, &pe) || !strings.HasPrefix(err.Error(), "my.patch: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want a *PatchError with %q", name, err, c.want)
		}
		if _, err := os.Stat(filepath.Join(dir, channelDir, "key")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: left a tree: %v", name, err)
		}
	}
}

// The check before resize2fs is for builders with cptofs; elsewhere it is told to be
// of no use, and changes nothing.
func TestCheckBeforeResize(t *testing.T) {
	for name, c := range map[string]struct {
		text, want string
		needed     bool
	}{
		"20.03": {"  cptofs -t ext4\n      resize2fs -M temp.img\n      resize2fs temp.img $blocks\n", "  cptofs -t ext4\n      e2fsck -fy temp.img || [ $? -eq 1 ]\n      resize2fs -M temp.img\n      e2fsck -fy temp.img || [ $? -eq 1 ]\n      resize2fs temp.img $blocks\n", true},
		"26.05": {"  mkfs.ext4 -d\n  resize2fs -M $img\n", "  mkfs.ext4 -d\n  resize2fs -M $img\n", false},
		"none":  {"  cptofs -t ext4\n", "  cptofs -t ext4\n", false},
	} {
		dir, patch := patchable(t)
		builder := filepath.Join(dir, "base", ext4Builder)
		if err := errors.Join(os.Remove(builder), os.WriteFile(builder, []byte(c.text), 0o444)); err != nil {
			t.Fatal(err)
		}
		var notes []string
		if err := patch(mapOf(ResizePatch, ""), func(text string) { notes = append(notes, text) }); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := read(t, filepath.Join(dir, channelDir, "key", ext4Builder)); got != c.want {
			t.Errorf("%s: %q; want %q", name, got, c.want)
		}
		if noted := len(notes) == 1 && strings.Contains(notes[0], "is not needed"); noted == c.needed {
			t.Errorf("%s: notes %q", name, notes)
		}
	}
}

// Different trees and patches have different keys.
func TestPatchedKey(t *testing.T) {
	seen := map[string]string{}
	for name, key := range map[string]string{
		"plain": PatchedKey("a"), "other tree": PatchedKey("b"), "one": PatchedKey("a", []byte("x")), "two": PatchedKey("a", []byte("x"), []byte("y")),
		"swapped": PatchedKey("a", []byte("y"), []byte("x")), "joined": PatchedKey("a", []byte("xy")),
	} {
		if other, ok := seen[key]; ok || len(key) != 64 {
			t.Errorf("the key of %s is %s, as that of %q", name, key, other)
		}
		seen[key] = name
	}
}

// Whatever a patch is, it changes nothing outside of its tree.
func FuzzApplyPatch(f *testing.F) {
	f.Add([]byte(goodDiff))
	f.Add([]byte(strings.ReplaceAll(goodDiff, "/file", "/../outside")))
	f.Add([]byte("diff --git a/file b/../../x\nrename from file\nrename to ../../x\n"))
	f.Add([]byte("diff --git a/file b/file\nGIT binary patch\nliteral 5\nMc$_Oq\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		tree := filepath.Join(dir, "tree")
		err := errors.Join(os.Mkdir(tree, 0o755), os.WriteFile(filepath.Join(tree, "file"), []byte(original), 0o644),
			os.WriteFile(filepath.Join(dir, "outside"), []byte(original), 0o644))
		if err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(tree)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		err = applyPatch(root, "001-fuzz", data)
		if pe := (*PatchError)(nil); err != nil && !errors.As(err, &pe) {
			t.Errorf("applyPatch(%q) = %v; want a *PatchError", data, err)
		}
		entries, _ := os.ReadDir(dir)
		if len(entries) != 2 || read(t, filepath.Join(dir, "outside")) != original {
			t.Errorf("applyPatch(%q) changed what is outside", data)
		}
	})
}
