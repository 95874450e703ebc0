package fetch

import (
	"context"
	"io"
)

// Entry is a file in the cache.
type Entry struct {
	Path   string
	SHA256 string // lower-case hex
	Size   int64  // bytes

	// URL is where a learned file came from in the end: after redirects,
	// without user name and password. Empty for one of Add.
	URL string
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
