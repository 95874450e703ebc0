package binfmt

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Want is the handler that a build needs.
type Want struct {
	Entry          Entry  // from [AArch64]
	EmulatorSHA256 string // of Entry.Interpreter, lower-case hex
}

// A Lease keeps the host's handler registered. The kernel ends it when the
// process dies; then the next to come or the last to leave cleans up.
type Lease struct {
	share *share
	name  string
}

// Acquire makes the host's handler serve want and holds it. dir is a folder
// that all builds share (created if missing), on a file system that is
// emptied at boot or not. A handler that killed builds left is removed first;
// one with the same emulator is shared; with another it is a [*BusyError].
// The other errors are those of [Host.Mount] and [RegisterAt]; after an error
// the host is as before.
func Acquire(ctx context.Context, dir string, host *Host, want Want) (*Lease, error) {
	s, err := openShare(ctx, dir, host)
	if err != nil {
		return nil, err
	}
	if err := s.serve(ctx, want, false); err != nil {
		return nil, errors.Join(err, s.close())
	}
	// From here on others see a user. Nobody can be in the way: exclusive
	// locks are only taken behind the gate.
	if got, err := tryLock(s.users, unix.LOCK_SH); err != nil || !got {
		return nil, errors.Join(fmt.Errorf("cannot share the lock %s", s.users.Name()), err, s.close())
	}
	return &Lease{share: s, name: want.Entry.Name}, s.leaveGate()
}

// Release ends the lease; whoever is last removes the handler, unless it is
// registered to stay, and unmounts what [Acquire] mounted. ctx bounds the wait
// for other builds that are just coming or going. After an error the next run
// cleans up. A second call does nothing.
func (l *Lease) Release(ctx context.Context) error {
	s := l.share
	if s == nil {
		return nil
	}
	l.share = nil
	if err := s.enterGate(ctx); err != nil {
		return errors.Join(err, s.close())
	}
	return errors.Join(s.leave(l.name), s.close())
}

// serve brings the handler into the state that want asks for.
func (s *share) serve(ctx context.Context, want Want, persistent bool) error {
	if err := want.check(); err != nil {
		return err
	}
	alone, err := s.alone()
	if err != nil {
		return err
	}
	j := s.readJournal()
	switch s.decide(alone, j, want, persistent) {
	case stepJoin:
		if persistent && !j.Persistent {
			j.Persistent = true
			return s.writeJournal(*j)
		}
		return nil
	case stepRestore:
		return s.install(ctx, want, persistent || j.Persistent, j.Mount)
	case stepReplace:
		if err := s.remove(j, want.Entry.Name); err != nil {
			return err
		}
		return s.install(ctx, want, persistent, Mounted{})
	}
	return busy(j, want)
}

// decide lets whoever registers to stay replace what stays, if nobody uses it.
func (s *share) decide(alone bool, j *Journal, want Want, persistent bool) step {
	choice := decide(alone, j, s.present(j), s.boot, want.EmulatorSHA256)
	if choice == stepBusy && alone && persistent {
		return stepReplace
	}
	return choice
}

func busy(j *Journal, want Want) error {
	err := &BusyError{Name: want.Entry.Name}
	if j != nil {
		err.Holder, err.Persistent = *j, j.Persistent
	}
	return err
}

func (w Want) check() error {
	problem := w.Entry.problem()
	switch {
	case problem != "":
	case !ours(w.Entry.Name):
		problem = "the name does not begin with " + Name
	case w.Entry.Offset != 0 || string(w.Entry.Magic) != aarch64Magic || string(w.Entry.Mask) != aarch64Mask:
		problem = "it is not for aarch64 programs"
	case !isHex(w.EmulatorSHA256, 64):
		problem = fmt.Sprintf("%q is not a sha256 in hex", w.EmulatorSHA256)
	default:
		return nil
	}
	return &EntryError{Name: w.Entry.Name, Problem: problem}
}

// present says whether the kernel has the handler of j, unaltered and on.
func (s *share) present(j *Journal) bool {
	if there, err := s.host.Mounted(); j == nil || !there || err != nil {
		return false
	}
	r, err := readEntry(os.DirFS(s.host.dir()), j.Name)
	return err == nil && r.Matches(j.Entry())
}

// install journals, mounts and registers, in this order. mount is how the
// instance that may already be there came to be.
func (s *share) install(ctx context.Context, want Want, persistent bool, mount Mounted) error {
	there, err := s.host.Mounted()
	if err != nil {
		return err
	}
	j := s.journalFor(want, persistent)
	j.Mount = mount
	if !there { // a claim without an id, should we die before there is one
		j.Mount = Mounted{Ours: true}
	}
	if err := s.writeJournal(j); err != nil {
		return err
	}
	if !there {
		if j.Mount, err = s.host.Mount(ctx); err == nil {
			err = s.writeJournal(j)
		}
	}
	if err == nil {
		err = s.host.Register(ctx, want.Entry)
	}
	if err != nil {
		return errors.Join(err, s.remove(&j, j.Name))
	}
	return nil
}

func (s *share) journalFor(want Want, persistent bool) Journal {
	return Journal{
		Version:        journalVersion,
		Name:           want.Entry.Name,
		Interpreter:    want.Entry.Interpreter,
		Flags:          want.Entry.Flags,
		EmulatorSHA256: want.EmulatorSHA256,
		BootID:         s.boot,
		PID:            os.Getpid(),
		Persistent:     persistent,
	}
}

// remove clears away what j records; without a journal, the handler called
// name. The journal outlives a failure, for the next try.
func (s *share) remove(j *Journal, name string) error {
	if j != nil && j.BootID == s.boot {
		if err := errors.Join(s.host.Unregister(j.Name), s.host.Unmount(j.Mount)); err != nil {
			return err
		}
	} else if err := s.host.Unregister(name); err != nil {
		return err
	}
	return s.removeJournal()
}

// leave removes the handler if nobody else uses it and it is not to stay.
func (s *share) leave(name string) error {
	alone, err := s.alone()
	if !alone || err != nil {
		return err
	}
	j := s.readJournal()
	if j != nil && j.Persistent && j.BootID == s.boot {
		return nil
	}
	return s.remove(j, name)
}
