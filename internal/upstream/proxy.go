package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A Proxy is a forward proxy on 127.0.0.1: for http by requests for whole URLs, for https
// by CONNECT. It maps every host of TestDomain, which nobody else can resolve, to one
// server; others cannot be reached through it.
type Proxy struct {
	server  *Server
	login   string // NAME:PASSWORD that it wants, or ""
	address string
	forward *httputil.ReverseProxy
	tunnels sync.WaitGroup

	mu       sync.Mutex
	requests []string
	conns    []net.Conn
	closed   bool
}

// StartProxy starts a proxy to a server that answers until the end of the test. If login
// is not empty, it wants that by Basic authentication.
func StartProxy(t testing.TB, s *Server, login string) *Proxy {
	t.Helper()
	ca, err := os.ReadFile(s.ca)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	home, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	p := &Proxy{server: s, login: login}
	p.forward = &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host = home.Scheme, home.Host
		r.Out.Host = r.In.Host
	}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.address = l.Addr().String()
	h := &http.Server{Handler: p}
	p.tunnels.Go(func() { h.Serve(l) })
	t.Cleanup(func() {
		h.Close()
		p.hangUp()
		p.tunnels.Wait()
		transport.CloseIdleConnections()
	})
	return p
}

// URL returns the proxy's address with a login, or without if that is empty.
func (p *Proxy) URL(login string) string {
	u := url.URL{Scheme: "http", Host: p.address}
	if name, password, ok := strings.Cut(login, ":"); ok {
		u.User = url.UserPassword(name, password)
	}
	return u.String()
}

// Requests returns what went through the proxy: "CONNECT HOST:PORT" or "GET URL".
func (p *Proxy) Requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

// ServeHTTP is the proxy.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !p.admits(r) {
		w.Header().Set("Proxy-Authenticate", `Basic realm="nixsd-native tests"`)
		http.Error(w, "who are you?", http.StatusProxyAuthRequired)
		return
	}
	if !strings.HasSuffix(r.URL.Hostname(), "."+TestDomain) {
		http.Error(w, "no such host", http.StatusBadGateway)
		return
	}
	p.mu.Lock()
	p.requests = append(p.requests, r.Method+" "+strings.TrimPrefix(r.URL.String(), "//"))
	p.mu.Unlock()
	if r.Method == http.MethodConnect {
		p.connect(w)
		return
	}
	p.forward.ServeHTTP(w, r)
}

// admits looks at the Proxy-Authorization, and takes it away.
func (p *Proxy) admits(r *http.Request) bool {
	given := &http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}
	r.Header.Del("Proxy-Authorization")
	name, password, _ := given.BasicAuth()
	return p.login == "" || p.login == name+":"+password
}

// connect joins the client with the server.
func (p *Proxy) connect(w http.ResponseWriter) {
	server, err := net.Dial("tcp", strings.TrimPrefix(p.server.url, "https://"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		server.Close()
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if !p.holds(client, server) {
		return
	}
	io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
	for to, from := range map[net.Conn]io.Reader{server: buffered, client: server} {
		p.tunnels.Go(func() {
			io.Copy(to, from)
			client.Close()
			server.Close()
		})
	}
}

// holds takes note of connections to close in the end, or closes them at once.
func (p *Proxy) holds(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, conns...)
	if p.closed {
		for _, c := range conns {
			c.Close()
		}
	}
	return !p.closed
}

func (p *Proxy) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range p.conns {
		c.Close()
	}
}
