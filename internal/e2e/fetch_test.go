package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nixsd-native/internal/testenv"
)

// A shelf is a server of three files that stand for QEMU, Nix and nixpkgs. fetch unpacks
// none of them, so that their hashes are all that matters.
type shelf struct {
	*httptest.Server
	files map[string][]byte // by path

	mu     sync.Mutex
	served map[string]int // bytes
	ranges map[string][]string
	before func(path string)       // called before an answer
	chunk  func(path string) error // called before each part of a body
}

// shelfChunk is how much is sent at a time, in bytes.
const shelfChunk = 64 << 10

func newShelf(t *testing.T, size int) *shelf {
	t.Helper()
	s := &shelf{files: map[string][]byte{}, served: map[string]int{}, ranges: map[string][]string{}}
	for _, name := range []string{"/qemu.deb", "/nix.tar.xz", "/nixpkgs.tar.xz"} {
		s.files[name] = make([]byte, size)
		rand.Read(s.files[name])
	}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// ServeHTTP counts what is asked for and sent.
func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	s.mu.Lock()
	s.ranges[path] = append(s.ranges[path], r.Header.Get("Range"))
	before := s.before
	s.mu.Unlock()
	if before != nil {
		before(path)
	}
	http.ServeContent(shelfWriter{w, s, path}, r, path, time.Time{}, bytes.NewReader(s.files[path]))
}

// A shelfWriter sends in parts, each of them counted.
type shelfWriter struct {
	http.ResponseWriter
	*shelf
	path string
}

func (w shelfWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 && err == nil {
		if w.chunk != nil {
			if err = w.chunk(w.path); err != nil {
				return n, err
			}
		}
		var m int
		m, err = w.ResponseWriter.Write(p[:min(shelfChunk, len(p))])
		w.ResponseWriter.(http.Flusher).Flush()
		w.mu.Lock()
		w.served[w.path] += m
		w.mu.Unlock()
		n, p = n+m, p[m:]
	}
	return n, err
}

func (s *shelf) sum(name string) string { return hexSum(s.files[name]) }

// fetch are the arguments of a fetch of all three.
func (s *shelf) fetch(p places, more ...string) []string {
	args := p.with("fetch", "--qemu-deb", s.URL+"/qemu.deb", "--qemu-sha256", s.sum("/qemu.deb"),
		"--nix", s.URL+"/nix.tar.xz", "--nix-sha256", s.sum("/nix.tar.xz"),
		"--nixpkgs", s.URL+"/nixpkgs.tar.xz", "--nixpkgs-sha256", s.sum("/nixpkgs.tar.xz"))
	return append(args, more...)
}

// An inputsList is what fetch --json prints.
type inputsList struct {
	System, Cache string
	Inputs        []struct {
		Kind, Name, SHA256, State string
		Files                     int
		Size                      int64
	}
}

func (r result) inputs(t *testing.T) (l inputsList) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.out), &l); err != nil {
		t.Fatalf("fetch --json printed %q: %v\n%s", r.out, err, r.errs)
	}
	return l
}

// states are the states of a list's inputs, in order.
func (l inputsList) states() string {
	var all []string
	for _, i := range l.Inputs {
		all = append(all, i.State)
	}
	return strings.Join(all, ", ")
}

// All inputs are downloaded at once: each waits here until all were asked for.
func TestFetchTogether(t *testing.T) {
	needEmulation(t)
	check := mustStay(t)
	s := newShelf(t, 1<<20)
	var all sync.WaitGroup
	all.Add(len(s.files))
	together := make(chan struct{})
	go func() { all.Wait(); close(together) }()
	s.before = func(string) {
		all.Done()
		select {
		case <-together:
		case <-time.After(20 * time.Second):
			t.Error("the downloads did not come at once")
		}
	}
	u := user()
	p := u.places("together")
	l := must(t, job{as: u, dir: u.folder(t, "together"), args: s.fetch(p, "--json")}).inputs(t)
	if got := l.states(); got != "downloaded, downloaded, downloaded" || l.System != nativeArch() || l.Cache != p.cache {
		t.Errorf("fetch --json = %+v", l)
	}
	for i, name := range []string{"/qemu.deb", "/nix.tar.xz", "/nixpkgs.tar.xz"} {
		if in := l.Inputs[i]; in.SHA256 != s.sum(name) || in.Size != 1<<20 || in.Files != 1 {
			t.Errorf("fetch --json has %+v; want %s with sha256 %s", in, name, s.sum(name))
		}
	}
	check(t)
}

