package fetch

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// Bounds and defaults.
const (
	// DefaultMaxSize bounds a body when a [Request] has neither Size nor
	// MaxSize, in bytes.
	DefaultMaxSize = 1 << 30
	// DefaultMaxDocument bounds a document whose caller names no bound, in
	// bytes.
	DefaultMaxDocument = 1 << 20

	defaultAttempts = 4
	defaultBackoff  = 500 * time.Millisecond
	defaultStall    = 30 * time.Second
	defaultAgent    = "nixsd-native"
	defaultParallel = 4

	// maxPause bounds every wait between attempts, also what a source asks for
	// with Retry-After.
	maxPause = 30 * time.Second
)

// Request is a file to get.
type Request struct {
	Name    string   // shown to people and kept in the cache; if empty, the first URL's last element
	SHA256  string   // 64 hex digits; required by File, empty for Learn
	Size    int64    // bytes, 0 if unknown
	MaxSize int64    // bound in bytes when Size is 0; 0 means DefaultMaxSize
	URLs    []string // http and https, tried in order, or in that of a race
}

// Client downloads. Its zero value with a Cache works.
//
// A source is asked Attempts times in a row without success before the next
// one's turn; an attempt that brings at least 1 MiB more than any before makes
// the count start anew. 5xx, 429, 408, time-outs, stalls, broken connections
// and short bodies are asked again, from where they stopped (Range). But after an
// attempt that made no connection, or stalled before the first byte of the body,
// sources that had no turn yet come before the attempts that are left, unless
// their hosts come last. Any other answer but 200 and 206, a host name or
// certificate that does not exist or fit, too many redirects, a body of another
// length and a wrong hash end the source's turn at once.
//
// A host whose turn was put off so, or that was given up without an answer of use, comes
// last for further files, and is asked once if it was given up. One that had none of 3
// files in a row whose hash is known comes last, too, see [Hosts].
//
// For a file of at least 16 MiB with a known hash, the first three sources on different
// hosts race: all are asked at the same time, until one has brought 1 MiB or a second
// has passed since the first byte. The fastest goes on over the connection it has, so
// its bytes come once; the others are cancelled and stay what is tried after it, in the
// order in which they came in. Where only an answer can tell the size, the first source
// is asked alone for up to a second.
type Client struct {
	Cache   *Cache       // needed by all but Document
	HTTP    *http.Client // from NewHTTPClient; nil means one without proxies. Its redirect policy is replaced.
	Hosts   *Hosts       // shared by all that download at the same time; nil means that hosts are not remembered
	Offline bool         // open no connection; what is not cached is an *OfflineError

	Attempts     int           // per source; 0 means 4
	Backoff      time.Duration // first pause, then doubled up to 30 s, less up to a half by chance; 0 means 500 ms
	StallTimeout time.Duration // time without a byte after which a connection is given up; 0 means 30 s
	UserAgent    string        // empty means "nixsd-native"

	// Progress, if not nil, is told how many of total bytes (0 if unknown) are
	// here: about ten times a second per file, and once at its end. A file
	// found in the cache makes no call; a restarted one goes backwards.
	Progress func(name string, done, total int64)
	// Report, if not nil, is told of retries, sources given up and bad cache
	// entries. With Files, neither func is called twice at the same time.
	Report func(Event)
}

// File returns the path of the file with the request's hash: from the cache,
// else from the first source that has it. What is left of a cancelled or
// failed download is resumed by the next call, in whatever process.
//
// It fails with a [*HashError] if a source delivered another file and no other
// source the right one, with a [*NetworkError] if the sources delivered none,
// with an [*OfflineError], a [*StorageError] or ctx.Err().
func (c *Client) File(ctx context.Context, r Request) (path string, err error) {
	if r, err = r.checked(); err != nil {
		return "", err
	}
	if r.SHA256 == "" {
		return "", fmt.Errorf("download %s: no sha256 given", r.Name)
	}
	path, err = c.Cache.find(ctx, lookup{sum: r.SHA256, size: r.Size, foreign: true, report: c.report})
	if !isNotCached(err) {
		return path, err
	}
	if c.Offline {
		return "", &OfflineError{Dir: c.Cache.dir, Missing: []Missing{r.missing()}}
	}
	unlock, err := c.Cache.lock(ctx, r.SHA256, func() { c.report(Event{Kind: EventWaiting, Name: r.Name}) })
	if err != nil {
		return "", err
	}
	defer unlock()
	path, err = c.Cache.find(ctx, lookup{sum: r.SHA256, size: r.Size, locked: true, report: c.report})
	if !isNotCached(err) {
		return path, err
	}
	return c.download(ctx, r)
}

// download brings a file into the cache. The caller holds its lock.
func (c *Client) download(ctx context.Context, r Request) (path string, err error) {
	s, err := c.Cache.openPartial(ctx, r)
	if err != nil {
		return "", err
	}
	defer s.close()
	if s.sum() != r.SHA256 { // a killed process may have left it complete
		err = c.fill(ctx, r, s)
	}
	if err == nil {
		path, err = c.Cache.commit(s, r.SHA256, r.Name)
	}
	if diskFull(err) {
		s.discard() // leave the host no full disk
	}
	return path, err
}

