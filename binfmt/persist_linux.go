package binfmt

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Recover removes a handler that a killed build left on the host, and says
// whether there was one. A handler in use, or registered to stay, is left.
// Where no journal tells of a build it makes nothing and waits for nobody.
func Recover(ctx context.Context, dir string, host *Host) (removed bool, err error) {
	if !hasJournal(dir) {
		return false, nil
	}
	s, err := openShare(ctx, dir, host)
	if err != nil {
		return false, err
	}
	removed, err = s.sweep(ctx)
	return removed, errors.Join(err, s.close())
}

// Inherit is Recover by who outlives a killed process. It tries again until ctx ends: a
// child that was just being started has the dead one's lock until its own exec or end, and
// what the dead one was about to change may be in the way for a moment.
func Inherit(ctx context.Context, dir string, host *Host) error {
	for hasJournal(dir) {
		removed, err := Recover(ctx, dir, host)
		if removed {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(lockPoll):
		}
	}
	return nil
}

func (s *share) sweep(ctx context.Context) (bool, error) {
	alone, err := s.alone()
	if !alone || err != nil {
		return false, err
	}
	if _, err := s.root.Lstat(journalFile); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	j := s.readJournal()
	if j != nil && j.Persistent && j.BootID == s.boot {
		return false, nil
	}
	err = s.removeUnseen(ctx, j)
	return err == nil, err
}

// removeUnseen is remove where binfmt_misc may be out of sight: in another mount
// namespace, or gone with that of a killed build, which before Linux 6.7 its handler
// outlives.
func (s *share) removeUnseen(ctx context.Context, j *Journal) error {
	there, err := s.host.Mounted()
	if err != nil {
		return err
	}
	if j != nil && !there && j.BootID == s.boot {
		if j.Mount, err = s.host.Mount(ctx); err != nil {
			return err
		}
	}
	return s.remove(j, Name)
}

// RegisterPersistent registers want so that it stays after the last build,
// until [UnregisterPersistent] or a reboot. A handler of another emulator is
// replaced if no build uses it, else it is a [*BusyError]. See [Acquire].
func RegisterPersistent(ctx context.Context, dir string, host *Host, want Want) error {
	s, err := openShare(ctx, dir, host)
	if err != nil {
		return err
	}
	return errors.Join(s.serve(ctx, want, true), s.close())
}

// UnregisterPersistent removes the handler whether it was to stay or was left
// over. If builds use it, it is only marked, and the last of them removes it:
// then inUse is true.
func UnregisterPersistent(ctx context.Context, dir string, host *Host) (inUse bool, err error) {
	s, err := openShare(ctx, dir, host)
	if err != nil {
		return false, err
	}
	inUse, err = s.unstay()
	return inUse, errors.Join(err, s.close())
}

func (s *share) unstay() (inUse bool, err error) {
	alone, err := s.alone()
	if err != nil {
		return false, err
	}
	j := s.readJournal()
	if alone {
		return false, s.remove(j, Name)
	}
	if j != nil && j.Persistent {
		j.Persistent = false
		return true, s.writeJournal(*j)
	}
	return true, nil
}

// Usage says whether builds use the host's handler.
type Usage string

// The values of [Usage]; only root can tell the first two apart.
const (
	UsageNone    Usage = "none"
	UsageSome    Usage = "some"
	UsageUnknown Usage = "unknown"
)

// Status is the state of the host's binfmt_misc and of this program's handler.
type Status struct {
	Mounted bool         `json:"mounted"`
	Enabled bool         `json:"enabled"` // false also if not mounted
	Handler *Registered  `json:"handler"` // nil if not registered
	Journal *Journal     `json:"journal"` // nil if there is none, or it is not of this boot
	Usage   Usage        `json:"usage"`
	Foreign []Registered `json:"foreign"` // others that take aarch64 programs
}

// ReadStatus looks without changing anything, as any user. With an error comes
// what could be found out.
func ReadStatus(ctx context.Context, dir string, host *Host) (Status, error) {
	st := Status{Usage: UsageUnknown}
	var err error
	if st.Mounted, err = host.Mounted(); err != nil {
		return st, err
	}
	if st.Mounted {
		if st.Enabled, err = host.Enabled(); err != nil {
			return st, err
		}
	}
	all, err := host.List()
	for i := range all {
		if all[i].Name == Name {
			st.Handler = &all[i]
		}
	}
	st.Foreign = Foreign(all, Name)
	return st, errors.Join(err, st.readShare(ctx, dir, host))
}

func (st *Status) readShare(ctx context.Context, dir string, host *Host) error {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		st.Usage = UsageNone
		return nil
	}
	if err != nil {
		return err
	}
	s := &share{root: root, host: host}
	if s.boot, err = bootID(); err == nil {
		if j := s.readJournal(); j != nil && j.BootID == s.boot {
			st.Journal = j
		}
		st.Usage, err = s.usage(ctx)
	}
	return errors.Join(err, s.close())
}

// usage asks for the lock behind the gate, so that nobody who comes or goes
// meanwhile takes this process for a user.
func (s *share) usage(ctx context.Context) (Usage, error) {
	var err error
	if s.users, err = s.root.OpenFile(usersFile, unix.O_RDWR, 0); err == nil {
		err = s.enterGate(ctx)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return UsageNone, nil
	case errors.Is(err, fs.ErrPermission):
		return UsageUnknown, nil
	case err != nil:
		return UsageUnknown, err
	}
	alone, err := s.alone()
	if alone || err != nil {
		return UsageNone, err
	}
	return UsageSome, nil
}