// A fetch that is killed in the middle goes on where it was: no byte comes twice.
func TestFetchResumed(t *testing.T) {
	needEmulation(t)
	check := mustStay(t)
	const whole = 4 << 20
	s := newShelf(t, whole)
	half, once := make(chan struct{}), sync.Once{}
	s.chunk = func(path string) error { // 3 MB/s, so that what is sent has arrived
		time.Sleep(20 * time.Millisecond)
		s.mu.Lock()
		defer s.mu.Unlock()
		if slices.Min([]int{s.served["/qemu.deb"], s.served["/nix.tar.xz"], s.served["/nixpkgs.tar.xz"]}) >= whole/2 {
			once.Do(func() { close(half) })
		}
		return nil
	}
	u := user()
	p, dir := u.places("resumed"), u.folder(t, "resumed")
	killed := start(t, job{as: u, dir: dir, args: s.fetch(p)})
	<-half
	killed.cmd.Process.Signal(syscall.SIGKILL)
	killed.wait()
	parts := map[string]int64{}
	for name := range s.files {
		info, err := os.Stat(filepath.Join(p.cache, ".partial", s.sum(name)))
		if err != nil || info.Size() < whole/2-4*shelfChunk || info.Size() >= whole {
			t.Fatalf("of %s there is %v, %v; want half", name, info, err)
		}
		parts[name] = info.Size()
	}
	list := must(t, job{as: u, dir: dir, args: s.fetch(p)}).out
	for name, part := range parts {
		if want := []string{"", fmt.Sprintf("bytes=%d-", part)}; !slices.Equal(s.ranges[name], want) {
			t.Errorf("%s was asked for with ranges %q; want %q", name, s.ranges[name], want)
		}
		// The server may have sent a few parts more than the killed program took.
		if s.served[name] > whole+4*shelfChunk {
			t.Errorf("%d bytes of %s were sent; it has %d", s.served[name], name, whole)
		}
	}
	if strings.Count(list, "  downloaded  ") != 3 || strings.Count(list, "\n") != 4 {
		t.Errorf("fetch printed\n%s", list)
	}
	check(t)
}

// fetch --check tells what is there, damaged and missing, without a network, and leaves
// all as it is.
func TestFetchCheck(t *testing.T) {
	needEmulation(t)
	check := mustStay(t)
	s := newShelf(t, 1<<20)
	u := user()
	p, dir := u.places("checked"), u.folder(t, "checked")
	look := func(status int, states, says string, args ...string) {
		t.Helper()
		r := run(t, job{as: u, dir: dir, isolated: true, args: append(args, "--check", "--json")})
		if l := r.inputs(t); r.status != status || l.states() != states || !strings.Contains(r.errs, says) {
			t.Errorf("fetch --check = %d, %+v, %s; want %d, %s, %q", r.status, l, r.errs, status, states, says)
		}
	}
	plain := p.with("fetch")
	look(exitNetwork, "missing, missing, not locked", "channel nixos-26.05, which no lock pins", plain...)
	look(exitNetwork, "missing, missing, missing", "nixsd-native fetch --nix "+s.URL, s.fetch(p)...)
	if _, err := os.Stat(p.cache); !os.IsNotExist(err) {
		t.Errorf("--check made the cache: %v", err)
	}
	must(t, job{as: u, dir: dir, args: s.fetch(p)})
	look(0, "ok, ok, ok", "", plain...) // the lock tells now
	file := func(name string) string { return filepath.Join(p.cache, s.sum(name)+"-"+name[1:]) }
	damaged := bytes.Clone(s.files["/nix.tar.xz"])
	damaged[1<<19] ^= 1
	if err := os.WriteFile(file("/nix.tar.xz"), damaged, 0o644); err != nil {
		t.Fatal(err)
	}
	look(exitVerify, "ok, damaged, ok", "nix.tar.xz: its sha256 is "+hexSum(damaged), plain...)
	if err := os.Remove(file("/qemu.deb")); err != nil {
		t.Fatal(err)
	}
	look(exitVerify, "missing, damaged, ok", "not in the cache: qemu.deb", plain...)
	if got := testenv.SHA256(t, file("/nix.tar.xz")); got != hexSum(damaged) {
		t.Errorf("--check changed the damaged file: %s", got)
	}
	must(t, job{as: u, dir: dir, args: plain})
	look(0, "ok, ok, ok", "", plain...)
	check(t)
}
