package upstream

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ulikunitz/xz"
)

func TestChannel(t *testing.T) {
	s, c := start(t)
	first := s.ReleasesURL() + "/nixos/26.05/nixos-26.05.1000." + FirstRevision[:12]
	want(t, c, s.ChannelsURL()+"/nixos-26.05/nixexprs.tar.xz", 302, "",
		"Location: "+first+"/nixexprs.tar.xz",
		"Link: <"+first+"/nixexprs.tar.xz?rev="+FirstRevision+`&lastModified=1780332000>; rel="immutable"`)
	want(t, c, s.ChannelsURL()+"/nixos-26.05/git-revision", 302, "", "Location: "+first+"/git-revision", "Link: ")
	want(t, c, first+"/git-revision", 200, FirstRevision, "Content-Type: text/plain")
	for _, url := range []string{s.ChannelsURL() + "/nixos-25.11/git-revision", s.ChannelsURL() + "/nixos-26.05/x", first + "x/git-revision", first + "/x"} {
		want(t, c, url, 404, "404")
	}
	resp, old, err := get(t, c, first+"/nixexprs.tar.xz")
	if err != nil || sum(old) != s.ChannelSHA256() || resp.ProtoMajor != 2 {
		t.Errorf("%s of %d bytes, %v", resp.Proto, len(old), err)
	}
	for _, h := range []string{"ETag", "Last-Modified", "Accept-Ranges"} {
		if resp.Header.Get(h) == "" {
			t.Errorf("no %s: %v", h, resp.Header)
		}
	}
	r, err := xz.NewReader(strings.NewReader(old))
	top := "nixos-26.05.1000." + FirstRevision[:12] + "/"
	wantList(t, list(t, r, err),
		"5 755 "+top+` ""`,
		"0 644 "+top+`default.nix "nixos-demo/defa"`,
		"5 755 "+top+`lib/ ""`,
		"0 644 "+top+`lib/default.nix "nixos-demo/lib/"`,
		"0 644 "+top+`lib/.version "26.05\n"`,
		"2 777 "+top+`.version lib/.version""`,
		"0 644 "+top+`.git-revision "`+FirstRevision[:15]+`"`,
		"0 644 "+top+`.version-suffix ".1000.`+FirstRevision[:9]+`"`,
		"2 777 "+top+`nixpkgs .""`,
		"0 644 "+top+`programs.sqlite "SQLite format 3"`)

	next := strings.Repeat("0123456789", 4)
	s.Publish(t, next, 1001)
	want(t, c, s.ChannelsURL()+"/nixos-26.05/git-revision", 302, "", "Location: "+s.ReleasesURL()+"/nixos/26.05/nixos-26.05.1001.012345678901/git-revision")
	if s.Revision() != next || s.ChannelSHA256() == sum(old) {
		t.Errorf("the channel is still at %s", s.Revision())
	}
	want(t, c, first+"/nixexprs.tar.xz", 200, old)
}

func TestNix(t *testing.T) {
	s, c := start(t)
	url := s.ReleasesURL() + "/nix/nix-2.35.2/nix-2.35.2-x86_64-linux.tar.xz"
	want(t, c, url+".sha256", 200, s.NixSHA256(), "Content-Type: text/plain")
	want(t, c, s.ReleasesURL()+"/nix/nix-2.35.2/nix-2.35.2-aarch64-linux.tar.xz", 404, "404", "Content-Type: text/html")
	resp, body, err := get(t, c, url)
	if err != nil || sum(body) != s.NixSHA256() {
		t.Errorf("%s of %d bytes, %v", resp.Status, len(body), err)
	}
	r, err := xz.NewReader(strings.NewReader(body))
	const top = "nix-2.35.2-x86_64-linux/"
	wantList(t, list(t, r, err),
		"5 755 "+top+` ""`, "0 644 "+top+`.reginfo "nix-1-x/.reginf"`, "5 755 "+top+`store/ ""`,
		"0 644 "+top+`store/a "nix-1-x/store/a"`, "2 644 "+top+`store/b a""`)
	part, rest, err := get(t, c, url, "Range: bytes=100-", "If-Range: "+resp.Header.Get("ETag"))
	if err != nil || part.StatusCode != 206 || rest != body[100:] {
		t.Errorf("range: %s of %d bytes, %v", part.Status, len(rest), err)
	}
}

