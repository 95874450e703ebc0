package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// large is the smallest file that is raced for, and a bit.
var (
	large    = sync.OnceValue(func() []byte { return body(1, raceFrom+12345) })
	notLarge = sync.OnceValue(func() []byte { return body(2, raceFrom+12345) })
)

// A tap serves with so many bytes a second, and counts what it has served. A fast one
// begins so late that all others have been asked.
type tap struct{ served atomic.Int64 }

func (c *tap) serve(data []byte, rate int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var from int
		fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
		if rate >= medium {
			time.Sleep(150 * time.Millisecond)
		}
		start(w, r, data, from)
		for step := max(rate/50, 1); from < len(data) && r.Context().Err() == nil; from += step {
			n, err := w.Write(data[from:min(from+step, len(data))])
			c.served.Add(int64(n))
			if err != nil {
				return
			}
			w.(http.Flusher).Flush()
			if rate < fast {
				time.Sleep(time.Second / 50)
			}
		}
	}
}

const (
	slow   = 1 << 20 // bytes per second
	medium = 16 << 20
	fast   = 1 << 30 // without a limit
)

func mute(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// raceTests are sources that race. What each was asked for is the Range of its requests.
var raceTests = []struct {
	name    string
	sources []http.HandlerFunc // one for each, or nil: served by a tap with this rate
	rates   []int
	unsized bool // the size is not known beforehand
	have    int  // bytes of a partial file
	asked   [][]string
	events  []EventKind
	errHas  string
}{
	{
		name: "fastest wins", rates: []int{slow, slow / 4, fast},
		asked: [][]string{{""}, {""}, {""}}, events: []EventKind{EventFastest},
	},
	{
		name: "size unknown", rates: []int{slow, fast}, unsized: true,
		asked: [][]string{{""}, {""}}, events: []EventKind{EventFastest},
	},
	{
		name: "size unknown, mute", sources: []http.HandlerFunc{mute, nil}, rates: []int{0, fast}, unsized: true,
		asked: [][]string{{""}, {""}}, events: []EventKind{EventFastest},
	},
	{
		name: "no more than three run", rates: []int{slow, fast, slow, fast},
		asked: [][]string{{""}, {""}, {""}, nil}, events: []EventKind{EventFastest},
	},
	{
		name: "404 leaves", sources: []http.HandlerFunc{answer(404), nil, nil}, rates: []int{0, slow, fast},
		asked: [][]string{{""}, {""}, {""}}, events: []EventKind{EventFastest},
	},
	{
		name: "500 leaves", sources: []http.HandlerFunc{answer(500), nil}, rates: []int{0, fast},
		asked: [][]string{{""}, {""}}, events: []EventKind{EventFastest},
	},
	{
		name: "mute loses", sources: []http.HandlerFunc{mute, nil}, rates: []int{0, fast},
		asked: [][]string{{""}, {""}}, events: []EventKind{EventFastest},
	},
	{
		name: "stalled loses", sources: []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
			stall(large(), 100<<10)(w, r)
		}, nil}, rates: []int{0, medium},
		asked: [][]string{{""}, {""}}, events: []EventKind{EventFastest},
	},
	{
		name: "cut off in the race", sources: []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
			cut(large(), 100<<10)(w, r)
		}, nil}, rates: []int{0, medium},
		asked: [][]string{{""}, {""}}, events: []EventKind{EventFastest},
	},
	{
		name: "resumed", rates: []int{slow, fast}, have: 5000,
		asked: [][]string{{"bytes=5000-"}, {"bytes=5000-"}}, events: []EventKind{EventFastest},
	},
	{
		name: "the whole again", sources: []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
			plain(large())(w, r)
		}, nil}, rates: []int{0, medium}, have: 5 << 10,
		asked: [][]string{{"bytes=5120-"}, {"bytes=5120-"}}, events: []EventKind{EventFastest},
	},
	{
		name: "another length", sources: []http.HandlerFunc{plain(good), nil}, rates: []int{0, fast},
		asked: [][]string{{""}, {""}}, events: []EventKind{EventFastest},
	},
	{
		name: "all gone", sources: []http.HandlerFunc{answer(404), answer(403), answer(410)},
		asked:  [][]string{{""}, {""}, {""}},
		events: []EventKind{EventSourceFailed, EventSourceFailed, EventSourceFailed},
		errHas: "404 Not Found",
	},
	{
		name: "all ill", sources: []http.HandlerFunc{answer(500), answer(502)},
		asked: [][]string{{"", ""}, {"", ""}}, errHas: "502 Bad Gateway",
		events: []EventKind{EventRetry, EventSourceFailed, EventRetry, EventSourceFailed},
	},
}