// fill completes a partial file.
func (c *Client) fill(ctx context.Context, r Request, s *sink) error {
	if s.n == r.Size {
		if err := s.reset(); err != nil {
			return err
		}
	}
	if err := reserve(s.file, s.n, r.Size-s.n); err != nil {
		return &StorageError{Dir: s.dir, Err: err}
	}
	return c.transfer(r, s).run(ctx)
}

// Learn downloads a file whose hash nobody knows beforehand and puts it into
// the cache under the hash it has. It does not look into the cache first. A
// redirect from https to http is not followed. Errors are those of
// [Client.File] but for the *HashError.
func (c *Client) Learn(ctx context.Context, r Request) (Entry, error) {
	r, err := r.checked()
	if err != nil {
		return Entry{}, err
	}
	if r.SHA256 != "" {
		return Entry{}, fmt.Errorf("download %s: the sha256 is known", r.Name)
	}
	if c.Offline {
		return Entry{}, &OfflineError{Dir: c.Cache.dir, Missing: []Missing{r.missing()}}
	}
	s, err := c.Cache.openTemp(r.limit())
	if err != nil {
		return Entry{}, err
	}
	defer s.discard()
	t := c.transfer(r, s)
	if err := t.run(ctx); err != nil {
		return Entry{}, err
	}
	e, err := c.Cache.keep(ctx, s, r.Name)
	if err != nil {
		return Entry{}, err
	}
	e.URL = withoutUser(t.finalURL)
	return e, nil
}

// Document returns a small document that has no hash, at most limit bytes (0
// means [DefaultMaxDocument]), from the first source that has it, which it names. A redirect
// from https to http is not followed. It fails with a [*NetworkError], an
// [*OfflineError] or ctx.Err().
func (c *Client) Document(ctx context.Context, urls []string, limit int64) (data []byte, from string, err error) {
	r, err := Request{URLs: urls, MaxSize: cmp.Or(limit, DefaultMaxDocument)}.checked()
	if err != nil {
		return nil, "", err
	}
	if c.Offline {
		return nil, "", &OfflineError{Missing: []Missing{r.missing()}}
	}
	s := newSink(r.limit())
	t := c.transfer(r, s)
	if err := t.run(ctx); err != nil {
		return nil, "", err
	}
	return s.mem.Bytes(), t.from, nil
}

func (c *Client) report(e Event) {
	if c.Report != nil {
		c.Report(e)
	}
}

// transfer fills in the defaults.
func (c *Client) transfer(r Request, s *sink) *transfer {
	base := c.HTTP
	if base == nil {
		base = NewHTTPClient(Proxies{}, nil)
	}
	hc := *base
	hc.CheckRedirect = redirects(r.SHA256 == "")
	urls := r.URLs
	if r.SHA256 != "" { // else the order is the user's choice: each may have another file
		urls = c.Hosts.last(urls)
	}
	return &transfer{
		name: r.Name, urls: urls, want: r.SHA256, sink: s, hosts: c.Hosts,
		meter:    &meter{name: r.Name, show: c.Progress, total: r.Size, now: time.Now},
		http:     &hc,
		agent:    cmp.Or(c.UserAgent, defaultAgent),
		attempts: cmp.Or(c.Attempts, defaultAttempts),
		backoff:  cmp.Or(c.Backoff, defaultBackoff),
		stall:    cmp.Or(c.StallTimeout, defaultStall),
		report:   c.report,
	}
}

// checked returns the request with a safe name, a lower-case hash and every
// URL once.
func (r Request) checked() (Request, error) {
	if r.Name == "" && len(r.URLs) > 0 {
		if u, err := url.Parse(r.URLs[0]); err == nil {
			r.Name = cmp.Or(u.Path, u.Host)
		}
	}
	r.Name = fileName(r.Name)
	if r.Size < 0 || r.MaxSize < 0 {
		return r, fmt.Errorf("download %s: negative size", r.Name)
	}
	if r.SHA256 != "" {
		sum, err := parseSum(r.SHA256)
		if err != nil {
			return r, fmt.Errorf("download %s: %v", r.Name, err)
		}
		r.SHA256 = sum
	}
	var once []string
	for _, u := range r.URLs {
		if !slices.Contains(once, u) {
			once = append(once, u)
		}
	}
	r.URLs = once
	return r, nil
}

// limit returns the bound of the body, and whether it is its size.
func (r Request) limit() (limit int64, exact bool) {
	if r.Size > 0 {
		return r.Size, true
	}
	return cmp.Or(r.MaxSize, DefaultMaxSize), false
}

func (r Request) missing() Missing {
	m := Missing{Name: r.Name, SHA256: r.SHA256, Size: r.Size}
	for _, u := range r.URLs {
		m.URLs = append(m.URLs, redactURL(u))
	}
	return m
}

func withoutUser(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	u.User = nil
	return u.String()
}
