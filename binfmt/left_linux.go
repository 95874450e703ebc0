package binfmt

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"syscall"
)

// maxLocks bounds /proc/locks, in bytes.
const maxLocks = 4 << 20

// Left says whether killed builds left this program's handler on the host, for
// [Recover] to remove. Unlike Recover it takes no lock, and any user may ask.
func Left(dir string, host *Host) (bool, error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	s := &share{root: root, host: host}
	left, err := s.left()
	return left, errors.Join(err, s.close())
}

func (s *share) left() (left bool, err error) {
	if s.boot, err = bootID(); err != nil {
		return false, err
	}
	j := s.readJournal()
	if j == nil || j.Persistent || j.BootID != s.boot || !s.present(j) {
		return false, nil
	}
	held, err := s.held()
	if held || err != nil {
		return false, err
	}
	// A build that ended meanwhile took its journal along.
	return reflect.DeepEqual(j, s.readJournal()), nil
}

// held says whether somebody uses the handler, or is about to change it, by the
// kernel's list of locks (proc_locks(5)). It compares inode numbers alone, as not all
// file systems have the same device number there as in stat(2).
func (s *share) held() (bool, error) {
	locks, err := readBounded(os.DirFS("/proc"), "locks", maxLocks)
	if err != nil {
		return false, err
	}
	for _, name := range []string{usersFile, gateFile} {
		info, err := s.root.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, err
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if ok && bytes.Contains(locks, []byte(":"+strconv.FormatUint(st.Ino, 10)+" ")) {
			return true, nil
		}
	}
	return false, nil
}

// hasJournal is a look that neither waits nor makes anything.
func hasJournal(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, journalFile))
	return !errors.Is(err, fs.ErrNotExist)
}
