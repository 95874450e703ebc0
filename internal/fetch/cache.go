package fetch

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	partialDir = ".partial"
	lockDir    = ".lock"

	// maxEntries bounds how much of the cache folder a look-up reads.
	maxEntries = 65536
	readChunk  = 1024
)

// Cache is a folder of files named <sha256 hex>-<name>. Nothing in it is
// trusted: every Find hashes. The folder may be shared by several users; what
// one of them can write, one with more rights must hash again from the
// descriptor it uses.
type Cache struct {
	dir string
}

// OpenCache returns the cache in dir. It makes dir with mode 0755 unless it is
// there; a folder that is there keeps its mode and may be read-only as long as
// nothing is missing. It fails with a [*StorageError].
func OpenCache(dir string) (*Cache, error) {
	if dir == "" {
		return nil, &StorageError{Dir: dir, Err: errors.New("the path is empty")}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, &StorageError{Dir: dir, Err: err}
	}
	return &Cache{dir: filepath.Clean(dir)}, nil
}

// Dir returns the cache folder as given to [OpenCache], cleaned.
func (c *Cache) Dir() string { return c.dir }

// Find returns the path of the file with this sha256 (64 hex digits).
//
// It hashes the files named after the sum first. Then it looks for a file that
// somebody copied into the folder under another name: one of size bytes, or,
// when size is 0, any that is not named after a sum. Such a file gets a second
// name (a hard link) under which the next look-up is quick. A file named after
// the sum with other content is removed if possible, and counts as absent.
// Symbolic links and whatever else is not a regular file are skipped.
//
// It fails with a [*NotCachedError], a [*StorageError] if the folder cannot be
// read, or ctx.Err().
func (c *Cache) Find(ctx context.Context, sha256 string, size int64) (path string, err error) {
	sum, err := parseSum(sha256)
	if err != nil {
		return "", err
	}
	return c.find(ctx, lookup{sum: sum, size: size, foreign: true})
}

// lookup is one question to the cache.
type lookup struct {
	sum     string // lower-case hex
	size    int64  // bytes, 0 if unknown
	foreign bool   // also look at files under other names
	locked  bool   // the caller holds the lock of sum
	report  func(Event)
}

func (c *Cache) find(ctx context.Context, l lookup) (string, error) {
	own, foreign, err := c.candidates(l)
	if err != nil {
		return "", &StorageError{Dir: c.dir, Err: err}
	}
	for _, name := range own {
		path := filepath.Join(c.dir, name)
		if c.checkOwn(ctx, l, path) {
			return path, nil
		}
	}
	for _, name := range foreign {
		path := filepath.Join(c.dir, name)
		if sum, _, err := hashFile(ctx, path); err == nil && sum == l.sum {
			return c.adopt(path, l.sum), nil
		}
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	return "", &NotCachedError{SHA256: l.sum, Dir: c.dir}
}

// candidates lists the regular files that may hold l.sum: those named after
// it, and those under other names.
func (c *Cache) candidates(l lookup) (own, foreign []string, err error) {
	dir, err := os.Open(c.dir)
	if err != nil {
		return nil, nil, err
	}
	defer dir.Close()
	for seen := 0; seen < maxEntries; seen += readChunk {
		entries, err := dir.ReadDir(readChunk)
		for _, e := range entries {
			switch {
			case !e.Type().IsRegular():
			case hashPrefix(e.Name()) == l.sum:
				own = append(own, e.Name())
			case l.foreign && mayHold(e, l.size):
				foreign = append(foreign, e.Name())
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, nil, err
		}
	}
	slices.Sort(own)
	slices.Sort(foreign)
	return own, foreign, nil
}

// mayHold reports whether a file under another name is worth hashing.
func mayHold(e fs.DirEntry, size int64) bool {
	if size == 0 {
		return hashPrefix(e.Name()) == ""
	}
	info, err := e.Info()
	return err == nil && info.Size() == size
}

// checkOwn reports whether the file at path, which is named after l.sum, holds
// it. One that does not is reported and dropped.
func (c *Cache) checkOwn(ctx context.Context, l lookup, path string) bool {
	sum, info, err := hashFile(ctx, path)
	switch {
	case err == nil && sum == l.sum:
		return true
	case ctx.Err() != nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, errNotRegular):
		return false
	case err == nil:
		err = fmt.Errorf("its sha256 is %s", sum)
		c.drop(l, path, info)
	}
	if l.report != nil {
		l.report(Event{Kind: EventBadEntry, Name: filepath.Base(path), Path: path, Err: err})
	}
	return false
}

// drop removes the file at path if it still is the one that was hashed. It
// does so under the lock only: without it, another process may have put a good
// file there meanwhile, and handed out its path.
func (c *Cache) drop(l lookup, path string, hashed fs.FileInfo) {
	if !l.locked {
		unlock, err := c.tryLock(l.sum)
		if err != nil {
			return
		}
		defer unlock()
	}
	if now, err := os.Lstat(path); err == nil && os.SameFile(now, hashed) {
		os.Remove(path)
	}
}

// adopt gives a verified file under another name a name after its sum, and
// returns the better path. A link, not a rename: other processes may be using
// the old name.
func (c *Cache) adopt(path, sum string) string {
	name := filepath.Base(path)
	if p := hashPrefix(name); p != "" {
		name = strings.TrimPrefix(name[len(p):], "-")
	}
	better := filepath.Join(c.dir, entryName(sum, name))
	if os.Link(path, better) != nil {
		return path
	}
	return better
}

// subdir returns the path of a folder inside the cache folder, which it makes
// if needed, as open to others as the cache folder itself.
func (c *Cache) subdir(name string) (string, error) {
	path := filepath.Join(c.dir, name)
	err := os.Mkdir(path, 0o755)
	if err == nil {
		if parent, err := os.Stat(c.dir); err == nil {
			shared := parent.Mode() & (fs.ModePerm | fs.ModeSetgid | fs.ModeSticky)
			os.Chmod(path, shared|0o700)
		}
		return path, nil
	}
	if !errors.Is(err, fs.ErrExist) {
		return "", &StorageError{Dir: c.dir, Err: err}
	}
	if info, lerr := os.Lstat(path); lerr != nil || !info.IsDir() {
		return "", &StorageError{Dir: c.dir, Err: cmp.Or(lerr, notFolder(path))}
	}
	return path, nil
}

// hashFile returns the sha256 of the regular file at path, as hex.
func hashFile(ctx context.Context, path string) (string, fs.FileInfo, error) {
	f, info, err := openRegular(path)
	if err != nil {
		return "", nil, err
	}
	defer f.Close()
	h := sha256.New()
	// One byte more than the size: a file that grows meanwhile does not fit.
	if _, err := copyBytes(ctx, h, io.LimitReader(f, info.Size()+1)); err != nil {
		return "", nil, err
	}
	return hex.EncodeToString(h.Sum(nil)), info, nil
}
