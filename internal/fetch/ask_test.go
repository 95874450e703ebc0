package fetch

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Ask reads the beginning of a file, tells the source's clock also of a refusal, and shows
// no password.
func TestAsk(t *testing.T) {
	var ranges []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ranges = append(ranges, r.Header.Get("Range"))
		w.Header().Set("Date", "Wed, 25 Nov 2026 03:00:00 GMT")
		switch r.URL.Path {
		case "/big":
			io.WriteString(w, strings.Repeat("x", 100_000))
		case "/moved":
			http.Redirect(w, r, "/big", http.StatusFound)
		default:
			http.Error(w, "no", http.StatusNotFound)
		}
	}))
	defer s.Close()
	c := &Client{}
	for _, path := range []string{"/big", "/moved"} {
		a, err := c.Ask(context.Background(), s.URL+path)
		if err != nil || len(a.Head) != headBytes || a.Date.Unix() != 1795575600 || a.Host != strings.TrimPrefix(s.URL, "http://") || a.Took <= 0 {
			t.Errorf("Ask(%s) = %d bytes, %v, %s, %v, %v", path, len(a.Head), a.Date, a.Host, a.Took, err)
		}
	}
	if a, err := c.Ask(context.Background(), s.URL+"/none"); err == nil || err.Error() != "404 Not Found" || a.Date.IsZero() {
		t.Errorf("Ask of nothing = %+v, %v", a, err)
	}
	if ranges[0] != "bytes=0-511" {
		t.Errorf("it asks for %q", ranges[0])
	}
	if _, err := c.Ask(context.Background(), "http://me:secret@127.0.0.1:1/x"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("Ask of nobody: %v", err)
	}
	if _, err := (&Client{Offline: true}).Ask(context.Background(), s.URL); err == nil || len(ranges) != 4 {
		t.Errorf("Ask offline: %v, %d requests", err, len(ranges))
	}
}

func TestProxiesFor(t *testing.T) {
	p := Proxies{HTTPS: "http://me:secret@proxy.example:3128", No: "direct.example"}
	for url, want := range map[string][2]string{
		"https://a.example/x":      {"http://***@proxy.example:3128", "proxy.example"},
		"https://direct.example/x": {"", ""},
		"http://a.example/x":       {"", ""},
	} {
		if shown, host, err := p.For(url); shown != want[0] || host != want[1] || err != nil {
			t.Errorf("For(%s) = %q, %q, %v; want %q", url, shown, host, err, want)
		}
	}
	if _, _, err := (Proxies{HTTP: "ftp://x"}).For("http://a.example"); err == nil {
		t.Error("a proxy that is none was taken")
	}
}
