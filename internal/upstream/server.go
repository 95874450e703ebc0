// Package upstream is what tests download from: a server that answers as the hosts of
// nixos.org, GitHub and a Nix binary cache do, all of them on one port of 127.0.0.1,
// by HTTPS with a CA of its own. Each host is a prefix of the path.
//
// What it mirrors of nixos.org is from NixOS/infra (terraform/channels.tf, cache.tf),
// NixOS/nixos-channel-scripts and nixos/lib/make-channel.nix of nixpkgs; of GitHub's
// API, what src/libfetchers/github.cc of Nix asks for.
package upstream

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// Content is what a server has to offer.
type Content struct {
	// NixTar is the path of a Nix tarball, compressed by zstd: one folder. It is
	// published, with that folder renamed, as the tarball of NixVersion ("2.35.2") for
	// NixSystem ("x86_64-linux").
	NixTar, NixVersion, NixSystem string
	// ChannelTar is the path of a channel's tarball, compressed by zstd: one folder. It
	// is published as the channel nixos-<Release>.
	ChannelTar string
	Release    string // "26.05"
}

// What Start publishes first.
const (
	FirstRevision = "8f4c2a1be07d5936c1f0a2b3d4e5f60718293a4b"
	FirstCommits  = 1000
)

// A Server answers from Start until the end of the test. All methods may be called at
// any time before.
type Server struct {
	t       testing.TB
	dir     string
	content Content
	url     string // https://127.0.0.1:PORT
	ca      string
	http    *http.Server
	routes  http.Handler
	nix     blob
	running sync.WaitGroup // requests, and goroutines that accept connections

	mu           sync.Mutex
	closed       bool
	requests     []string
	faults       []broken
	publications []*publication // the last one is current
	repos        []repo
	cacheDir     string
	rewrite      func(text string) string
	errs         []error // what it could not produce
}

// Start publishes content. The generated tarballs, made when first asked for, and the
// CA's certificate go to dir, which must outlive the server. A tarball that cannot be
// made fails the test.
func Start(t testing.TB, dir string, c Content) *Server {
	t.Helper()
	authority, leaf, err := certificates()
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, dir: dir, content: c}
	if s.ca, err = s.create("upstream-ca-*.pem", func(w io.Writer) error {
		_, err := w.Write(authority)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	s.nix = s.blob("nix-*.tar.xz", func(w io.Writer) error {
		return writeXZ(w, func(w io.Writer) error { return writeNix(w, c) })
	})
	s.routes = s.mux()
	s.http = &http.Server{
		Handler:   s,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{leaf}},
		ErrorLog:  log.New(io.Discard, "", 0), // handshakes that fail on purpose
	}
	t.Cleanup(s.stop)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.url = "https://" + l.Addr().String()
	s.Publish(t, FirstRevision, FirstCommits)
	s.accept(l)
	return s
}

func (s *Server) stop() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.http.Close()
	s.running.Wait()
	for _, err := range s.errs {
		s.t.Errorf("upstream: %v", err)
	}
}

// Listen makes the server answer at one more address, such as 127.0.0.1:443: the host
// of Nix's github:owner/repo?host=HOST cannot have a port.
func (s *Server) Listen(address string) error {
	l, err := net.Listen("tcp", address)
	if err == nil {
		s.accept(l)
	}
	return err
}

func (s *Server) accept(l net.Listener) {
	s.running.Go(func() { s.http.ServeTLS(l, "", "") })
}

// CAFile returns the path of the CA's certificate, in PEM, readable by every user.
func (s *Server) CAFile() string { return s.ca }

// ReleasesURL returns what stands for https://releases.nixos.org.
func (s *Server) ReleasesURL() string { return s.url + "/releases" }

// ChannelsURL returns what stands for https://channels.nixos.org.
func (s *Server) ChannelsURL() string { return s.url + "/channels" }

// ArchivesURL returns what stands for https://github.com/NixOS/nixpkgs/archive/.
func (s *Server) ArchivesURL() string { return s.url + "/github/NixOS/nixpkgs/archive/" }

// CacheURL returns what stands for https://cache.nixos.org.
func (s *Server) CacheURL() string { return s.url + "/cache" }

// Requests returns method and path, such as "GET /cache/nix-cache-info", of every
// request so far, in the order of their arrival.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Forget empties what Requests returns.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

// mux knows the path of everything. GET stands for HEAD too.
func (s *Server) mux() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("/", notFound)
	m.HandleFunc("GET /channels/{channel}/{file}", s.serveChannel)
	m.HandleFunc("GET /releases/nix/{release}/{file}", s.serveNix)
	m.HandleFunc("GET /releases/nixos/{release}/{version}/{file}", s.serveRelease)
	m.HandleFunc("GET /github/{owner}/{repo}/archive/{file}", s.serveArchive)
	m.HandleFunc("GET /api/v3/repos/{owner}/{repo}/commits/{ref...}", s.serveCommit)
	m.HandleFunc("GET /api/v3/repos/{owner}/{repo}/tarball/{ref...}", s.serveTarball)
	m.HandleFunc("GET /codeload/{owner}/{repo}/{kind}/{ref...}", s.serveCodeload)
	m.HandleFunc("GET /cache/nix-cache-info", serveCacheInfo)
	m.HandleFunc("GET /cache/{file}", s.serveNarinfo)
	m.HandleFunc("GET /cache/nar/{file}", s.serveNar)
	m.HandleFunc("PUT /cache/{path...}", s.takeUpload)
	return m
}

// ServeHTTP answers a request, or lets a fault do so.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fault, ok := s.arrive(r)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	defer s.running.Done()
	if fault != nil {
		fault(w, r, s.routes)
		return
	}
	s.routes.ServeHTTP(w, r)
}

// arrive takes note of a request, and of its end to come unless ok is false: then the
// server is stopping.
func (s *Server) arrive(r *http.Request) (fault Fault, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, false
	}
	s.running.Add(1)
	s.requests = append(s.requests, r.Method+" "+r.URL.Path)
	return s.faultFor(r.URL.Path), true
}

// fail answers a request for something that cannot be produced.
func (s *Server) fail(w http.ResponseWriter, err error) {
	s.mu.Lock()
	s.errs = append(s.errs, err)
	s.mu.Unlock()
	http.Error(w, err.Error(), http.StatusInternalServerError)
}

// notFound is nixos.org's answer for what is not there.
func notFound(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	w.Header().Set("Content-Length", "3")
	w.WriteHeader(http.StatusNotFound)
	io.WriteString(w, "404")
}

// answer sends a short text.
func answer(w http.ResponseWriter, status int, contentType, text string) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	io.WriteString(w, text)
}

// versionName is the name of the folder in, and of, a channel's version.
func versionName(release, revision string, commits int) string {
	return fmt.Sprintf("nixos-%s.%d.%s", release, commits, revision[:12])
}
