package binfmt

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Files of the shared folder.
const (
	gateFile    = "handler.gate"  // locked exclusively for each change
	usersFile   = "handler.users" // locked shared by every user, for its life
	journalFile = "handler.json"
	journalTemp = "handler.json.tmp"
)

// share is the open shared folder.
type share struct {
	root  *os.Root
	gate  *os.File // nil outside the gate
	users *os.File
	host  *Host
	boot  string
}

// openShare opens the folder and enters the gate.
func openShare(ctx context.Context, dir string, host *Host) (*share, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, folderError(dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, folderError(dir, err)
	}
	s := &share{root: root, host: host}
	if s.boot, err = bootID(); err == nil {
		err = s.checkOwner()
	}
	if err == nil {
		s.users, err = s.openLock(usersFile)
	}
	if err == nil {
		err = s.enterGate(ctx)
	}
	if err != nil {
		return nil, errors.Join(folderError(dir, err), s.close())
	}
	return s, nil
}

// folderError tells "you are not root" from other trouble with the folder.
func folderError(dir string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return &PermissionError{Op: "use the folder of the handler", Err: err}
	}
	return err
}

// checkOwner refuses a folder in which somebody else could forge a journal.
func (s *share) checkOwner() error {
	info, err := s.root.Stat(".")
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) != os.Geteuid() || info.Mode().Perm()&0o022 != 0 {
		return &FolderError{Path: s.root.Name()}
	}
	return nil
}

// openLock's files are closed to others, who could otherwise hold the lock.
func (s *share) openLock(name string) (*os.File, error) {
	return s.root.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
}

func (s *share) enterGate(ctx context.Context) error {
	gate, err := s.openLock(gateFile)
	if err != nil {
		return err
	}
	if err := waitLock(ctx, gate); err != nil {
		return errors.Join(err, gate.Close())
	}
	s.gate = gate
	return nil
}

func (s *share) leaveGate() error {
	gate := s.gate
	s.gate = nil
	return gate.Close()
}

// close drops all locks.
func (s *share) close() error {
	var errs []error
	for _, f := range []*os.File{s.users, s.gate} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(append(errs, s.root.Close())...)
}

// alone finds out whether no other process uses the handler, by taking the
// users' lock for itself. On false a shared lock held before is lost.
func (s *share) alone() (bool, error) { return tryLock(s.users, unix.LOCK_EX) }

// bootID is the kernel's random id of this boot.
func bootID() (string, error) {
	text, err := readBounded(os.DirFS("/proc/sys/kernel/random"), "boot_id", 64) // a UUID and a newline
	return string(bytes.TrimSpace(text)), err
}