// The fastest source brings the file, and none of its bytes twice; what the others bring
// in vain is little.
func TestRace(t *testing.T) {
	for _, tt := range raceTests {
		t.Run(tt.name, func(t *testing.T) {
			c, rec := newClient(t)
			c.Attempts = 2
			r := Request{Name: "f.deb", SHA256: sumOf(large()), Size: int64(len(large()))}
			if tt.unsized {
				r.Size = 0
			}
			if tt.have > 0 {
				write(t, c.Cache.Dir(), partialDir+"/"+r.SHA256, large()[:tt.have])
			}
			var sources []*source
			var taps []*tap
			for i := range max(len(tt.sources), len(tt.rates)) {
				taps = append(taps, new(tap))
				h := http.HandlerFunc(nil)
				if tt.sources != nil {
					h = tt.sources[i]
				}
				if h == nil {
					h = taps[i].serve(large(), tt.rates[i])
				}
				sources = append(sources, newSource(t, h))
				r.URLs = append(r.URLs, sources[i].URL+"/f")
			}
			path, err := c.File(t.Context(), r)
			for i, s := range sources {
				if got := s.asked(); !slices.Equal(got, tt.asked[i]) {
					t.Errorf("source %d was asked for %q; want %q", i, got, tt.asked[i])
				}
			}
			if got := rec.kinds(); !slices.Equal(got, tt.events) {
				t.Errorf("events %v; want kinds %v", rec.events, tt.events)
			}
			if tt.errHas != "" {
				checkError(t, err, tt.errHas, false)
				return
			}
			wantFile(t, path, err, large())
			checkServed(t, taps, tt.rates, tt.have)
		})
	}
}

// checkServed adds up what the taps have served.
func checkServed(t *testing.T, taps []*tap, rates []int, have int) {
	t.Helper()
	best := slices.Index(rates, slices.Max(rates))
	if got, want := taps[best].served.Load(), int64(len(large())-have); got != want {
		t.Errorf("the winner served %d bytes; want %d", got, want)
	}
	for i, c := range taps {
		if n := c.served.Load(); i != best && n > raceBytes {
			t.Errorf("source %d, which lost, served %d bytes", i, n)
		}
	}
}

// Who sends other bytes wins if it is the fastest, until the hash is known; then the
// runner-up is asked.
func TestRaceWrongHash(t *testing.T) {
	c, rec := newClient(t)
	var bad, worse, better tap
	sources := []*source{
		newSource(t, worse.serve(large(), slow/8)), newSource(t, bad.serve(notLarge(), fast)),
		newSource(t, better.serve(large(), slow/2), better.serve(large(), fast)),
	}
	r := Request{Name: "f.deb", SHA256: sumOf(large())}
	for _, s := range sources {
		r.URLs = append(r.URLs, s.URL)
	}
	path, err := c.File(t.Context(), r)
	wantFile(t, path, err, large())
	if want := []EventKind{EventFastest, EventWrongHash}; !slices.Equal(rec.kinds(), want) {
		t.Errorf("events %v; want %v", rec.events, want)
	}
	if a, b := len(sources[0].asked()), len(sources[2].asked()); a != 1 || b != 2 {
		t.Errorf("the slow sources were asked %d and %d times; want 1 and 2", a, b)
	}
}

