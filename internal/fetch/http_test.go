package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
)

const secret = "s3kr1t"

// withUser adds credentials to a URL.
func withUser(url string) string { return strings.Replace(url, "//", "//joe:"+secret+"@", 1) }

// checkNoSecret looks at everything a user could get to see of an error.
func checkNoSecret(t *testing.T, err error, rec *recorder) {
	t.Helper()
	texts := []string{fmt.Sprintf("%v %+v %q", err, err, err)}
	if h, ok := err.(interface{ Hints() []string }); ok {
		texts = append(texts, h.Hints()...)
	}
	if e, ok := errors.AsType[*NetworkError](err); ok {
		texts = append(texts, fmt.Sprintf("%+v", e.Attempts))
	}
	for _, e := range rec.events {
		texts = append(texts, e.String(), e.URL)
	}
	for _, s := range texts {
		if strings.Contains(s, secret) || strings.Contains(s, "joe") {
			t.Errorf("credentials in %q", s)
		}
	}
}

// newProxy returns a forward proxy that serves data itself to whoever logs in.
func newProxy(t *testing.T, data []byte) (*source, *[]string) {
	t.Helper()
	var hosts []string
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("joe:"+secret))
	return newSource(t, func(w http.ResponseWriter, r *http.Request) {
		hosts = append(hosts, r.Method+" "+r.Host)
		if r.Header.Get("Proxy-Authorization") != want {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		serve(data)(w, r)
	}), &hosts
}

func TestProxy(t *testing.T) {
	proxy, hosts := newProxy(t, good)
	c, rec := newClient(t)
	c.HTTP = NewHTTPClient(Proxies{HTTP: withUser(proxy.URL)}, nil)
	defer c.HTTP.CloseIdleConnections()
	path, err := c.File(t.Context(), Request{SHA256: sumOf(good), URLs: []string{"http://mirror.test/f"}})
	wantFile(t, path, err, good)
	if want := []string{"GET mirror.test"}; !slices.Equal(*hosts, want) {
		t.Errorf("the proxy saw %q; want %q", *hosts, want)
	}
	if _, err = c.File(t.Context(), Request{Name: "f.deb", SHA256: sumOf(evil), URLs: []string{"http://mirror.test/f"}}); err == nil {
		t.Error("File of other bytes = nil; want an error")
	}
	checkNoSecret(t, err, rec)
}

func TestProxyRefuses(t *testing.T) {
	proxy, hosts := newProxy(t, good)
	closed := closedURL(t)
	const login = "the proxy wants a name and password"
	tests := []struct {
		name    string
		proxies Proxies
		url     string
		want    string
		hint    string
		asked   []string
	}{
		{"no login, http", Proxies{HTTP: proxy.URL}, "http://mirror.test/f", "the proxy answers 407", login, []string{"GET mirror.test"}},
		{"no login, https", Proxies{HTTPS: proxy.URL}, "https://mirror.test/f", "the proxy answers 407", login, []string{"CONNECT mirror.test:443"}},
		{"not there", Proxies{HTTP: withUser(closed)}, "http://mirror.test/f", "connection refused", "behind a proxy", nil},
		{"no address", Proxies{HTTPS: "ftp://joe:" + secret + "@h"}, "https://mirror.test/f", `invalid proxy address "ftp://***@h"`, "behind a proxy", nil},
		{"no URL", Proxies{HTTP: "http://joe:a/" + secret + "@h"}, "http://mirror.test/f", `invalid proxy address "http://***@h"`, "behind a proxy", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			*hosts = nil
			c, rec := newClient(t)
			c.HTTP = NewHTTPClient(tt.proxies, nil)
			_, err := c.File(t.Context(), Request{Name: "f.deb", SHA256: sumOf(good), URLs: []string{withUser(tt.url)}})
			checkError(t, err, tt.want, false)
			if hint := err.(*NetworkError).Hints()[0]; !strings.Contains(hint, tt.hint) {
				t.Errorf("first hint %q; want %q", hint, tt.hint)
			}
			if !slices.Equal(*hosts, tt.asked) {
				t.Errorf("the proxy saw %q; want %q", *hosts, tt.asked)
			}
			checkNoSecret(t, err, rec)
		})
	}
}

