package upstream

import (
	"io"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

// A Fault answers a request in place of next, which would answer it right. It is called
// by several goroutines at once.
type Fault func(w http.ResponseWriter, r *http.Request, next http.Handler)

// broken is a fault and where it applies.
type broken struct {
	pattern string
	fault   Fault
}

// Break lets a fault answer, from now on, requests whose path matches a pattern as of
// path.Match, such as "/cache/nar/*"; a pattern without a slash is matched with the
// path's last element. Of several patterns that match, the last one counts. A malformed
// pattern fails the test.
func (s *Server) Break(pattern string, f Fault) {
	s.t.Helper()
	if _, err := path.Match(pattern, ""); err != nil {
		s.t.Fatalf("upstream: %q: %v", pattern, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, broken{pattern, f})
}

// Mend undoes every Break.
func (s *Server) Mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// faultFor returns nil if all is well. The caller holds s.mu.
func (s *Server) faultFor(name string) Fault {
	for i := len(s.faults) - 1; i >= 0; i-- {
		subject := name
		if !strings.Contains(s.faults[i].pattern, "/") {
			subject = path.Base(name)
		}
		if ok, _ := path.Match(s.faults[i].pattern, subject); ok {
			return s.faults[i].fault
		}
	}
	return nil
}

// NotFound says that there is no such thing, as nixos.org does.
func NotFound() Fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) { notFound(w, r) }
}

// ServerError answers with status 500.
func ServerError() Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
	}
}

// Truncated sends the right header, with the length of the whole if there is one, and
// half of the body; then it closes the connection, or with HTTP/2 resets the stream.
func Truncated() Fault { return truncate }

// Dies is Truncated for the first request of each path only: another one, such as for
// the rest, is answered right.
func Dies() Fault {
	var (
		mu   sync.Mutex
		seen = map[string]bool{}
	)
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		mu.Lock()
		again := seen[r.URL.Path]
		seen[r.URL.Path] = true
		mu.Unlock()
		if again {
			next.ServeHTTP(w, r)
			return
		}
		truncate(w, r, next)
	}
}

// Slow sends the body with so many bytes a second.
func Slow(bytesPerSecond int) Fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(&slowWriter{w, r, max(bytesPerSecond, 1)}, r)
	}
}

// Corrupted flips a bit in the middle of the body.
func Corrupted() Fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(&corruptWriter{w, bodyLength(r, next) / 2}, r)
	}
}

func truncate(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if r.Method == http.MethodHead { // no body to cut
		next.ServeHTTP(w, r)
		return
	}
	next.ServeHTTP(&cutWriter{w, bodyLength(r, next) / 2}, r)
}

// bodyLength answers a request into the void.
func bodyLength(r *http.Request, next http.Handler) int64 {
	c := &countWriter{header: http.Header{}}
	next.ServeHTTP(c, r)
	return c.n
}

type countWriter struct {
	header http.Header
	n      int64
}

func (c *countWriter) Header() http.Header { return c.header }
func (c *countWriter) WriteHeader(int)     {}
func (c *countWriter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// A cutWriter ends the request at the first byte after left.
type cutWriter struct {
	http.ResponseWriter
	left int64
}

func (c *cutWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *cutWriter) Write(p []byte) (int, error) {
	if int64(len(p)) > c.left {
		c.ResponseWriter.Write(p[:c.left])
		http.NewResponseController(c).Flush()
		panic(http.ErrAbortHandler)
	}
	c.left -= int64(len(p))
	return c.ResponseWriter.Write(p)
}

// A corruptWriter flips a bit of the byte after left.
type corruptWriter struct {
	http.ResponseWriter
	left int64
}

func (c *corruptWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *corruptWriter) Write(p []byte) (int, error) {
	if 0 <= c.left && c.left < int64(len(p)) {
		q := append([]byte(nil), p...) // a writer must not change what it is given
		q[c.left] ^= 1
		p = q
	}
	c.left -= int64(len(p))
	return c.ResponseWriter.Write(p)
}

// A slowWriter sends twenty parts a second, or one byte at a time.
type slowWriter struct {
	http.ResponseWriter
	r    *http.Request
	rate int // bytes per second
}

func (s *slowWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *slowWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		part := p[:min(len(p), max(s.rate/20, 1))]
		m, err := s.ResponseWriter.Write(part)
		n += m
		if err != nil {
			return n, err
		}
		http.NewResponseController(s).Flush()
		select {
		case <-s.r.Context().Done():
			return n, io.ErrClosedPipe
		case <-time.After(time.Duration(len(part)) * time.Second / time.Duration(s.rate)):
		}
		p = p[m:]
	}
	return n, nil
}