// Of a source of no use nothing is told but if the winner fails, too.
func TestRaceUseless(t *testing.T) {
	c, rec := newClient(t)
	var bad tap
	r := Request{Name: "f.deb", SHA256: sumOf(large()), URLs: []string{newSource(t, answer(404)).URL, newSource(t, bad.serve(notLarge(), fast)).URL}}
	_, err := c.File(t.Context(), r)
	checkError(t, err, "404 Not Found", true)
	if want := []EventKind{EventFastest, EventWrongHash, EventSourceFailed}; !slices.Equal(rec.kinds(), want) {
		t.Errorf("events %v; want %v", rec.events, want)
	}
}

func late(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(150 * time.Millisecond)
		h(w, r)
	}
}

// A winner that breaks off is asked again for the rest, before any other.
func TestRaceWinnerCut(t *testing.T) {
	c, rec := newClient(t)
	var other tap
	s := newSource(t, late(cut(large(), 3<<20)), serve(large()))
	r := Request{SHA256: sumOf(large()), Size: int64(len(large())), URLs: []string{newSource(t, other.serve(large(), slow/8)).URL, s.URL}}
	path, err := c.File(t.Context(), r)
	wantFile(t, path, err, large())
	if want := []string{"", fmt.Sprintf("bytes=%d-", 3<<20)}; !slices.Equal(s.asked(), want) {
		t.Errorf("asked for %q, events %v; want %q", s.asked(), rec.events, want)
	}
}

// No race is held for a small file, for sources on one host, for what has no hash, or
// offline.
func TestNoRace(t *testing.T) {
	small := body(3, raceFrom/4)
	for name, get := range map[string]func(c *Client, first, second string) error{
		"small": func(c *Client, first, second string) error {
			_, err := c.File(t.Context(), Request{SHA256: sumOf(small), Size: int64(len(small)), URLs: []string{first + "/small", second + "/small"}})
			return err
		},
		"small, size unknown": func(c *Client, first, second string) error {
			_, err := c.File(t.Context(), Request{SHA256: sumOf(small), URLs: []string{first + "/small", second + "/small"}})
			return err
		},
		"one host": func(c *Client, first, _ string) error {
			_, err := c.File(t.Context(), Request{SHA256: sumOf(large()), URLs: []string{first + "/large", first + "/again"}})
			return err
		},
		"no hash": func(c *Client, first, second string) error {
			_, err := c.Learn(t.Context(), Request{Name: "f", URLs: []string{first + "/large", second + "/large"}})
			return err
		},
		"offline": func(c *Client, first, second string) error {
			c.Offline = true
			_, err := c.File(t.Context(), Request{Name: "f", SHA256: sumOf(large()), Size: int64(len(large())), URLs: []string{first, second}})
			if !isOffline(err) {
				return fmt.Errorf("File = %v; want an *OfflineError", err)
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, rec := newClient(t)
			both := func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "small") {
					serve(small)(w, r)
				} else {
					serve(large())(w, r)
				}
			}
			first, second := newSource(t, both), newSource(t, both)
			err := get(c, first.URL, second.URL)
			if err != nil || len(first.asked()) > 1 || len(second.asked()) > 0 || len(rec.kinds()) > 0 {
				t.Errorf("error %v, asked %d and %d times, events %v; want one request", err, len(first.asked()), len(second.asked()), rec.events)
			}
		})
	}
}

// An interrupted race leaves no goroutine, and no file.
func TestRaceCancel(t *testing.T) {
	c, _ := newClient(t)
	before := runtime.NumGoroutine()
	var slowest tap
	servers := []*source{unstarted([]http.HandlerFunc{mute}), unstarted([]http.HandlerFunc{slowest.serve(large(), 1000)})}
	r := Request{SHA256: sumOf(large()), Size: int64(len(large()))}
	for _, s := range servers {
		s.Start()
		r.URLs = append(r.URLs, s.URL)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, nil)
	defer cancel()
	if _, err := c.File(ctx, r); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("File = %v; want %v", err, context.DeadlineExceeded)
	}
	if left := partials(t, c.Cache); len(left) > 0 {
		t.Errorf("left in %s: %q", filepath.Join(c.Cache.Dir(), partialDir), left)
	}
	for _, s := range servers {
		s.Close()
	}
	c.HTTP.CloseIdleConnections()
	for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			buf := make([]byte, 1<<16)
			t.Fatalf("%d goroutines; before there were %d\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
	}
}
