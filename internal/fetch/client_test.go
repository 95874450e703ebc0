package fetch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestFileFromCache(t *testing.T) {
	c, rec := newClient(t)
	s := newSource(t, serve(good))
	r := Request{Name: "a b.deb", SHA256: strings.ToUpper(sumOf(good)), URLs: []string{s.URL}}
	for range 3 {
		path, err := c.File(t.Context(), r)
		wantFile(t, path, err, good)
		if want := sumOf(good) + "-a_b.deb"; filepath.Base(path) != want {
			t.Errorf("name %q; want %q", filepath.Base(path), want)
		}
	}
	if n := len(s.asked()); n != 1 || len(rec.events) != 0 {
		t.Errorf("asked %d times, events %v; want once, none", n, rec.events)
	}
}

func TestFileRepairsEntry(t *testing.T) {
	c, rec := newClient(t)
	write(t, c.Cache.Dir(), sumOf(good)+"-f", good[:2999])
	gone := write(t, c.Cache.Dir(), sumOf(good)+"-g", evil)
	s := newSource(t, serve(good))
	path, err := c.File(t.Context(), Request{Name: "f", SHA256: sumOf(good), Size: 3000, URLs: []string{s.URL}})
	wantFile(t, path, err, good)
	if _, err := os.Lstat(gone); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Lstat of the other bad entry = %v; want it gone", err)
	}
	if want := []EventKind{EventBadEntry, EventBadEntry}; !slices.Equal(rec.kinds(), want) {
		t.Errorf("events %v; want two bad entries", rec.events)
	}
}

func TestFileBadRequests(t *testing.T) {
	c, _ := newClient(t)
	for _, r := range []Request{{}, {SHA256: "12"}, {SHA256: sumOf(good), Size: -1}} {
		if _, err := c.File(t.Context(), r); err == nil {
			t.Errorf("File(%+v) = nil; want an error", r)
		}
	}
	_, err := c.File(t.Context(), Request{Name: "f.deb", SHA256: sumOf(good)})
	checkError(t, err, "no source is known", false)
}

// A complete or overlong partial file, and one of a source that had it wrong.
func TestFilePartial(t *testing.T) {
	tests := []struct {
		name  string
		have  []byte
		size  int64
		asked []string
	}{
		{"complete", good, 0, nil},
		{"complete, size known", good, 3000, nil},
		{"half", good[:1500], 3000, []string{"bytes=1500-"}},
		{"half, size unknown", good[:1500], 0, []string{"bytes=1500-"}},
		{"overlong", body(1, 4000), 3000, []string{""}},
		{"as long, wrong", evil, 3000, []string{""}},
		{"wrong half", evil[:1500], 3000, []string{"bytes=1500-", ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := newClient(t)
			write(t, c.Cache.Dir(), partialDir+"/"+sumOf(good), tt.have)
			s := newSource(t, serve(good))
			path, err := c.File(t.Context(), Request{SHA256: sumOf(good), Size: tt.size, URLs: []string{s.URL}})
			wantFile(t, path, err, good)
			if got := s.asked(); !slices.Equal(got, tt.asked) {
				t.Errorf("asked for %q; want %q", got, tt.asked)
			}
			if left := partials(t, c.Cache); len(left) != 0 {
				t.Errorf("left in %s: %q", partialDir, left)
			}
		})
	}
}

func TestFileCancel(t *testing.T) {
	c, _ := newClient(t)
	s := newSource(t, stall(good, 1000), serve(good))
	r := Request{SHA256: sumOf(good), Size: 3000, URLs: []string{s.URL}}
	ctx, cancel := context.WithCancel(t.Context())
	var here int64
	c.Progress = func(_ string, done, _ int64) { here = done; cancel() }
	if _, err := c.File(ctx, r); !errors.Is(err, context.Canceled) {
		t.Fatalf("File = %v; want context.Canceled", err)
	}
	info, err := os.Stat(filepath.Join(c.Cache.Dir(), partialDir, sumOf(good)))
	if err != nil || info.Size() != here || here == 0 {
		t.Fatalf("partial file %v, %v; want %d bytes", info, err, here)
	}
	// Cancelled while it hashes: the partial file stays whole.
	if _, err := c.Cache.openPartial(ctx, r); !errors.Is(err, context.Canceled) {
		t.Errorf("openPartial = %v; want context.Canceled", err)
	}
	c.Progress = nil
	path, err := c.File(t.Context(), r)
	wantFile(t, path, err, good)
	if want := []string{"", fmt.Sprintf("bytes=%d-", here)}; !slices.Equal(s.asked(), want) {
		t.Errorf("asked for %q; want %q", s.asked(), want)
	}
}

func TestFileOnceAmongGoroutines(t *testing.T) {
	c, _ := newClient(t)
	s := newSource(t, serve(good))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := c.File(t.Context(), Request{SHA256: sumOf(good), URLs: []string{s.URL}}); err != nil {
				t.Errorf("File = %v; want the file", err)
			}
		})
	}
	wg.Wait()
	if n := len(s.asked()); n != 1 {
		t.Errorf("%d requests; want 1", n)
	}
}

