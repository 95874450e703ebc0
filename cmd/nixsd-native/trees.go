package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"nixsd-native/internal/shell"
	"nixsd-native/sandbox"
)

// A tree is a folder of the host that sandboxes see.
type tree struct {
	Source, Target string
	Writable       bool
}

// Folders inside the sandbox, besides those of every one.
const (
	insidePush   = "/push"
	insideCaches = "/caches" // a folder for each, numbered from 1
)

// insideCache is where the sandbox sees the nth folder with a binary cache.
func insideCache(n int) string { return fmt.Sprintf("%s-%d", insideCaches, n) }

// trees lists what the command line names of the host's folders.
func (n needs) trees(targets []located) ([]tree, error) {
	var all []tree
	for _, f := range folders(targets) {
		all = append(all, tree{Source: f.Dir, Target: f.Mount})
	}
	nixpkgs, err := n.locateNixpkgs()
	if err != nil {
		return nil, err
	}
	if nixpkgs != "" {
		all = append(all, tree{Source: nixpkgs, Target: insideNixpkgs})
	}
	for i, name := range n.caches {
		dir, err := locateFolder("--substituter", name)
		if err != nil {
			return nil, err
		}
		all = append(all, tree{Source: dir, Target: insideCache(i + 1)})
	}
	if n.push == "" {
		return all, nil
	}
	dir, err := locateFolder(pushFlag, n.push)
	if err == nil {
		err = firstError(mayPush(dir), mustBeWritable(dir, n.push))
	}
	return append(all, tree{Source: dir, Target: insidePush, Writable: true}), err
}

// mayPush refuses a folder with other things than a binary cache: what is built could
// change them.
func mayPush(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return usageErrorf("name a folder that you may read", "--push-to %s: %v", dir, bare(err))
	}
	if len(entries) == 0 || isFile(filepath.Join(dir, "nix-cache-info")) {
		return nil
	}
	return usageErrorf("name a folder of its own: mkdir "+shell.Path(filepath.Join(dir, "cache")), "--push-to %s: the folder is neither empty nor a binary cache", dir)
}

// pushFlag names the folder that is written to.
const pushFlag = "--push-to"

// mayWrite asks access(2) for writing, W_OK, and for making files, X_OK.
const mayWrite = 2 | 1

// mustBeWritable tells before a long build that its results could not be copied. For
// root the monitor looks at the owner.
func mustBeWritable(dir, name string) error {
	if err := syscall.Access(dir, mayWrite); err != nil {
		return &codedError{exitOutput, fmt.Sprintf("%s %s: %v", pushFlag, name, err), []string{"name a folder that you may write to"}}
	}
	return nil
}

// locateFolder finds a folder that a flag names.
func locateFolder(flag, name string) (string, error) {
	dir, err := filepath.EvalSymlinks(name)
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err == nil {
		var info os.FileInfo
		if info, err = os.Stat(dir); err == nil && !info.IsDir() {
			err = syscall.ENOTDIR
		}
	}
	if err != nil {
		hint := "name an existing folder"
		if flag == pushFlag && errors.Is(err, os.ErrNotExist) {
			hint += "; make one with: mkdir -p " + shell.Path(name)
		}
		return "", usageErrorf(hint, "%s %s: %v", flag, name, bare(err))
	}
	return dir, nil
}

// An openTree is a tree as root keeps it: known by what it is, not by a path that
// somebody may change.
type openTree struct {
	tree
	folder *os.File
}

// source is the folder's path, whatever becomes of the one by which it was opened.
func (t openTree) source() string { return fmt.Sprintf("/proc/self/fd/%d", t.folder.Fd()) }

// openTrees opens folders of the user's.
func openTrees(all []tree) ([]openTree, error) {
	var open []openTree
	for _, t := range all {
		f, err := os.Open(t.Source)
		if err != nil {
			return nil, usageErrorf("name a folder that can be read", "%s: %v", t.Source, bare(err))
		}
		open = append(open, openTree{t, f})
	}
	return open, nil
}

// bind shows a tree to the sandboxes of a stage.
func (m *rootMonitor) bind(stage *sandbox.Stage, t openTree) (bound sandbox.Mount, copied bool, err error) {
	name, mount := filepath.Base(t.Target), sandbox.Mount{Source: t.source(), Target: t.Target}
	if !t.Writable {
		return stage.BindReadable(name, mount, m.ownersOf(t), m.ids.users())
	}
	owner, err := m.soleOwner(t)
	if err != nil {
		return sandbox.Mount{}, false, err
	}
	if bound, err = stage.BindOwned(name, mount, owner, m.ids.users()); err != nil {
		err = &codedError{exitOutput, fmt.Sprintf("%s: its file system has no idmapped mounts (%v)", t.Source, bare(err)), []string{
			"name a folder on another file system, such as ext4, xfs or btrfs, or run the command without sudo",
		}}
	}
	return bound, false, err
}

// ownersOf are those whose files a tree of the user's may consist of: who owns it, and
// who owns the configurations in it. Paths are not asked: by now they may lead to files of
// somebody else, who would be let in.
func (m *rootMonitor) ownersOf(t openTree) sandbox.Owners {
	o := sandbox.Owners{UIDs: []int{m.worker.UID, 0}, GIDs: []int{m.worker.GID, 0}}
	open := []*os.File{t.folder}
	for _, l := range m.targets {
		if f := m.files[l.Name].file; l.Mount == t.Target && f != nil {
			open = append(open, f)
		}
	}
	for _, f := range open {
		var st syscall.Stat_t
		if syscall.Fstat(int(f.Fd()), &st) == nil {
			o.UIDs, o.GIDs = append(o.UIDs, int(st.Uid)), append(o.GIDs, int(st.Gid))
		}
	}
	return o
}

// soleOwner is who the sandbox becomes in a tree that it may write to: its owner, but
// never root, nor somebody else than who called sudo.
func (m *rootMonitor) soleOwner(t openTree) (sandbox.Owners, error) {
	var st syscall.Stat_t
	if err := syscall.Fstat(int(t.folder.Fd()), &st); err != nil {
		return sandbox.Owners{}, &os.PathError{Op: "stat", Path: t.Source, Err: err}
	}
	if st.Uid == 0 || st.Gid == 0 || m.owner.Set && (int(st.Uid) != m.owner.UID || int(st.Gid) != m.owner.GID) {
		return sandbox.Owners{}, &codedError{exitOutput, fmt.Sprintf("the build does not write into %s as its owner, %d:%d", t.Source, st.Uid, st.Gid), []string{
			"give it to whoever calls sudo, or, without sudo, to an ordinary user and group: chown USER:GROUP " + shell.Word(t.Source),
		}}
	}
	return sandbox.Owners{UIDs: []int{int(st.Uid)}, GIDs: []int{int(st.Gid)}}, nil
}
