package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// MaxImport bounds a file taken by [Cache.Import], in bytes. QEMU's package is
// the largest known use, at 73 MB.
const MaxImport = 1 << 30

// Entry is a file in the cache.
type Entry struct {
	Path   string
	SHA256 string // lower-case hex
	Size   int64  // bytes

	// URL is where a learned file came from in the end: after redirects,
	// without user name and password. Empty for an imported file.
	URL string
}

// Import copies the regular file at path into the cache under name (if empty,
// the file's own), hashing it on the way. If the cache has it already, that
// entry is returned. What is wrong with the file itself (missing, not regular,
// more than [MaxImport] bytes) is an [*os.PathError]; other errors are those of
// [Cache.Add].
func (c *Cache) Import(ctx context.Context, path, name string) (Entry, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = &os.PathError{Op: "import", Path: path, Err: errNotRegular}
	}
	if err == nil && info.Size() > MaxImport {
		err = tooLarge(path)
	}
	if err != nil {
		return Entry{}, err
	}
	f, err := os.Open(path)
	if err != nil {
		return Entry{}, err
	}
	defer f.Close()
	if name == "" {
		name = filepath.Base(path)
	}
	e, err := c.Add(ctx, f, name, MaxImport)
	if errors.Is(err, ErrTooLarge) {
		err = tooLarge(path) // it grew meanwhile
	}
	return e, err
}

func tooLarge(path string) error {
	return &os.PathError{Op: "import", Path: path, Err: fmt.Errorf("%w: more than %d bytes", ErrTooLarge, MaxImport)}
}

// Add copies what r holds, at most limit bytes, into the cache under name,
// hashing it on the way. If the cache has it already, that entry is returned.
// It fails with [ErrTooLarge], the error of r, a [*StorageError] or ctx.Err().
func (c *Cache) Add(ctx context.Context, r io.Reader, name string, limit int64) (Entry, error) {
	s, err := c.openTemp(limit, false)
	if err != nil {
		return Entry{}, err
	}
	defer s.discard()
	if _, err := copyBytes(ctx, s, r); err != nil {
		return Entry{}, err
	}
	return c.keep(ctx, s, name)
}

// keep moves a complete body into the cache unless it is there.
func (c *Cache) keep(ctx context.Context, s *sink, name string) (Entry, error) {
	e := Entry{SHA256: s.sum(), Size: s.n}
	unlock, err := c.lock(ctx, e.SHA256, nil)
	if err != nil {
		return Entry{}, err
	}
	defer unlock()
	e.Path, err = c.find(ctx, lookup{sum: e.SHA256, size: e.Size, locked: true})
	if isNotCached(err) {
		e.Path, err = c.commit(s, e.SHA256, name)
	}
	if err != nil {
		return Entry{}, err
	}
	return e, nil
}
