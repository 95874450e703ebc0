package debian

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"
)

// Document fetches a small file whose content is not known beforehand, of at
// most max bytes, from the first of urls that has it, and tells which that was.
type Document func(ctx context.Context, urls []string, max int64) (data []byte, from string, err error)

// File fetches a file of known hash (64 lower-case hex digits) and size from
// the first of urls that has it, and returns where it lies, verified. name is
// a file name to show.
type File func(ctx context.Context, name, sha256 string, size int64, urls []string) (path string, err error)

// Archive reads suites of the Debian archive.
type Archive struct {
	Mirrors  []string // URLs of the folder with dists and pool, best first
	Keys     Keyring  // whose signatures count, see [ArchiveKeys]
	Document Document
	File     File
	// Now returns the time to check validity at; nil means time.Now.
	Now func() time.Time
	// Open opens a file for reading, decompressed according to its first
	// bytes. How much memory that takes is up to the file, but it gets only
	// files that matched their pins.
	Open func(path string) (io.ReadCloser, error)
}

// Release fetches and verifies the release file of a suite, such as "trixie",
// "stable" or "sid". A mirror whose file is missing, does not verify, has
// expired, or is that of another suite, is passed over.
//
// The error is that of the context, or a *MirrorsError: of each mirror that was
// passed over a *SignatureError, *ExpiredError, *SuiteError or *FormatError, and
// that of Document about the others.
func (a *Archive) Release(ctx context.Context, suite string) (*Release, error) {
	if !isPlainName(suite) {
		return nil, &FormatError{What: "suite name", Reason: fmt.Sprintf("%q", suite)}
	}
	var urls []string
	for _, mirror := range a.Mirrors {
		urls = append(urls, joinURL(mirror, "dists", suite, "InRelease"))
	}
	var errs []error
	for len(urls) > 0 {
		data, from, err := a.Document(ctx, urls, maxRelease)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			errs = append(errs, err)
			break
		}
		r, err := a.release(data, suite)
		if err == nil {
			return r, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", from, err))
		urls = slices.DeleteFunc(urls, func(u string) bool { return u == from })
	}
	return nil, &MirrorsError{Suite: suite, Errs: errs}
}

func (a *Archive) release(data []byte, suite string) (*Release, error) {
	now := time.Now
	if a.Now != nil {
		now = a.Now
	}
	r, err := ParseRelease(data, a.Keys, now())
	if err != nil {
		return nil, err
	}
	if suite != r.Suite && suite != r.Codename {
		return nil, &SuiteError{Asked: suite, Suite: r.Suite, Codename: r.Codename}
	}
	r.dist = suite
	return r, nil
}

// Index fetches and reads the package index of a component (such as "main")
// and an architecture in Debian's words (such as "amd64" or "arm64").
//
// The error is a *NotListedError, a *FormatError, or that of File, Open or
// reading, wrapped.
func (a *Archive) Index(ctx context.Context, r *Release, component, arch string) (*Index, error) {
	folder := component + "/binary-" + arch
	if !isPlainName(component) || !isPlainName(arch) {
		return nil, &FormatError{What: "index name", Reason: fmt.Sprintf("%q", folder)}
	}
	listed, entry, err := r.index(folder)
	if err != nil {
		return nil, err
	}
	name := strings.ReplaceAll(r.name()+"/"+listed, "/", "_")
	file, err := a.File(ctx, name, entry.SHA256, entry.Size, a.indexURLs(r, listed, entry))
	if err != nil {
		return nil, err
	}
	rc, err := a.Open(file)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	ix, err := ParseIndex(ctxReader{ctx, rc})
	if err != nil {
		var malformed *FormatError
		if errors.As(err, &malformed) {
			malformed.What = name
		}
		return nil, err
	}
	return ix, nil
}

// index returns the path and pin of the index in a folder, the best compressed
// one first. Releases list the plain index even if mirrors do not have it.
func (r *Release) index(folder string) (string, Entry, error) {
	for _, ext := range []string{".xz", ".gz", ""} {
		p := folder + "/Packages" + ext
		if e, ok := r.Files[p]; ok {
			return p, e, nil
		}
	}
	return "", Entry{}, &NotListedError{Suite: r.name(), Path: folder + "/Packages"}
}

// indexURLs names an index by its hash at every mirror first: while a mirror is
// being updated, the plain name can already be another version.
func (a *Archive) indexURLs(r *Release, listed string, e Entry) []string {
	var byHash, plain []string
	for _, m := range a.Mirrors {
		dist := joinURL(m, "dists", r.name())
		if r.AcquireByHash {
			byHash = append(byHash, joinURL(dist, path.Dir(listed), "by-hash/SHA256", e.SHA256))
		}
		plain = append(plain, joinURL(dist, listed))
	}
	return append(byHash, plain...)
}

func joinURL(base string, elem ...string) string {
	return strings.TrimRight(base, "/") + "/" + strings.Join(elem, "/")
}

// ctxReader ends with the error of a context.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