// The other process gets the lock first and is held up by the server until
// this one has said that it waits.
func TestFileOnceAmongProcesses(t *testing.T) {
	c, rec := newClient(t)
	asked, goOn := make(chan bool), make(chan bool)
	s := newSource(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- true
		<-goOn
		serve(good)(w, r)
	})
	rec.on = func(e Event) {
		if e.Kind == EventWaiting {
			close(goOn)
		}
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), exe)
	child.Args = []string{"fetch-child", c.Cache.Dir(), s.URL, sumOf(good)}
	var out strings.Builder
	child.Stdout, child.Stderr = &out, &out
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	path, err := c.File(t.Context(), Request{SHA256: sumOf(good), URLs: []string{s.URL}})
	if werr := child.Wait(); werr != nil {
		t.Errorf("the other process: %v: %s", werr, out.String())
	}
	wantFile(t, path, err, good)
	if n := len(s.asked()); n != 1 {
		t.Errorf("%d requests; want 1", n)
	}
}

func TestOffline(t *testing.T) {
	c, _ := newClient(t)
	c.Offline = true
	s := newSource(t, serve(good))
	write(t, c.Cache.Dir(), "by hand", good)
	absent := func(seed byte) Request {
		return Request{
			Name: fmt.Sprintf("f%d.deb", seed), SHA256: sumOf(body(seed, 10)), Size: 10,
			URLs: []string{strings.Replace(s.URL, "//", "//user:s3kr1t@", 1)},
		}
	}
	here := Request{Name: "here", SHA256: sumOf(good), URLs: []string{s.URL}}
	if path, err := c.File(t.Context(), here); err != nil {
		t.Errorf("File = %q, %v; want the copy", path, err)
	}
	_, err := c.Files(t.Context(), []Request{absent(5), here, absent(6), absent(5)}, 2)
	e, ok := errors.AsType[*OfflineError](err)
	if !ok || len(e.Missing) != 2 || e.Missing[0].Name != "f5.deb" || e.Missing[1].SHA256 != absent(6).SHA256 {
		t.Fatalf("Files = %v; want an *OfflineError with f5.deb and f6.deb", err)
	}
	text := err.Error() + strings.Join(e.Hints(), "\n")
	for _, want := range []string{"f5.deb, f6.deb", "nixsd-native fetch", c.Cache.Dir(), sumOf(body(6, 10)), "***@"} {
		if !strings.Contains(text, want) {
			t.Errorf("error and hints %q; want %q in them", text, want)
		}
	}
	if strings.Contains(text, "s3kr1t") {
		t.Errorf("credentials in %q", text)
	}
	if _, err := c.Learn(t.Context(), Request{Name: "f", URLs: []string{s.URL}}); !isOffline(err) {
		t.Errorf("Learn = %v; want an *OfflineError", err)
	}
	if _, _, err := c.Document(t.Context(), []string{s.URL + "/d"}, 0); !isOffline(err) {
		t.Errorf("Document = %v; want an *OfflineError", err)
	}
	if n := len(s.asked()); n != 0 {
		t.Errorf("%d requests; want none", n)
	}
}

func isOffline(err error) bool {
	_, ok := errors.AsType[*OfflineError](err)
	return ok
}

func TestFiles(t *testing.T) {
	c, _ := newClient(t)
	var requests []Request
	for i := range 6 {
		s := newSource(t, serve(body(byte(i), 100)))
		requests = append(requests, Request{SHA256: sumOf(body(byte(i), 100)), URLs: []string{s.URL}})
	}
	calls := 0 // Files promises not to call from two goroutines at once
	c.Progress = func(string, int64, int64) { calls++ }
	paths, err := c.Files(t.Context(), requests, 3)
	if err != nil || len(paths) != 6 {
		t.Fatalf("Files = %q, %v; want 6 paths", paths, err)
	}
	for i, path := range paths {
		wantFile(t, path, nil, body(byte(i), 100))
	}
	if calls < 6 {
		t.Errorf("%d calls of Progress; want at least 6", calls)
	}
	if paths, err := c.Files(t.Context(), nil, 0); err != nil || len(paths) != 0 {
		t.Errorf("Files of none = %q, %v; want none", paths, err)
	}
}

func TestFilesFirstError(t *testing.T) {
	c, _ := newClient(t)
	slow := newSource(t, stall(good, 10))
	started := make(chan bool)
	bad := newSource(t, func(w http.ResponseWriter, r *http.Request) {
		<-started
		w.WriteHeader(404)
	})
	c.Progress = func(string, int64, int64) { close(started) }
	_, err := c.Files(t.Context(), []Request{
		{Name: "slow", SHA256: sumOf(good), URLs: []string{slow.URL}},
		{Name: "f.deb", SHA256: sumOf(evil), URLs: []string{bad.URL}},
		{Name: "later", SHA256: sumOf(nil), URLs: []string{bad.URL}},
	}, 2)
	checkError(t, err, "404 Not Found", false)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Files(ctx, []Request{{SHA256: sumOf(good)}}, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("Files with a cancelled context = %v; want context.Canceled", err)
	}
}
