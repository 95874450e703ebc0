package fetch

import (
	"compress/gzip"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	good = body(1, 3000)
	evil = body(2, 3000)
)

// sourceTests are servers that misbehave in every way.
var sourceTests = []struct {
	name   string
	steps  []http.HandlerFunc   // of the first source
	others [][]http.HandlerFunc // of the further sources
	size   int64                // asked; 0 means unknown
	asked  []string             // Range headers the first source sees
	events []EventKind
	errHas string // empty: the file arrives
	hash   bool   // the error is a *HashError, else a *NetworkError
}{
	{name: "good", steps: []http.HandlerFunc{serve(good)}, size: 3000, asked: []string{""}},
	{name: "size unknown", steps: []http.HandlerFunc{serve(good)}, asked: []string{""}},
	{name: "length unknown", steps: []http.HandlerFunc{chunked(good)}, asked: []string{""}},
	{
		name: "cut, resumed", size: 3000,
		steps:  []http.HandlerFunc{cut(good, 1000), cut(good, 2000), serve(good)},
		asked:  []string{"", "bytes=1000-", "bytes=2000-"},
		events: []EventKind{EventRetry, EventRetry},
	},
	{
		name: "range ignored", size: 3000,
		steps:  []http.HandlerFunc{cut(good, 1000), plain(good)},
		asked:  []string{"", "bytes=1000-"},
		events: []EventKind{EventRetry},
	},
	{
		name:   "wrong part",
		steps:  []http.HandlerFunc{cut(good, 1000), partial("bytes 5-2999/3000", good[5:]), plain(good)},
		asked:  []string{"", "bytes=1000-", ""},
		events: []EventKind{EventRetry, EventRestart},
	},
	{
		name:   "odd Content-Range, twice",
		steps:  []http.HandlerFunc{cut(good, 1000), partial("oops", good), cut(good, 50), plain(good)},
		asked:  []string{"", "bytes=1000-", "", ""},
		events: []EventKind{EventRetry, EventRestart, EventRetry},
	},
	{
		name: "part of another whole", size: 3000,
		steps:  []http.HandlerFunc{cut(good, 1000), partial("bytes 1000-4999/5000", good)},
		asked:  []string{"", "bytes=1000-"},
		events: []EventKind{EventRetry, EventWrongHash},
		errHas: "it is 5000 bytes, not 3000", hash: true,
	},
	{
		name: "part in parts", size: 3000,
		steps: []http.HandlerFunc{cut(good, 1000), partial("bytes 1000-1999/3000", good[1000:2000]), serve(good)},
		asked: []string{"", "bytes=1000-", "bytes=2000-"}, events: []EventKind{EventRetry, EventRetry},
	},
	{
		name:   "416",
		steps:  []http.HandlerFunc{cut(good, 1000), answer(416), serve(good)},
		asked:  []string{"", "bytes=1000-", ""},
		events: []EventKind{EventRetry, EventRestart},
	},
	{
		name:   "416 for ever",
		steps:  []http.HandlerFunc{cut(good, 1000), answer(416)},
		asked:  []string{"", "bytes=1000-", ""},
		events: []EventKind{EventRetry, EventRestart, EventSourceFailed},
		errHas: "416 Requested Range Not Satisfiable",
	},
	{
		name: "part unasked", steps: []http.HandlerFunc{partial("bytes 0-2999/3000", good)},
		asked: []string{""}, events: []EventKind{EventSourceFailed}, errHas: "206 Partial Content",
	},
	{
		name: "other bytes of the right part", size: 3000,
		steps:  []http.HandlerFunc{cut(good, 1000), partial("bytes 1000-2999/3000", evil[1000:]), serve(good)},
		others: [][]http.HandlerFunc{{serve(good)}},
		asked:  []string{"", "bytes=1000-", ""}, events: []EventKind{EventRetry, EventRestart},
	},
	{
		name: "part that goes on", size: 3000,
		steps: []http.HandlerFunc{cut(good, 1000), partial("bytes 1000-2999/3000", append(slices.Clone(good[1000:]), evil...))},
		asked: []string{"", "bytes=1000-"}, events: []EventKind{EventRetry, EventWrongHash}, errHas: "the body goes on after 3000 bytes", hash: true,
	},
	{
		name: "right size, wrong bytes", steps: []http.HandlerFunc{serve(evil)}, size: 3000,
		asked: []string{""}, events: []EventKind{EventWrongHash}, errHas: "its sha256 is " + sumOf(evil), hash: true,
	},
	{
		name: "less than the announced length", size: 3000,
		steps: []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "3000")
			w.Write(good[:2000])
		}, serve(good)},
		asked: []string{"", "bytes=2000-"}, events: []EventKind{EventRetry},
	},
	{
		name: "compressed unasked", size: 3000,
		steps: []http.HandlerFunc{encoded("gzip")}, others: [][]http.HandlerFunc{{encoded("br")}},
		asked: []string{""}, events: []EventKind{EventWrongHash, EventWrongHash}, errHas: "bytes, not 3000", hash: true,
	},
	{
		name: "huge header", steps: []http.HandlerFunc{answer(200, "X: "+strings.Repeat("x", maxHeaderBytes))},
		others: [][]http.HandlerFunc{{serve(good)}}, asked: slices.Repeat([]string{""}, 4),
		events: []EventKind{EventRetry, EventRetry, EventRetry, EventSourceFailed},
	},
	{
		name: "redirect to another scheme", steps: []http.HandlerFunc{answer(302, "Location: gopher://127.0.0.1/x")},
		asked: []string{""}, events: []EventKind{EventSourceFailed}, errHas: "not an http or https URL",
	},
	{
		name: "redirect to nothing", steps: []http.HandlerFunc{answer(302, "Location: http://\x7f/")},
		others: [][]http.HandlerFunc{{serve(good)}}, asked: slices.Repeat([]string{""}, 4),
		events: []EventKind{EventRetry, EventRetry, EventRetry, EventSourceFailed},
	},
	{
		name: "404, next", steps: []http.HandlerFunc{answer(404)}, others: [][]http.HandlerFunc{{serve(good)}},
		asked: []string{""}, events: []EventKind{EventSourceFailed},
	},
	{
		name: "403 and 410", steps: []http.HandlerFunc{answer(403)}, others: [][]http.HandlerFunc{{answer(410)}},
		asked: []string{""}, events: []EventKind{EventSourceFailed, EventSourceFailed}, errHas: "403 Forbidden; ",
	},
	{
		name: "500, then good", steps: []http.HandlerFunc{answer(500), answer(502), serve(good)},
		asked: []string{"", "", ""}, events: []EventKind{EventRetry, EventRetry},
	},
	{
		name: "503 for ever", steps: []http.HandlerFunc{answer(503)},
		asked: []string{"", "", "", ""}, errHas: "503 Service Unavailable",
		events: []EventKind{EventRetry, EventRetry, EventRetry, EventSourceFailed},
	},
	{
		name: "429, then good", steps: []http.HandlerFunc{answer(429, "Retry-After: 0"), serve(good)},
		asked: []string{"", ""}, events: []EventKind{EventRetry},
	},
	{
		name: "reset, then good", steps: []http.HandlerFunc{reset, serve(good)},
		asked: []string{"", ""}, events: []EventKind{EventRetry},
	},
	{
		name: "endless, size known", steps: []http.HandlerFunc{endless}, size: 3000,
		asked: []string{""}, events: []EventKind{EventWrongHash},
		errHas: "the body goes on after 3000 bytes", hash: true,
	},
	{
		name: "endless, size unknown", steps: []http.HandlerFunc{endless}, others: [][]http.HandlerFunc{{serve(good)}},
		asked: []string{""}, events: []EventKind{EventSourceFailed},
	},
	{
		name: "too large by its own word", steps: []http.HandlerFunc{plain(body(1, 10000))},
		asked: []string{""}, events: []EventKind{EventSourceFailed}, errHas: "larger than allowed",
	},
	{
		name: "login page", steps: []http.HandlerFunc{plain([]byte("<html>"))}, size: 3000,
		others: [][]http.HandlerFunc{{serve(good)}},
		asked:  []string{""}, events: []EventKind{EventWrongHash},
	},
	{
		name: "short without a length", steps: []http.HandlerFunc{chunked(good[:2000]), serve(good)}, size: 3000,
		asked: []string{"", "bytes=2000-"}, events: []EventKind{EventRetry},
	},
	{
		name: "wrong hash, then right source", steps: []http.HandlerFunc{serve(evil)}, size: 3000,
		others: [][]http.HandlerFunc{{serve(good)}},
		asked:  []string{""}, events: []EventKind{EventWrongHash},
	},
	{
		name: "wrong hash only", steps: []http.HandlerFunc{serve(evil)},
		asked: []string{""}, events: []EventKind{EventWrongHash},
		errHas: "its sha256 is " + sumOf(evil), hash: true,
	},
	{
		name: "wrong hash and 404", steps: []http.HandlerFunc{serve(evil)},
		others: [][]http.HandlerFunc{{answer(404)}},
		asked:  []string{""}, events: []EventKind{EventWrongHash, EventSourceFailed},
		errHas: "404 Not Found", hash: true,
	},
	{
		name: "half wrong, half right", size: 3000,
		steps:  []http.HandlerFunc{cut(evil, 1000), answer(404)},
		others: [][]http.HandlerFunc{{serve(good)}},
		asked:  []string{"", "bytes=1000-"},
		events: []EventKind{EventRetry, EventSourceFailed, EventRestart},
	},
	{
		name: "redirect without a place", steps: []http.HandlerFunc{answer(302)},
		asked: []string{""}, events: []EventKind{EventSourceFailed}, errHas: "302",
	},
	{
		name: "redirect loop", steps: []http.HandlerFunc{answer(302, "Location: /again")},
		asked:  slices.Repeat([]string{""}, maxRedirects),
		events: []EventKind{EventSourceFailed}, errHas: "more than 10 redirects",
	},
	{
		name: "redirect to a file", steps: []http.HandlerFunc{answer(302, "Location: file:///etc/passwd")},
		asked: []string{""}, events: []EventKind{EventSourceFailed}, errHas: "not an http or https URL",
	},
	{
		name: "redirect on this source, resumed", size: 3000,
		steps: []http.HandlerFunc{cut(good, 700), answer(307, "Location: /there"), serve(good)},
		asked: []string{"", "bytes=700-", "bytes=700-"}, events: []EventKind{EventRetry},
	},
}

// encoded sends the file, compressed or not, as something compressed.
func encoded(how string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", how)
		z := gzip.NewWriter(w)
		z.Write(good)
		z.Close()
	}
}

// TestFileSources looks at what the client asks such servers for, reports and
// returns.
func TestFileSources(t *testing.T) {
	for _, tt := range sourceTests {
		t.Run(tt.name, func(t *testing.T) {
			c, rec := newClient(t)
			first := newSource(t, tt.steps...)
			urls := []string{first.URL + "/f"}
			for _, steps := range tt.others {
				urls = append(urls, newSource(t, steps...).URL+"/f")
			}
			r := Request{Name: "f.deb", SHA256: sumOf(good), Size: tt.size, MaxSize: 8000, URLs: urls}
			path, err := c.File(t.Context(), r)
			if got := first.asked(); !slices.Equal(got, tt.asked) {
				t.Errorf("the source was asked for %q; want %q", got, tt.asked)
			}
			if got := rec.kinds(); !slices.Equal(got, tt.events) {
				t.Errorf("events %v; want kinds %v", rec.events, tt.events)
			}
			if tt.errHas == "" {
				wantFile(t, path, err, good)
				return
			}
			checkError(t, err, tt.errHas, tt.hash)
			if left := partials(t, c.Cache); tt.hash && tt.size == 0 && len(left) != 0 {
				t.Errorf("left after a wrong hash: %q", left)
			}
		})
	}
}

func checkError(t *testing.T, err error, has string, hash bool) {
	t.Helper()
	want := reflect.TypeFor[*NetworkError]()
	if hash {
		want = reflect.TypeFor[*HashError]()
	}
	if got := reflect.TypeOf(err); got != want || !strings.Contains(err.Error(), has) {
		t.Fatalf("error %T %v; want a %v with %q", err, err, want, has)
	}
	hints := err.(interface{ Hints() []string }).Hints()
	if !strings.Contains(strings.Join(hints, "\n"), "copy f.deb into ") {
		t.Errorf("hints %q; want the one to copy by hand", hints)
	}
}

func TestFileStall(t *testing.T) {
	c, rec := newClient(t)
	c.StallTimeout = 250 * time.Millisecond
	s := newSource(t, stall(good, 1200), serve(good))
	path, err := c.File(t.Context(), Request{SHA256: sumOf(good), Size: 3000, URLs: []string{s.URL}})
	wantFile(t, path, err, good)
	if want := []string{"", "bytes=1200-"}; !slices.Equal(s.asked(), want) {
		t.Errorf("asked for %q; want %q", s.asked(), want)
	}
	if len(rec.events) != 1 || !strings.Contains(rec.events[0].String(), "no byte for 250ms") {
		t.Errorf("events %v; want one about the stall", rec.events)
	}
}

// A source that sends a byte now and then is given up, too.
func TestFileDrip(t *testing.T) {
	c, rec := newClient(t)
	c.StallTimeout, c.Attempts = 2*time.Second, 1
	drip := func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(good) && r.Context().Err() == nil; i++ {
			w.Write(good[i : i+1])
			w.(http.Flusher).Flush()
			time.Sleep(20 * time.Millisecond)
		}
	}
	s, next := newSource(t, drip), newSource(t, serve(good))
	began := time.Now()
	path, err := c.File(t.Context(), Request{SHA256: sumOf(good), Size: 3000, URLs: []string{s.URL, next.URL}})
	wantFile(t, path, err, good)
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	if len(rec.events) != 1 || !strings.Contains(rec.events[0].String(), "no more than ") {
		t.Errorf("events %v; want one about the slow source", rec.events)
	}
}

func TestFileStallBeforeHeader(t *testing.T) {
	c, _ := newClient(t)
	c.StallTimeout, c.Attempts = 100*time.Millisecond, 2
	s := newSource(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	_, err := c.File(t.Context(), Request{Name: "f.deb", SHA256: sumOf(good), URLs: []string{s.URL}})
	checkError(t, err, "no byte for 100ms", false)
	if n := len(s.asked()); n != 2 {
		t.Errorf("asked %d times; want 2", n)
	}
}

func TestFileRetryAfter(t *testing.T) {
	c, rec := newClient(t)
	s := newSource(t, answer(429, "Retry-After: 1"), serve(good))
	path, err := c.File(t.Context(), Request{SHA256: sumOf(good), URLs: []string{s.URL}})
	wantFile(t, path, err, good)
	if len(rec.events) != 1 || rec.events[0].Wait != time.Second {
		t.Errorf("events %+v; want one with a wait of 1s", rec.events)
	}
}

// An attempt that brings a megabyte does not count.
func TestFileLongWay(t *testing.T) {
	data := body(4, 6*freshBytes)
	var steps []http.HandlerFunc
	for i := 1; i < 6; i++ {
		steps = append(steps, cut(data, i*freshBytes))
	}
	c, rec := newClient(t)
	c.Attempts = 2
	s := newSource(t, append(steps, serve(data))...)
	path, err := c.File(t.Context(), Request{SHA256: sumOf(data), Size: int64(len(data)), URLs: []string{s.URL}})
	wantFile(t, path, err, data)
	if len(rec.events) != 5 {
		t.Errorf("events %v; want 5 retries", rec.events)
	}
}

func TestFileBadURLs(t *testing.T) {
	c, rec := newClient(t)
	urls := []string{"ftp://user:s3kr1t@host.test/f", "http://user:s3kr1t@host.test:port/", "/f", "", closedURL(t) + "/f"}
	urls = append(urls, urls[0])
	_, err := c.File(t.Context(), Request{Name: "f.deb", SHA256: sumOf(good), URLs: urls})
	checkError(t, err, "connection refused", false)
	e, _ := errors.AsType[*NetworkError](err)
	if len(e.Attempts) != 5 {
		t.Errorf("%d attempts %v; want 5, the double left out", len(e.Attempts), e.Attempts)
	}
	for _, s := range append(e.Hints(), err.Error(), rec.events[0].String(), rec.events[1].String()) {
		if strings.Contains(s, "s3kr1t") || strings.Contains(s, "user") && !strings.Contains(s, "USER") {
			t.Errorf("credentials in %q", s)
		}
	}
}
