package binfmt

import (
	"errors"
	"io/fs"
	"os"

	"nixsd-native/internal/durable"
)

// readJournal is nil if there is no journal or none that can be trusted.
func (s *share) readJournal() *Journal {
	data, err := readBounded(s.root.FS(), journalFile, maxJournal)
	if err != nil {
		return nil
	}
	j, err := ParseJournal(data)
	if err != nil {
		return nil
	}
	return &j
}

// writeJournal replaces the journal so that a reader, or a crash, finds the
// old one or the new one whole.
func (s *share) writeJournal(j Journal) error {
	data, err := j.encode()
	if err != nil {
		return err
	}
	f, err := s.root.OpenFile(journalTemp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := s.root.Rename(journalTemp, journalFile); err != nil {
		return err
	}
	return durable.Folder(s.root.Open("."))
}

func (s *share) removeJournal() error {
	err := s.root.Remove(journalFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(err, durable.Folder(s.root.Open(".")))
}
