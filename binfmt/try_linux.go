package binfmt

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
)

// tryMagic is how many random bytes a file would have to begin with to meet the handler
// of Try.
const tryMagic = 32

// Try finds out whether the host takes handlers: it registers one that no file there is
// meets, reads it back and removes it. Where a handler of this program's is registered it
// does nothing. Errors are those of [Acquire], and after each the host is as before; what
// a kill leaves, [Recover] removes.
func Try(ctx context.Context, dir string, host *Host) error {
	s, err := openShare(ctx, dir, host)
	if err != nil {
		return err
	}
	return errors.Join(s.try(ctx), s.close())
}

func (s *share) try(ctx context.Context) error {
	alone, err := s.alone()
	if !alone || err != nil || s.present(s.readJournal()) {
		return err
	}
	magic := make([]byte, tryMagic)
	rand.Read(magic)
	want := Want{
		Entry:          Entry{Name: Name + "-try", Magic: magic, Interpreter: "/proc/self/exe", Flags: FlagsPlain},
		EmulatorSHA256: strings.Repeat("0", 64), // it is none
	}
	if err := s.install(ctx, want, false, Mounted{}); err != nil {
		return err
	}
	return s.remove(s.readJournal(), want.Entry.Name)
}
