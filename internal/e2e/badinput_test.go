package e2e

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/blakesmith/ar"
	"github.com/klauspost/compress/gzip"
)

// More exit statuses.
const (
	exitVerify = 4
	exitOutput = 7
)

// mustBeClear fails unless a result is a failure that one error line, with at least
// one hint, explains.
func (r result) mustBeClear(t *testing.T, what string, status int, says string) {
	t.Helper()
	lines := strings.Split(r.errs, "\n")
	errs, hints, found := 0, 0, false
	for _, line := range lines {
		if strings.HasPrefix(line, "error: ") {
			errs++
			found = strings.Contains(line, says)
		}
		if strings.HasPrefix(line, "hint: ") || strings.HasPrefix(line, "fix: ") {
			hints++
		}
	}
	if r.status != status || errs != 1 || hints < 1 || !found || r.out != "" {
		t.Errorf("%s: status %d, %d errors, %d hints, standard output %q; want %d, one error with %q and its hint:\n%s",
			what, r.status, errs, hints, r.out, status, says, tail(lines))
	}
}

// debOf makes a .deb whose data has the given members.
func debOf(t *testing.T, members ...tar.Header) []byte {
	t.Helper()
	var data, deb bytes.Buffer
	z := gzip.NewWriter(&data)
	w := tar.NewWriter(z)
	for _, h := range members {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, h.Size)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	a := ar.NewWriter(&deb)
	if err := a.WriteGlobalHeader(); err != nil {
		t.Fatal(err)
	}
	for _, m := range []struct {
		name string
		body []byte
	}{{"debian-binary", []byte("2.0\n")}, {"control.tar.gz", data.Bytes()}, {"data.tar.gz", data.Bytes()}} {
		if err := a.WriteHeader(&ar.Header{Name: m.name, Size: int64(len(m.body)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Write(m.body); err != nil {
			t.Fatal(err)
		}
	}
	return deb.Bytes()
}

// badDebs are packages that hold no emulator, with what is said of them.
func badDebs(t *testing.T, good []byte) map[string]struct {
	data []byte
	says string
} {
	emulator := tar.Header{Name: "./usr/bin/qemu-aarch64", Mode: 0o755}
	link, large := emulator, emulator
	link.Typeflag, link.Linkname = tar.TypeSymlink, "qemu-aarch64-elsewhere"
	large.Size = 1 << 40
	type bad = struct {
		data []byte
		says string
	}
	return map[string]bad{
		"no.deb":        {[]byte("<html>not found</html>"), "ar archive"},
		"truncated.deb": {good[:256<<10], "unexpected EOF"}, // within the emulator
		"other.deb":     {debOf(t, tar.Header{Name: "./usr/bin/true", Size: 4, Mode: 0o755}), "qemu-aarch64"},
		"link.deb":      {debOf(t, link), "is no file but points to"},
		"large.deb":     {oversized(t, large), "bytes, more than"},
	}
}

// oversized is a .deb whose only member claims 1 TiB.
func oversized(t *testing.T, h tar.Header) []byte {
	t.Helper()
	var data, deb bytes.Buffer
	z := gzip.NewWriter(&data)
	if err := tar.NewWriter(z).WriteHeader(&h); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	a := ar.NewWriter(&deb)
	a.WriteGlobalHeader()
	a.WriteHeader(&ar.Header{Name: "debian-binary", Size: 4, Mode: 0o644})
	a.Write([]byte("2.0\n"))
	a.WriteHeader(&ar.Header{Name: "data.tar.gz", Size: int64(data.Len()), Mode: 0o644})
	a.Write(data.Bytes())
	return deb.Bytes()
}

// emulatorDeb is the pinned package in a cache.
func emulatorDeb(t *testing.T, p places) (name string, data []byte) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(p.cache, "*qemu-user_*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s has emulators %q, %v; want one", p.cache, found, err)
	}
	if data, err = os.ReadFile(found[0]); err != nil {
		t.Fatal(err)
	}
	return found[0], data
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// A .deb of the caller's that is not what it should be is refused, and so is one that
// nothing vouches for.
func TestBadDebs(t *testing.T) {
	needEmulation(t)
	check := mustStay(t)
	p, _ := builds(t)
	u := user()
	_, good := emulatorDeb(t, p)
	for name, bad := range badDebs(t, good) {
		file := u.write(t, "debs/"+name, string(bad.data))
		args := func(more ...string) []string {
			return buildArgs(t, u, p, "first", append([]string{"--log-format", "plain", "--offline", "--qemu-deb", file}, more...)...)
		}
		run(t, job{as: u, args: args()}).mustBeClear(t, name, exitVerify, "none of the pinned packages")
		run(t, job{as: u, args: args("--qemu-sha256", hexSum(good))}).mustBeClear(t, name+" for another", exitVerify, "sha256")
		run(t, job{as: u, args: args("--qemu-sha256", hexSum(bad.data))}).mustBeClear(t, name+" vouched for", exitVerify, bad.says)
	}
	checkFiles(t, filepath.Join(u.home, "first"), u.uid)
	check(t)
}

// badServers are ways in which a server does not deliver a file of some bytes.
func badServers(good []byte) map[string]struct {
	serve  http.HandlerFunc
	status int
} {
	type bad = struct {
		serve  http.HandlerFunc
		status int
	}
	status := func(code int) bad {
		return bad{func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }, exitNetwork}
	}
	return map[string]bad{
		"404": status(404), "416": status(416), "500": status(500),
		"swapped":  {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "something else") }, exitVerify},
		"redirect": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, exitNetwork},
		"reset":    {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, exitNetwork},
		"truncated": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(good)))
			w.Write(good[:len(good)/2])
		}, exitNetwork},
		"endless": {func(w http.ResponseWriter, r *http.Request) {
			for chunk := make([]byte, 1<<20); r.Context().Err() == nil; {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}, exitNetwork},
	}
}

