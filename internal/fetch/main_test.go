package fetch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The test binary under another name is another process that downloads.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "fetch-child":
		os.Exit(fetchChild(os.Args[1], os.Args[2], os.Args[3]))
	case "mount-child":
		os.Exit(mountChild(os.Args[1], os.Args[2], os.Args[3], os.Args[4]))
	}
	os.Exit(m.Run())
}

// body returns n bytes that differ from those of another seed.
func body(seed byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7+i>>8) ^ seed
	}
	return b
}

func sumOf(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// recorder collects what a client reports.
type recorder struct {
	mu     sync.Mutex
	events []Event
	on     func(Event)
}

func (r *recorder) report(e Event) {
	r.mu.Lock()
	r.events = append(r.events, e)
	r.mu.Unlock()
	if r.on != nil {
		r.on(e)
	}
}

func (r *recorder) kinds() []EventKind {
	r.mu.Lock()
	defer r.mu.Unlock()
	var kinds []EventKind
	for _, e := range r.events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// newClient returns a client on an empty cache that hardly waits.
func newClient(t *testing.T) (*Client, *recorder) {
	t.Helper()
	cache, err := OpenCache(filepath.Join(t.TempDir(), "cache"))
	if err != nil {
		t.Fatal(err)
	}
	rec := &recorder{}
	hc := NewHTTPClient(Proxies{}, nil)
	t.Cleanup(hc.CloseIdleConnections)
	return &Client{
		Cache: cache, HTTP: hc, Backoff: time.Millisecond, StallTimeout: 5 * time.Second, Report: rec.report,
	}, rec
}

// source is a server that plays one step per request, the last one for ever.
type source struct {
	*httptest.Server
	mu     sync.Mutex
	ranges []string // the Range header of each request
}

func newSource(t *testing.T, steps ...http.HandlerFunc) *source {
	t.Helper()
	s := unstarted(steps)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func unstarted(steps []http.HandlerFunc) *source {
	s := &source{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		step := steps[min(len(s.ranges), len(steps)-1)]
		s.ranges = append(s.ranges, r.Header.Get("Range"))
		s.mu.Unlock()
		step(w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	return s
}

// asked returns the Range headers of the requests so far.
func (s *source) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ranges)
}

// serve is a server as it should be.
func serve(data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}
}

// plain ignores Range.
func plain(data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		w.Write(data)
	}
}

// chunked does not say how long the body is.
func chunked(data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		w.Write(data)
	}
}

// start sends the head of an answer from the asked byte on, and the bytes up
// to upto.
func start(w http.ResponseWriter, r *http.Request, data []byte, upto int) {
	var from int
	code := http.StatusOK
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); err == nil {
		code = http.StatusPartialContent
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(data)-1, len(data)))
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(data)-from))
	w.WriteHeader(code)
	if upto > from {
		w.Write(data[from:upto])
	}
	w.(http.Flusher).Flush()
}

// cut breaks off the connection before the byte upto.
func cut(data []byte, upto int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		start(w, r, data, upto)
		panic(http.ErrAbortHandler)
	}
}

// stall goes silent before the byte upto.
func stall(data []byte, upto int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		start(w, r, data, upto)
		<-r.Context().Done()
	}
}

// reset answers with a TCP reset.
func reset(w http.ResponseWriter, r *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}

// endless never stops.
func endless(w http.ResponseWriter, r *http.Request) {
	for chunk := body(9, 4096); ; {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

// answer is a bare status with headers, given as "Key: value".
func answer(code int, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for _, h := range headers {
			k, v, _ := strings.Cut(h, ": ")
			w.Header().Set(k, v)
		}
		w.WriteHeader(code)
	}
}

// partial answers 206 with this Content-Range.
func partial(contentRange string, data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Range", contentRange)
		w.WriteHeader(http.StatusPartialContent)
		w.Write(data)
	}
}

func closedURL(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	return s.URL
}

func wantFile(t *testing.T, path string, err error, data []byte) {
	t.Helper()
	if err != nil {
		t.Fatalf("error %v; want a file", err)
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%s holds %d bytes (%v); want the %d bytes served", path, len(got), err, len(data))
	}
}

func write(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// partials lists the names below .partial.
func partials(t *testing.T, c *Cache) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(c.Dir(), partialDir))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func fetchChild(dir, url, sum string) int {
	cache, err := OpenCache(dir)
	if err == nil {
		_, err = (&Client{Cache: cache}).File(context.Background(), Request{Name: "f", SHA256: sum, URLs: []string{url}})
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}
