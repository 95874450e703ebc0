package upstream

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// zstdTar writes a tarball of files, folders ("a/") and links ("a -> b").
func zstdTar(t *testing.T, names ...string) string {
	t.Helper()
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	tw := tar.NewWriter(z)
	for _, name := range names {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(name)), ModTime: time.Unix(1, 0), Format: tar.FormatGNU}
		if from, to, isLink := strings.Cut(name, " -> "); isLink {
			h.Typeflag, h.Name, h.Linkname, h.Size = tar.TypeSymlink, from, to, 0
		} else if strings.HasSuffix(name, "/") {
			h.Typeflag, h.Mode, h.Size = tar.TypeDir, 0o755, 0
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			io.WriteString(tw, name)
		}
	}
	if err := errors.Join(tw.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return write(t, filepath.Join(t.TempDir(), "in.tar.zst"), b.String())
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
	return path
}

func start(t *testing.T) (*Server, *http.Client) {
	t.Helper()
	s := Start(t, t.TempDir(), Content{
		NixTar:     zstdTar(t, "nix-1-x/", "nix-1-x/.reginfo", "nix-1-x/store/", "nix-1-x/store/a", "nix-1-x/store/b -> a"),
		NixVersion: "2.35.2", NixSystem: "x86_64-linux",
		ChannelTar: zstdTar(t, "nixos-demo/", "nixos-demo/.git-revision", "nixos-demo/default.nix", "nixos-demo/lib/", "nixos-demo/lib/default.nix"),
		Release:    "26.05",
	})
	return s, client(t, s, true)
}

// client trusts s and does not follow redirects.
func client(t *testing.T, s *Server, http2 bool) *http.Client {
	t.Helper()
	pem, err := os.ReadFile(s.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: http2}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// get returns an answer with what arrived of its body, and why no more did.
func get(t *testing.T, c *http.Client, url string, headers ...string) (*http.Response, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		k, v, _ := strings.Cut(h, ": ")
		req.Header.Set(k, v)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

// want checks status, body and some headers of an answer, and returns it.
func want(t *testing.T, c *http.Client, url string, status int, body string, headers ...string) *http.Response {
	t.Helper()
	resp, got, err := get(t, c, url)
	if err != nil || resp.StatusCode != status || got != body && status != http.StatusFound {
		t.Errorf("%s: %s %q, %v; want %d %q", url, resp.Status, got, err, status, body)
	}
	for _, h := range headers {
		k, v, _ := strings.Cut(h, ": ")
		if resp.Header.Get(k) != v {
			t.Errorf("%s: %s = %q; want %q", url, k, resp.Header.Get(k), v)
		}
	}
	return resp
}

// list returns type, mode, name and target or content of the entries of a tar.
func list(t *testing.T, r io.Reader, err error) []string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%c %o %s %s%.15q", h.Typeflag, h.Mode, h.Name, h.Linkname, content))
	}
}

func wantList(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("the tarball has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func sum(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }
