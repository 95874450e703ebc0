package fetch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// CacheAt is [OpenCache] for who only reads: it makes nothing. A folder that is not there
// is an empty cache to [Cache.Verify]; to other methods it is a [*StorageError].
func CacheAt(dir string) *Cache { return &Cache{dir: filepath.Clean(dir)} }

// DamagedError says that the cache has a file under the name of a sha256 that it does
// not have.
type DamagedError struct {
	Path   string
	SHA256 string // wanted
	Err    error  // what is wrong: another hash, or why it cannot be read
}

func (e *DamagedError) Error() string { return fmt.Sprintf("%s: %v", e.Path, e.Err) }

// Verify looks for a file as [Cache.Find] does, but changes nothing: what is damaged
// stays, and what lies under another name gets none. It fails with a [*DamagedError] if
// there is nothing but a damaged file, with a [*NotCachedError], a [*StorageError] or
// ctx.Err().
func (c *Cache) Verify(ctx context.Context, sha256 string, size int64) (Entry, error) {
	sum, err := parseSum(sha256)
	if err != nil {
		return Entry{}, err
	}
	own, foreign, err := c.candidates(lookup{sum: sum, size: size, foreign: true})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Entry{}, &StorageError{Dir: c.dir, Err: err}
	}
	var bad error = &NotCachedError{SHA256: sum, Dir: c.dir}
	for i, name := range append(own, foreign...) {
		path := filepath.Join(c.dir, name)
		got, info, err := hashFile(ctx, path)
		switch {
		case ctx.Err() != nil:
			return Entry{}, ctx.Err()
		case err == nil && got == sum:
			return Entry{Path: path, SHA256: sum, Size: info.Size()}, nil
		case i >= len(own) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotRegular):
			continue
		case err == nil:
			err = fmt.Errorf("its sha256 is %s", got)
		}
		bad = &DamagedError{Path: path, SHA256: sum, Err: err}
	}
	return Entry{}, bad
}