func TestGitHub(t *testing.T) {
	s, c := start(t)
	data := s.url + "/codeload/NixOS/nixpkgs/tar.gz/" + FirstRevision
	want(t, c, s.ArchivesURL()+FirstRevision+".tar.gz", 302, "", "Location: "+data)
	resp, body, err := get(t, client(t, s, false), data, "Range: bytes=10-")
	if err != nil || resp.StatusCode != 200 || resp.ContentLength != -1 || resp.Header.Get("Accept-Ranges") != "" || !slices.Equal(resp.TransferEncoding, []string{"chunked"}) {
		t.Errorf("%s %v %q, %v; want chunks", resp.Status, resp.Header, resp.TransferEncoding, err)
	}
	r, err := gzip.NewReader(strings.NewReader(body))
	top := "nixpkgs-" + FirstRevision + "/"
	wantList(t, list(t, r, err),
		`g 0 pax_global_header ""`, "5 775 "+top+` ""`,
		"0 664 "+top+`default.nix "nixos-demo/defa"`, "5 775 "+top+`lib/ ""`, "0 664 "+top+`lib/default.nix "nixos-demo/lib/"`,
		"0 664 "+top+`lib/.version "26.05\n"`, "2 777 "+top+`.version lib/.version""`)
	c.CheckRedirect = nil
	want(t, c, s.ArchivesURL()+strings.Repeat("0", 40)+".tar.gz", 404, "404: Not Found")
	want(t, c, s.url+"/github/o/r/archive/"+FirstRevision+".tar.gz", 404, "Not Found")
}

func TestAPI(t *testing.T) {
	s, c := start(t)
	dir, rev := t.TempDir(), strings.Repeat("ab", 20)
	write(t, filepath.Join(dir, "flake.nix"), "{}")
	write(t, filepath.Join(dir, ".gitignore"), "result")
	write(t, filepath.Join(dir, ".git", "HEAD"), "")
	s.ServeRepo("o", "r", rev, dir)
	api := s.url + "/api/v3/repos/o/r"
	for _, ref := range []string{"HEAD", rev} {
		resp, body, err := get(t, c, api+"/commits/"+ref)
		if err != nil || resp.StatusCode != 200 || !strings.Contains(body, `"sha":"`+rev+`"`) || !strings.Contains(body, `"tree":{"sha":"`) {
			t.Errorf("commit %s: %s %s, %v", ref, resp.Status, body, err)
		}
	}
	want(t, c, api+"/commits/x/y", 422, `{"message":"No commit found for SHA: x/y"}`+"\n")
	want(t, c, api+"x/commits/HEAD", 404, `{"message":"Not Found"}`+"\n")
	want(t, c, api+"/tarball/x", 404, `{"message":"Not Found"}`+"\n")
	c.CheckRedirect = nil
	_, body, err := get(t, c, api+"/tarball/"+rev)
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(strings.NewReader(body))
	wantList(t, list(t, r, err),
		`g 0 pax_global_header ""`, `5 775 o-r-abababa/ ""`, `0 664 o-r-abababa/.gitignore "result"`, `0 664 o-r-abababa/flake.nix "{}"`)
}

func TestCache(t *testing.T) {
	s, c := start(t)
	want(t, c, s.CacheURL()+"/nix-cache-info", 200, "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n", "Content-Type: text/x-nix-cache-info")
	want(t, c, s.CacheURL()+"/abc.narinfo", 404, "404")
	dir := t.TempDir()
	write(t, filepath.Join(dir, "abc.narinfo"), "StorePath: x\n")
	write(t, filepath.Join(dir, "nar", "x.nar.xz"), "nar")
	s.ServeCache(dir)
	want(t, c, s.CacheURL()+"/abc.narinfo", 200, "StorePath: x\n", "Content-Type: text/x-nix-narinfo")
	want(t, c, s.CacheURL()+"/nar/x.nar.xz", 200, "nar", "Content-Type: application/x-nix-nar", "Accept-Ranges: bytes")
	want(t, c, s.CacheURL()+"/abd.narinfo", 404, "404", "Content-Type: text/plain")
	want(t, c, s.CacheURL()+"/nar/y", 404, "404")
	s.RewriteNarinfo(strings.ToUpper)
	want(t, c, s.CacheURL()+"/abc.narinfo", 200, "STOREPATH: X\n")
	s.RewriteNarinfo(nil)
	s.Forget()
	want(t, c, s.CacheURL()+"/abc.narinfo?q", 200, "StorePath: x\n")
	if got, want := s.Requests(), []string{"GET /cache/abc.narinfo"}; !slices.Equal(got, want) {
		t.Errorf("Requests = %q; want %q", got, want)
	}
}

func TestFaults(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("http2=%t", http2), func(t *testing.T) { testFaults(t, http2) })
	}
}

func testFaults(t *testing.T, http2 bool) {
	s, _ := start(t)
	c := client(t, s, http2)
	dir := t.TempDir()
	whole := strings.Repeat("0123456789", 1000)
	write(t, filepath.Join(dir, "nar", "x"), whole)
	write(t, filepath.Join(dir, "x.narinfo"), "0123")
	s.ServeCache(dir)
	url := s.CacheURL() + "/nar/x"
	half := func(url, want string, length int64) {
		t.Helper()
		resp, got, err := get(t, c, url)
		if err == nil || got != want || resp.ContentLength != length {
			t.Errorf("%s: %d of %d bytes, %v; want half", url, len(got), resp.ContentLength, err)
		}
	}
	s.Break("x", NotFound())
	want(t, c, url, 404, "404")
	want(t, c, s.CacheURL()+"/x.narinfo", 200, "0123")
	s.Break("/cache/*/*", ServerError())
	want(t, c, url, 500, "Internal Server Error\n")
	s.Break("/*/*.narinfo", Truncated())
	half(s.CacheURL()+"/x.narinfo", "01", 4)
	s.Break("/cache/nar/*", Dies())
	half(url, whole[:5000], 10000)
	if resp, rest, err := get(t, c, url, "Range: bytes=5000-"); err != nil || resp.StatusCode != 206 || rest != whole[5000:] {
		t.Errorf("the rest: %s of %d bytes, %v", resp.Status, len(rest), err)
	}
	s.Break("x", Corrupted())
	want(t, c, url, 200, whole[:5000]+"1"+whole[5001:])
	s.Break("x", Slow(20000))
	begin := time.Now()
	want(t, c, url, 200, whole)
	if took := time.Since(begin); took < 400*time.Millisecond {
		t.Errorf("slow took %v", took)
	}
	s.Break(FirstRevision, Truncated())
	data := s.url + "/codeload/NixOS/nixpkgs/tar.gz/" + FirstRevision
	if _, got, err := get(t, c, data); err == nil || got == "" {
		t.Errorf("chunks: %d bytes, %v; want half", len(got), err)
	}
	s.Mend()
	want(t, c, url, 200, whole)
}

func TestUnknownAuthority(t *testing.T) {
	s, _ := start(t)
	_, err := (&http.Client{Transport: &http.Transport{}}).Get(s.CacheURL() + "/nix-cache-info")
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok {
		t.Errorf("without the CA: %v; want no trust", err)
	}
}

func TestListen(t *testing.T) {
	s, c := start(t)
	if err := s.Listen(strings.TrimPrefix(s.url, "https://")); err == nil {
		t.Error("Listen where it does already = nil; want an error")
	}
	if err := s.Listen("127.0.0.2:0"); err != nil {
		t.Fatal(err)
	}
	want(t, c, s.CacheURL()+"/nix-cache-info", 200, "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n")
}

// Both ways to compress lead to the same content.
func TestXZ(t *testing.T) {
	text := strings.Repeat("0123456789abcdef", 10000)
	for name, compress := range map[string]func(io.Writer, func(io.Writer) error) error{"writeXZ": writeXZ, "writeXZAlone": writeXZAlone} {
		var b bytes.Buffer
		err := compress(&b, func(w io.Writer) error {
			_, err := io.WriteString(w, text)
			return err
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r, err := xz.NewReader(&b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != text {
			t.Errorf("%s: read %d bytes back, %v; want %d", name, len(got), err, len(text))
		}
		odd := errors.New("odd")
		if err := compress(io.Discard, func(io.Writer) error { return odd }); err != odd {
			t.Errorf("%s of a failing writer = %v; want its error", name, err)
		}
	}
}

// A server may end while somebody still downloads.
func TestStopWhileSlow(t *testing.T) {
	done := make(chan error, 1)
	t.Run("server", func(t *testing.T) {
		s, c := start(t)
		s.Break("*", Slow(1))
		resp, err := c.Get(s.CacheURL() + "/nix-cache-info")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			defer resp.Body.Close()
			_, err := io.Copy(io.Discard, resp.Body)
			done <- err
		}()
	})
	if err := <-done; err == nil {
		t.Error("a slow body arrived whole; want it cut")
	}
}
