package upstream

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strings"
)

// ServeCache makes a folder as nix copy --to file://dir fills it what the binary cache
// has: *.narinfo and nar/*. Without one, the cache is empty. Its nix-cache-info is
// always that of cache.nixos.org.
func (s *Server) ServeCache(dir string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cacheDir = dir
}

// RewriteNarinfo changes the text of every *.narinfo on its way out, such as its
// signatures; nil leaves them as they are. f is called by several goroutines at once.
func (s *Server) RewriteNarinfo(f func(text string) string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rewrite = f
}

// takeUpload writes a file that nix copy uploads into the cache's folder, which must
// belong to the test.
func (s *Server) takeUpload(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	dir := s.cacheDir
	s.mu.Unlock()
	if err := upload(dir, r.PathValue("path"), r.Body); err != nil {
		s.fail(w, err)
		return
	}
	w.WriteHeader(http.StatusCreated)
}

func upload(dir, name string, body io.Reader) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := root.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, body)
	return errors.Join(err, f.Close())
}

func serveCacheInfo(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, "text/x-nix-cache-info", "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n")
}

// notInCache is cache.nixos.org's answer for what is not there.
func notInCache(w http.ResponseWriter) { answer(w, http.StatusNotFound, "text/plain", "404") }

func (s *Server) serveNarinfo(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	if !strings.HasSuffix(name, ".narinfo") {
		notInCache(w)
		return
	}
	f, rewrite := s.cached(w, name)
	if f == nil {
		return
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		s.fail(w, err)
		return
	}
	text := string(data)
	if rewrite != nil {
		text = rewrite(text)
	}
	answer(w, http.StatusOK, "text/x-nix-narinfo", text)
}

func (s *Server) serveNar(w http.ResponseWriter, r *http.Request) {
	f, _ := s.cached(w, "nar/"+r.PathValue("file"))
	if f == nil {
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		s.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-nix-nar")
	http.ServeContent(w, r, "", info.ModTime(), f)
}

// cached opens a file of the cache's folder. If it returns nil it has answered.
func (s *Server) cached(w http.ResponseWriter, name string) (f *os.File, rewrite func(string) string) {
	s.mu.Lock()
	dir, rewrite := s.cacheDir, s.rewrite
	s.mu.Unlock()
	if dir == "" {
		notInCache(w)
		return nil, nil
	}
	f, err := os.OpenInRoot(dir, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		notInCache(w)
	case err != nil:
		s.fail(w, err)
	}
	return f, rewrite
}
