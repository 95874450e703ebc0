package fetch

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// A host that did not answer costs its waits once, not once for each file, until it
// answers again.
func TestSilentHost(t *testing.T) {
	c, rec := newClient(t)
	c.Attempts, c.Hosts = 2, &Hosts{}
	files := [][]byte{body(1, 300), body(2, 300), body(3, 300), body(4, 300)}
	dead := newSource(t, reset, reset, serve(files[2]), serve(files[3]))
	alive := newSource(t, serve(files[0]), serve(files[1]))
	for i, urls := range [][]string{
		{dead.URL, alive.URL}, // dead is asked twice
		{dead.URL, alive.URL}, // and now comes after alive
		{dead.URL},
		{dead.URL, alive.URL}, // it has answered: it is the first again
	} {
		path, err := c.File(t.Context(), Request{SHA256: sumOf(files[i]), Size: 300, URLs: urls})
		wantFile(t, path, err, files[i])
	}
	if want := []EventKind{EventRetry, EventSourceFailed}; !slices.Equal(rec.kinds(), want) {
		t.Errorf("events %v; want %v", rec.kinds(), want)
	}
	if len(dead.asked()) != 4 || len(alive.asked()) != 2 {
		t.Errorf("asked %d and %d times; want 4 and 2", len(dead.asked()), len(alive.asked()))
	}
}

// Where order is the user's choice, a host that does not answer keeps its place, but is
// asked once before the others.
func TestSilentHostOfDocument(t *testing.T) {
	c, rec := newClient(t)
	c.Attempts, c.Hosts = 3, &Hosts{}
	dead, alive := closedURL(t), newSource(t, plain([]byte("text")))
	for range 2 {
		text, from, err := c.Document(t.Context(), []string{dead, alive.URL}, 0)
		if err != nil || string(text) != "text" || from != alive.URL {
			t.Fatalf("Document = %q from %s, %v", text, from, err)
		}
	}
	if want := []EventKind{EventLater, EventLater}; !slices.Equal(rec.kinds(), want) {
		t.Errorf("events %v; want %v", rec.kinds(), want)
	}
}

// hang accepts, and does not answer.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// requests are for n small files at all sources, and the handler of a source that has them.
func requests(n int, sources ...string) ([]Request, http.HandlerFunc) {
	files := http.NewServeMux()
	var all []Request
	for i := range n {
		data := body(byte(i), 300)
		r := Request{Name: fmt.Sprint(i), SHA256: sumOf(data), Size: 300}
		for _, s := range sources {
			r.URLs = append(r.URLs, s+"/"+r.Name)
		}
		files.HandleFunc("/"+r.Name, serve(data))
		all = append(all, r)
	}
	return all, files.ServeHTTP
}

// What stalls or cannot be reached has its further attempts after the others.
func TestPutBack(t *testing.T) {
	tests := []struct {
		name    string
		sources []http.HandlerFunc // nil is a closed port
		asked   []int
		events  []EventKind
		errHas  string
	}{
		{name: "stall, then good", sources: []http.HandlerFunc{hang, serve(good)}, asked: []int{1, 1}, events: []EventKind{EventLater}},
		{name: "closed, then good", sources: []http.HandlerFunc{nil, serve(good)}, asked: []int{0, 1}, events: []EventKind{EventLater}},
		{name: "head only, then good", sources: []http.HandlerFunc{stall(good, 0), serve(good)}, asked: []int{1, 1}, events: []EventKind{EventLater}},
		{
			name: "some bytes, then good", sources: []http.HandlerFunc{stall(good, 10), serve(good)}, asked: []int{2, 1},
			events: []EventKind{EventRetry, EventLater}, // what the second attempt brings is nothing
		},
		{name: "500 keeps its attempts", sources: []http.HandlerFunc{answer(500), serve(good)}, asked: []int{3, 1}, events: []EventKind{EventRetry, EventRetry, EventSourceFailed}},
		{
			name: "no other has it", sources: []http.HandlerFunc{hang, answer(404)}, asked: []int{3, 1},
			events: []EventKind{EventLater, EventSourceFailed, EventRetry, EventRetry, EventSourceFailed}, errHas: "no byte for 100ms",
		},
		{
			name: "all closed", sources: []http.HandlerFunc{nil, nil}, asked: []int{0, 0}, errHas: "connection refused",
			events: []EventKind{EventLater, EventRetry, EventRetry, EventSourceFailed, EventRetry, EventRetry, EventSourceFailed},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, rec := newClient(t)
			c.Attempts, c.StallTimeout = 3, 100*time.Millisecond
			r := Request{Name: "f.deb", SHA256: sumOf(good), Size: int64(len(good))}
			var sources []*source
			for _, h := range tt.sources {
				s := newSource(t, h)
				if h == nil {
					s.Close()
				}
				sources, r.URLs = append(sources, s), append(r.URLs, s.URL)
			}
			path, err := c.File(t.Context(), r)
			for i, s := range sources {
				if n := len(s.asked()); n != tt.asked[i] {
					t.Errorf("source %d was asked %d times; want %d", i, n, tt.asked[i])
				}
			}
			if !slices.Equal(rec.kinds(), tt.events) {
				t.Errorf("events %v; want kinds %v", rec.events, tt.events)
			}
			if tt.errHas != "" {
				checkError(t, err, tt.errHas, false)
				return
			}
			wantFile(t, path, err, good)
		})
	}
}

