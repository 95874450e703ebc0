package fetch

import (
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLearn(t *testing.T) {
	tagged := func(h http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"v1"`)
			h(w, r)
		}
	}
	tests := []struct {
		name  string
		steps []http.HandlerFunc
		size  int64
		asked []string
	}{
		{"good", []http.HandlerFunc{serve(good)}, 0, []string{""}},
		{"cut without a tag", []http.HandlerFunc{cut(good, 1000), serve(good)}, 0, []string{"", ""}},
		{"cut with a tag", []http.HandlerFunc{tagged(cut(good, 1000)), tagged(serve(good))}, 0, []string{"", "bytes=1000-"}},
		{"another tag meanwhile", []http.HandlerFunc{tagged(cut(evil, 1000)), serve(good)}, 0, []string{"", "bytes=1000-"}},
		{"part of who knows", []http.HandlerFunc{tagged(cut(good, 1000)), partial("bytes 1000-2999/*", good[1000:]), serve(good)}, 0, []string{"", "bytes=1000-", ""}},
		{"size known", []http.HandlerFunc{answer(500), serve(good)}, 3000, []string{"", ""}},
		{"redirected", []http.HandlerFunc{answer(302, "Location: /there?rev=1"), serve(good)}, 0, []string{"", ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := newClient(t)
			s := newSource(t, tt.steps...)
			url := strings.Replace(s.URL, "//", "//user:s3kr1t@", 1) + "/pool/q.deb"
			e, err := c.Learn(t.Context(), Request{Size: tt.size, URLs: []string{url}})
			wantFile(t, e.Path, err, good)
			want := Entry{Path: filepath.Join(c.Cache.Dir(), sumOf(good)+"-q.deb"), SHA256: sumOf(good), Size: 3000, URL: s.URL + "/pool/q.deb"}
			if tt.name == "redirected" {
				want.URL = s.URL + "/there?rev=1"
			}
			if e != want {
				t.Errorf("Learn = %+v; want %+v", e, want)
			}
			if got := s.asked(); !slices.Equal(got, tt.asked) {
				t.Errorf("asked for %q; want %q", got, tt.asked)
			}
			if left := partials(t, c.Cache); len(left) != 0 {
				t.Errorf("left in %s: %q", partialDir, left)
			}
		})
	}
}

func TestLearnRefuses(t *testing.T) {
	c, _ := newClient(t)
	s := newSource(t, endless)
	tests := []struct {
		r    Request
		want string
	}{
		{Request{SHA256: sumOf(good)}, "the sha256 is known"},
		{Request{MaxSize: 100}, "endless body"},
		{Request{Size: 100}, "the body goes on after 100 bytes"},
	}
	for _, tt := range tests {
		tt.r.URLs = []string{s.URL}
		if _, err := c.Learn(t.Context(), tt.r); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Learn(%+v) = %v; want %q", tt.r, err, tt.want)
		}
	}
	if left := partials(t, c.Cache); len(left) != 0 {
		t.Errorf("left in %s: %q", partialDir, left)
	}
}

func TestDocument(t *testing.T) {
	c, _ := newClient(t)
	c.Cache = nil // not needed
	gone := newSource(t, answer(404))
	s := newSource(t, answer(500), cut(good, 1000), serve(good))
	b, from, err := c.Document(t.Context(), []string{gone.URL, s.URL}, 3000)
	if err != nil || sumOf(b) != sumOf(good) || from != s.URL {
		t.Errorf("Document = %d bytes from %s, %v; want the 3000 served", len(b), from, err)
	}
	for _, step := range []http.HandlerFunc{plain(good), chunked(good), endless} {
		s := newSource(t, step)
		b, _, err := c.Document(t.Context(), []string{s.URL + "/git-revision"}, 2999)
		if !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "git-revision") {
			t.Errorf("Document = %d bytes, %v; want ErrTooLarge, named", len(b), err)
		}
	}
}

func TestMeter(t *testing.T) {
	var got []int64
	now := time.Unix(0, 0)
	m := &meter{total: 50, now: func() time.Time { return now }, show: func(_ string, done, total int64) {
		got = append(got, done, total)
	}}
	for i := range int64(50) {
		m.at(i + 1)
		now = now.Add(progressEvery / 20)
	}
	m.finish(50)
	if want := []int64{1, 50, 21, 50, 41, 50, 50, 50}; !slices.Equal(got, want) {
		t.Errorf("calls %v; want %v", got, want)
	}
	m.finish(50)
	m.at(50)
	m.finish(50)
	if len(got) != 12 {
		t.Errorf("calls %v; want finish to repeat no call of at", got)
	}
}

func TestBackoff(t *testing.T) {
	for before, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30, 30} {
		want *= time.Second
		for range 50 {
			if d := backoff(time.Second, before); d > want || d < want/2-1 {
				t.Fatalf("backoff(1s, %d) = %v; want between %v and %v", before, d, want/2, want)
			}
		}
	}
}
