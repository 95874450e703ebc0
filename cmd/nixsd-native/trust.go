package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"nixsd-native/internal/shell"
)

// trust says who may change what a path leads to: root, whoever runs this, and who called
// sudo.
type trust struct {
	users    []int
	anyGroup bool // may write into the folder itself
}

// maxLinks bounds how many symbolic links are followed, as the kernel does.
const maxLinks = 40

// unsafeError says that somebody else could change a folder, or what its path leads to.
type unsafeError struct{ path, why, command string }

func (e *unsafeError) Error() string { return e.path + " " + e.why }

// check walks a path, as far as it exists, and fails with an *unsafeError if somebody else
// could put another folder in its place or write into it. Unlike one call for the whole
// path this sees the links on the way, which lead elsewhere if their owner wants.
func (t trust) check(path string) error {
	at, rest, links := "/", split(path), 0
	for {
		info, err := os.Lstat(at)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // what is above it is as it should be, and so will it be
		} else if err != nil {
			return err
		}
		if err := t.entry(at, info, len(rest) == 0); err != nil {
			return err
		}
		if info.Mode().Type() == fs.ModeSymlink {
			target, err := os.Readlink(at)
			if links++; err != nil || links > maxLinks {
				return errors.Join(err, &os.PathError{Op: "look at", Path: path, Err: syscall.ELOOP})
			}
			if at = filepath.Dir(at); filepath.IsAbs(target) {
				at = "/"
			}
			rest = append(split(target), rest...)
			continue // with the folder that the target starts from, which was looked at before
		}
		if len(rest) == 0 {
			return nil
		}
		at, rest = filepath.Join(at, rest[0]), rest[1:]
	}
}

// split returns the names in a path.
func split(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// entry judges a folder or link on the way, or at the end.
func (t trust) entry(path string, info fs.FileInfo, last bool) error {
	st := info.Sys().(*syscall.Stat_t)
	if !slices.Contains(t.users, int(st.Uid)) && !(st.Uid == overflowID && someIDsUnmapped()) {
		return &unsafeError{path, fmt.Sprintf("belongs to somebody else (user %d)", st.Uid), ""}
	}
	if !info.IsDir() || info.Mode()&fs.ModeSticky != 0 && !last {
		return nil // nobody but its owner can replace a link, or what lies in such a folder
	}
	if info.Mode().Perm()&0o002 != 0 {
		return &unsafeError{path, "can be written to by everybody", "chmod o-w " + shell.Word(path)}
	}
	private := st.Gid == 0 || st.Gid == st.Uid
	if info.Mode().Perm()&0o020 != 0 && !private && !(last && t.anyGroup) {
		return &unsafeError{path, fmt.Sprintf("can be written to by a group (%d)", st.Gid), "chmod g-w " + shell.Word(path)}
	}
	return nil
}

// overflowID is who files belong to whose owner has no id in a user namespace.
const overflowID = 65534

// dropRoot makes this process nobody's for good.
func dropRoot() error {
	return errors.Join(syscall.Setgroups(nil), syscall.Setgid(overflowID), syscall.Setuid(overflowID))
}

// someIDsUnmapped reports whether this is a user namespace in which root may have no id.
func someIDsUnmapped() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.Join(strings.Fields(string(text)), " ") != "0 0 4294967295"
}

// checkFolders refuses state and cache folders that others could change: what is in the
// state is trusted, and a cache's file could change after it was verified. A group may
// share a cache.
func checkFolders(state, cache string, users ...int) error {
	for _, f := range []struct {
		what, path string
		trust
	}{
		{"state", state, trust{users: append(users, 0)}},
		{"cache", cache, trust{users: append(users, 0), anyGroup: true}},
	} {
		err := f.check(f.path)
		bad := (*unsafeError)(nil)
		switch {
		case f.path == "" || err == nil:
		case !errors.As(err, &bad):
			return folderError(f.what, f.path, err)
		default:
			advice := fmt.Sprintf("name another folder: --%s-dir DIR", f.what)
			if bad.command != "" {
				advice = "if nobody is to write there: " + bad.command + "; or " + advice
			}
			return &codedError{exitOutput, fmt.Sprintf("%s folder %s is not safe: %v", f.what, f.path, bad), []string{advice}}
		}
	}
	return nil
}

// keepClosed makes a folder, or takes one that is ours, and lets nobody else into it.
// What builders leave below may have set-uid bits, which hold for whoever gets there.
func keepClosed(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return &os.PathError{Op: "use", Path: dir, Err: syscall.ENOTDIR}
	case info.Mode().Perm() != 0o700:
		return os.Chmod(dir, 0o700)
	}
	return nil
}