func TestProxies(t *testing.T) {
	p := Proxies{HTTP: "http://joe:s3kr1t@one:3128", HTTPS: "joe:s3kr1t@two:1", No: "x.test,.y.test"}
	want := "http=http://***@one:3128 https=***@two:1 no=x.test,.y.test"
	if got := fmt.Sprint(p); got != want {
		t.Errorf("String = %q; want %q", got, want)
	}
	if got := fmt.Sprintf("%+v %#v", struct{ P Proxies }{p}, p); strings.Contains(got, secret) {
		t.Errorf("credentials in %q", got)
	}
	choose := p.chooser()
	for url, want := range map[string]string{
		"http://a.test": "one:3128", "https://a.test": "two:1", "https://x.test": "", "http://a.y.test": "", "http://127.0.0.1": "",
	} {
		r, _ := http.NewRequest("GET", url, nil)
		got, err := choose(r.URL)
		if err != nil || (got == nil) != (want == "") || got != nil && got.Host != want {
			t.Errorf("proxy for %s = %v, %v; want %q", url, got, err, want)
		}
	}
	for addr, ok := range map[string]bool{
		"": true, "host:3128": true, "host": true, "http://host": true, "https://u:p@host:1": true, "socks5h://host:1080": true,
		"ftp://host": false, "http://": false, ":": false, "http://a b": false,
	} {
		if err := (Proxies{HTTPS: addr}).Validate(); (err == nil) != ok {
			t.Errorf("Validate(%q) = %v; want ok %t", addr, err, ok)
		}
	}
}

// A bad address must not make a host that is to be reached directly fail.
func TestBadProxyUnused(t *testing.T) {
	c, _ := newClient(t)
	c.HTTP = NewHTTPClient(Proxies{HTTP: "ftp://nowhere"}, nil)
	defer c.HTTP.CloseIdleConnections()
	s := newSource(t, serve(good))
	path, err := c.File(t.Context(), Request{SHA256: sumOf(good), URLs: []string{s.URL}})
	wantFile(t, path, err, good)
}

func TestSourceLogin(t *testing.T) {
	c, rec := newClient(t)
	var logins []string
	other := newSource(t, func(w http.ResponseWriter, r *http.Request) {
		user, pass, _ := r.BasicAuth()
		logins = append(logins, user+":"+pass)
		w.WriteHeader(404)
	})
	s := newSource(t, func(w http.ResponseWriter, r *http.Request) {
		user, pass, _ := r.BasicAuth()
		logins = append(logins, user+":"+pass)
		// Another host as far as cookies and logins are concerned.
		http.Redirect(w, r, strings.Replace(withUser(other.URL), "127.0.0.1", "localhost", 1), http.StatusFound)
	})
	_, err := c.File(t.Context(), Request{Name: "f.deb", SHA256: sumOf(good), URLs: []string{withUser(s.URL)}})
	checkError(t, err, "404 Not Found", false)
	checkNoSecret(t, err, rec)
	if len(logins) != 2 || logins[0] != "joe:"+secret {
		t.Errorf("logins %q; want the URL's at the first", logins)
	}
}

func TestRequestHeaders(t *testing.T) {
	var got http.Header
	s := newSource(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		serve(good)(w, r)
	})
	cache, err := OpenCache(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	zero := Client{Cache: cache} // works with nothing but a cache
	path, err := zero.File(t.Context(), Request{SHA256: sumOf(good), URLs: []string{s.URL}})
	wantFile(t, path, err, good)
	if ua, ae := got.Get("User-Agent"), got.Get("Accept-Encoding"); ua != "nixsd-native" || ae != "identity" {
		t.Errorf("User-Agent %q, Accept-Encoding %q; want nixsd-native, identity", ua, ae)
	}
}

func TestFailed(t *testing.T) {
	tests := []struct {
		err  error
		want verdict
	}{
		{&net.DNSError{Err: "no such host", IsNotFound: true}, giveUp},
		{&net.DNSError{Err: "server misbehaving", IsTemporary: true}, retry},
		{fmt.Errorf("wrapped: %w", x509.HostnameError{Certificate: &x509.Certificate{}}), giveUp},
		{tls.RecordHeaderError{}, giveUp},
		{&statusError{code: 407, proxy: true}, giveUp},
		{&statusError{code: 503, proxy: true}, retry},
		{io.ErrUnexpectedEOF, retry},
		{errors.New("anything"), retry},
	}
	for _, tt := range tests {
		if f := failed(t.Context(), tt.err); f.verdict != tt.want {
			t.Errorf("failed(%v) = verdict %d; want %d", tt.err, f.verdict, tt.want)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("signal"))
	if f := failed(ctx, io.EOF); f.verdict != stop || f.err != context.Canceled {
		t.Errorf("failed in a cancelled context = %+v; want context.Canceled", f)
	}
}