// A source that was put back has what is left of its attempts, and may deliver.
func TestPutBackDelivers(t *testing.T) {
	c, rec := newClient(t)
	c.StallTimeout, c.Hosts = 100*time.Millisecond, &Hosts{}
	late, none := newSource(t, hang, serve(good)), newSource(t, answer(404))
	path, err := c.File(t.Context(), Request{SHA256: sumOf(good), Size: 3000, URLs: []string{late.URL, none.URL}})
	wantFile(t, path, err, good)
	if want := []EventKind{EventLater, EventSourceFailed, EventRetry}; !slices.Equal(rec.kinds(), want) {
		t.Errorf("events %v; want %v", rec.events, want)
	}
	if r := c.Hosts.rank(late.URL); r != 0 {
		t.Errorf("rank %d of a host that has delivered; want 0", r)
	}
}

// A mirror that hangs costs one time-out in all, for as many files as are asked for at
// once; a good one that cannot be reached for a moment is not put behind it.
func TestHang(t *testing.T) {
	c, rec := newClient(t)
	c.StallTimeout, c.Hosts = time.Second, &Hosts{}
	bad := newSource(t, hang)
	alive := newSource(t, nil)
	all, files := requests(20, bad.URL, alive.URL)
	alive.Config.Handler = files
	began := time.Now()
	if _, err := c.Files(t.Context(), all, 4); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 2*c.StallTimeout {
		t.Errorf("it took %v; want hardly more than %v", took, c.StallTimeout)
	}
	if n := len(bad.asked()); n > 4 || len(rec.events) != n {
		t.Errorf("asked %d times, events %v; want 4 each at most, as many as at once", n, rec.events)
	}
	isLast, isFirst := turn{url: bad.URL}, turn{url: alive.URL}
	tr := &transfer{hosts: c.Hosts}
	if tr.before(isFirst, []turn{isLast}) || !tr.before(isLast, []turn{isFirst}) || !tr.before(isLast, []turn{isLast}) {
		t.Error("a host that comes last is to have its turn before another's is over")
	}
}

// A mirror that has none of the files is soon asked last, and not told of for each.
func TestLacking(t *testing.T) {
	for name, step := range map[string]http.HandlerFunc{
		"404": answer(404), "another length": plain([]byte("<html>")), "another file": plain(body(99, 300)),
	} {
		t.Run(name, func(t *testing.T) {
			c, rec := newClient(t)
			c.Hosts = &Hosts{}
			bad, alive := newSource(t, step), newSource(t, nil)
			all, files := requests(10, bad.URL, alive.URL)
			alive.Config.Handler = files
			if _, err := c.Files(t.Context(), all, 4); err != nil {
				t.Fatal(err)
			}
			if n := len(bad.asked()); n < maxLacks || n > maxLacks+3 {
				t.Errorf("asked %d times; want 3, and what was under way", n)
			}
			told, last := 0, 0
			for _, e := range rec.events {
				if e.Kind == EventLast {
					last++
				} else {
					told++
				}
			}
			if told != maxLacks || last != 1 {
				t.Errorf("events %v; want 3 of files and 1 of the host", rec.events)
			}
			want := strings.TrimPrefix(bad.URL, "http://") + " had none of the last 3 files; it is asked last from now on"
			if e := (Event{Kind: EventLast, URL: bad.URL}).String(); e != want {
				t.Errorf("event %q; want %q", e, want)
			}
		})
	}
}

// Files count once, in a row, and not without a hash or without another source.
func TestLackingCount(t *testing.T) {
	a, b, other := "http://a.test/1", "http://a.test/2", "http://other.test/"
	refused := failf(giveUp, "refused")
	var known *Hosts
	lack := func(sum string, urls ...string) {
		tr := &transfer{hosts: known, want: sum, urls: urls, answered: true, report: func(Event) {}}
		tr.note(urls[0], refused)
	}
	tests := []struct {
		name string
		do   func()
		rank int
	}{
		{"three files", func() { lack("1", a, other); lack("2", b, other); lack("3", a, other) }, 1},
		{"one file thrice", func() { lack("1", a, other); lack("1", b, other); lack("1", a, other) }, 0},
		{"one right between", func() { lack("1", a, other); lack("2", a, other); known.delivered(b); lack("3", a, other) }, 0},
		{"one right after", func() { lack("1", a, other); lack("2", a, other); lack("3", a, other); known.delivered(b) }, 0},
		{"no hash", func() { lack("", a, other); lack("", a, other); lack("", a, other) }, 0},
		{"no other source", func() { lack("1", a); lack("2", a); lack("3", a) }, 0},
		{"silent", func() { lack("1", a, other); lack("2", a, other); lack("3", a, other); known.heard(a, silent) }, 2},
	}
	for _, tt := range tests {
		known = &Hosts{}
		tt.do()
		if got := known.rank(a); got != tt.rank {
			t.Errorf("%s: rank %d; want %d", tt.name, got, tt.rank)
		}
		if got, want := known.last([]string{a, other}), []string{a, other}; (tt.rank == 0) != slices.Equal(got, want) {
			t.Errorf("%s: order %q", tt.name, got)
		}
	}
}
