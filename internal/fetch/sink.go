package fetch

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"nixsd-native/internal/durable"
)

const (
	tempPrefix = "tmp-"

	// staleAfter is the age at which a temporary nobody wrote to is taken for
	// one that a killed process left.
	staleAfter = 24 * time.Hour
)

// ErrTooLarge says that a body or file is longer than its bound.
var ErrTooLarge = errors.New("larger than allowed")

// sink takes up one body, hashes it on the way and never lets it pass limit.
type sink struct {
	file  *os.File // nil: the body stays in mem
	mem   bytes.Buffer
	hash  hash.Hash
	n     int64 // bytes held
	limit int64
	exact bool   // limit is the size of the whole body
	dir   string // cache folder, for errors
}

func newSink(limit int64, exact bool) *sink {
	return &sink{hash: sha256.New(), limit: limit, exact: exact}
}

// openPartial returns a sink on the partial file of r, filled with what is
// there. The caller holds the lock of r.SHA256.
func (c *Cache) openPartial(ctx context.Context, r Request) (*sink, error) {
	dir, err := c.subdir(partialDir)
	if err != nil {
		return nil, err
	}
	s := newSink(r.limit())
	s.dir = c.dir
	if s.file, err = openPartialFile(filepath.Join(dir, r.SHA256)); err != nil {
		return nil, &StorageError{Dir: c.dir, Err: err}
	}
	if err := s.refill(ctx); err != nil {
		s.file.Close() // not s.close: what is there stays
		return nil, err
	}
	return s, nil
}

// openTemp returns a sink on a new file for a body whose hash is not known.
func (c *Cache) openTemp(limit int64, exact bool) (*sink, error) {
	dir, err := c.subdir(partialDir)
	if err != nil {
		return nil, err
	}
	removeStale(dir, time.Now().Add(-staleAfter))
	s := newSink(limit, exact)
	s.dir = c.dir
	path := filepath.Join(dir, tempPrefix+rand.Text())
	if s.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644); err != nil {
		return nil, &StorageError{Dir: c.dir, Err: err}
	}
	return s, nil
}

// removeStale removes temporaries not written to since the given time.
func removeStale(dir string, since time.Time) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() &&
			strings.HasPrefix(e.Name(), tempPrefix) && info.ModTime().Before(since) {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// refill hashes what the file holds from an earlier run.
func (s *sink) refill(ctx context.Context) error {
	n, err := copyBytes(ctx, s.hash, io.LimitReader(s.file, s.limit+1))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil || n > s.limit {
		return s.reset()
	}
	s.n = n
	return nil
}

// write appends p. It fails with ErrTooLarge or a *StorageError.
func (s *sink) write(p []byte) error {
	if int64(len(p)) > s.limit-s.n {
		return ErrTooLarge
	}
	if s.file == nil {
		s.mem.Write(p)
	} else if _, err := s.file.WriteAt(p, s.n); err != nil {
		return &StorageError{Dir: s.dir, Err: err}
	}
	s.hash.Write(p)
	s.n += int64(len(p))
	return nil
}

// Write makes a sink an io.Writer.
func (s *sink) Write(p []byte) (int, error) {
	if err := s.write(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// reset starts again from the first byte.
func (s *sink) reset() error {
	s.n = 0
	s.hash.Reset()
	s.mem.Reset()
	if s.file == nil {
		return nil
	}
	if err := s.file.Truncate(0); err != nil {
		return &StorageError{Dir: s.dir, Err: err}
	}
	return nil
}

func (s *sink) sum() string { return hex.EncodeToString(s.hash.Sum(nil)) }

// close keeps what has arrived for the next run; an empty file goes. After
// commit it does nothing.
func (s *sink) close() {
	if s.file == nil {
		return
	}
	if s.n == 0 {
		os.Remove(s.file.Name())
	} else {
		s.file.Truncate(s.n) // gives reserved blocks back
	}
	s.file.Close()
	s.file = nil
}

// discard removes the file. After commit it does nothing.
func (s *sink) discard() {
	s.n = 0
	s.close()
}

// commit moves the complete file into the cache and returns its path. The
// caller holds the lock of sum.
func (c *Cache) commit(s *sink, sum, name string) (string, error) {
	path := filepath.Join(c.dir, entryName(sum, name))
	err := s.file.Truncate(s.n)
	if err == nil {
		err = s.file.Sync()
	}
	if err == nil {
		err = os.Rename(s.file.Name(), path)
	}
	if err == nil {
		s.file.Close()
		s.file = nil
		err = durable.Folder(os.Open(c.dir))
	}
	if err != nil {
		return "", &StorageError{Dir: c.dir, Err: err}
	}
	return path, nil
}