// A server that does not deliver what was asked for is given up on, in a bounded
// time, with the reason.
func TestBadServers(t *testing.T) {
	needEmulation(t)
	check := mustStay(t)
	p, _ := builds(t)
	u := user()
	good := debOf(t, tar.Header{Name: "./usr/bin/true", Size: 1 << 16, Mode: 0o755})
	for name, bad := range badServers(good) {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // the waits before another try are long
			server := httptest.NewServer(bad.serve)
			defer server.Close()
			r := run(t, job{as: u, args: buildArgs(t, u, places{p.state + "-" + name, p.cache}, "first",
				"--log-format", "plain", "--qemu-deb", server.URL+"/q.deb", "--qemu-sha256", hexSum(good))})
			r.mustBeClear(t, name, bad.status, "q.deb")
			if r.took > 2*time.Minute {
				t.Errorf("took %v", r.took)
			}
		})
	}
	t.Cleanup(func() {
		checkFiles(t, filepath.Join(u.home, "first"), u.uid)
		check(t)
	})
}

// flip changes a byte in the middle of a file.
func flip(t *testing.T, name string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, info.Size()/2); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0xff
	if _, err := f.WriteAt(b, info.Size()/2); err != nil {
		t.Fatal(err)
	}
}

// A cache that went bad is noticed: what can be made again is, and what cannot is
// named.
func TestBadCache(t *testing.T) {
	check := mustStay(t)
	p, _ := builds(t)
	u := user()
	bad := places{p.state, filepath.Join(u.home, "bad-cache")}
	copyTree(t, p.cache, bad.cache, u.uid)
	args := buildArgs(t, u, bad, "bad-cache-out", "--offline")
	for _, pattern := range []string{"*nix-demo-*", "*nixexprs-demo*"} {
		found, err := filepath.Glob(filepath.Join(bad.cache, pattern))
		if err != nil || len(found) != 1 {
			t.Fatalf("%s holds %q, %v", bad.cache, found, err)
		}
		flip(t, found[0])
	}
	must(t, job{as: u, args: bad.with("fetch", "--demo", "--offline")})
	must(t, job{as: u, args: args})
	want := manifestIn(t, filepath.Join(u.home, "first"))
	if got := manifestIn(t, filepath.Join(u.home, "bad-cache-out")); got.SHA256 != want.SHA256 || got.Nix != want.Nix || got.Nixpkgs != want.Nixpkgs {
		t.Errorf("with tarballs made anew the image differs: %+v; want %+v", got, want)
	}
	found, err := filepath.Glob(filepath.Join(bad.cache, "*linux-image-*arm64.deb"))
	if err != nil || len(found) == 0 {
		t.Fatalf("%s holds no kernel: %v", bad.cache, err)
	}
	flip(t, found[0])
	must(t, job{as: u, args: args}) // of what the store has
	bad.state += "-empty"
	r := run(t, job{as: u, args: buildArgs(t, u, bad, "bad-cache-out", "--offline", "--log-format", "plain")})
	r.mustBeClear(t, "damaged kernel", exitNetwork, "linux-image")
	if !strings.Contains(r.errs, "nixsd-native fetch --demo") {
		t.Errorf("the hint does not say how to fetch it:\n%s", r.errs)
	}
	check(t)
}

// An output folder that is full, or not the caller's, costs the build and nothing
// else: what lies there stays as it is.
func TestBadOutput(t *testing.T) {
	check := mustStay(t)
	p, rp := builds(t)
	t.Run("not writable", func(t *testing.T) {
		u := user()
		dir := u.folder(t, "locked")
		u.write(t, "locked/"+imageName, "an earlier image")
		if err := os.Chmod(dir, 0o555); err != nil {
			t.Fatal(err)
		}
		r := run(t, job{as: u, args: buildArgs(t, u, p, "locked", "--log-format", "plain")})
		r.mustBeClear(t, "folder 0555", exitOutput, "permission denied")
		if data, err := os.ReadFile(filepath.Join(dir, imageName)); string(data) != "an earlier image" {
			t.Errorf("the earlier image is %.40q, %v", data, err)
		}
	})
	t.Run("full", func(t *testing.T) {
		rootBuild(t)
		dir := root().folder(t, "full")
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
			t.Fatal(err)
		}
		defer syscall.Unmount(dir, 0)
		root().write(t, "full/"+imageName, "an earlier image")
		r := run(t, job{as: root(), args: buildArgs(t, root(), rp, "full", "--log-format", "plain")})
		r.mustBeClear(t, "a full folder", exitOutput, "no space left")
		if got := listing(t, dir); len(got) != 1 || got[0] != imageName {
			t.Errorf("the folder holds %q; want the earlier image alone", got)
		}
	})
	check(t)
}
