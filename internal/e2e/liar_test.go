package e2e

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"nixsd-native/internal/debian"
	"nixsd-native/internal/testenv"
)

// A mirror hands on what a Debian mirror has. lie, if it is not nil, may answer in its
// place or ask it for another path.
type mirror struct {
	*httptest.Server
	real string
	lie  func(m *mirror, w http.ResponseWriter, path string) (other string, done bool)
}

func newMirror(t *testing.T) *mirror {
	t.Helper()
	all := debian.HostMirrors(os.DirFS("/"))
	if len(all) == 0 {
		all = []string{"http://ftp.debian.org/debian"}
	}
	m := &mirror{real: all[0]}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, done := r.URL.Path, false
		if m.lie != nil {
			path, done = m.lie(m, w, path)
		}
		if done {
			return
		}
		if data, err := m.get(path); err != nil {
			w.WriteHeader(http.StatusNotFound)
		} else {
			w.Header().Set("Content-Length", strconv.Itoa(len(data))) // as real ones do
			w.Write(data)
		}
	}))
	t.Cleanup(m.Close)
	return m
}

// get asks the real mirror for a file.
func (m *mirror) get(path string) ([]byte, error) {
	resp, err := http.Get(m.real + path)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, os.ErrNotExist
	}
	return io.ReadAll(resp.Body)
}

// edited answers requests for a kind of file with its content changed.
func edited(of string, edit func([]byte) []byte) func(*mirror, http.ResponseWriter, string) (string, bool) {
	return func(m *mirror, w http.ResponseWriter, path string) (string, bool) {
		if !strings.Contains(path, of) {
			return path, false
		}
		data, err := m.get(path)
		if err != nil {
			return path, false
		}
		w.Write(edit(data))
		return "", true
	}
}

// swapped asks for another path.
func swapped(from, to string) func(*mirror, http.ResponseWriter, string) (string, bool) {
	return func(_ *mirror, _ http.ResponseWriter, path string) (string, bool) {
		return strings.Replace(path, from, to, 1), false
	}
}

// inPlace are mirrors that answer without asking.
func inPlace(of string, answer func(w http.ResponseWriter)) func(*mirror, http.ResponseWriter, string) (string, bool) {
	return func(_ *mirror, w http.ResponseWriter, path string) (string, bool) {
		if strings.Contains(path, of) {
			answer(w)
			return "", true
		}
		return path, false
	}
}

func flipped(data []byte) []byte { data[len(data)/2] ^= 1; return data }

// onlyHere lets no server be reached but those of this machine, so that no honest mirror
// makes good for another.
var onlyHere = []string{"http_proxy=" + nobody, "HTTP_PROXY=" + nobody, "https_proxy=" + nobody, "HTTPS_PROXY=" + nobody, "no_proxy=127.0.0.1", "NO_PROXY=127.0.0.1"}

// Whatever a Debian mirror makes of the archive, nothing of it is taken that Debian has
// not signed, for the suite that was asked for.
func TestLyingMirror(t *testing.T) {
	needEmulation(t)
	_, err := newMirror(t).get("/dists/trixie/InRelease")
	testenv.Need(t, "Debian mirror", err)
	const release, index = "/InRelease", "/binary-"
	packed := func(data []byte) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		z.Write(data)
		z.Close()
		return b.Bytes()
	}
	u := user()
	u.folder(t, ".")
	for name, c := range map[string]struct {
		lie    func(*mirror, http.ResponseWriter, string) (string, bool)
		status int
		says   string
	}{
		"release of another suite": {swapped("/dists/trixie/InRelease", "/dists/bookworm/InRelease"), exitVerify, "bookworm"},
		"release of an addition":   {swapped("/dists/trixie/InRelease", "/dists/trixie-updates/InRelease"), exitVerify, "trixie-updates"},
		"release changed":          {edited(release, flipped), exitVerify, "signature"},
		"release unsigned": {edited(release, func(data []byte) []byte {
			text, _, _ := bytes.Cut(data, []byte("-----BEGIN PGP SIGNATURE-----"))
			return text
		}), exitVerify, "InRelease"},
		"release with more behind": {edited(release, func(data []byte) []byte { return append(data, data...) }), exitVerify, "InRelease"},
		"release as a page":        {inPlace(release, func(w http.ResponseWriter) { io.WriteString(w, "<html>log in</html>") }), exitVerify, "InRelease"},
		"release without end": {inPlace(release, func(w http.ResponseWriter) {
			for range 64 << 10 {
				if _, err := w.Write(make([]byte, 1<<10)); err != nil {
					return
				}
			}
		}), exitNetwork, "larger than allowed"},
		"release elsewhere": {inPlace(release, func(w http.ResponseWriter) {
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(http.StatusFound)
		}), exitNetwork, "not an http or https URL"},
		"index of another suite":    {swapped("/dists/trixie/main", "/dists/bookworm/main"), exitVerify, "Packages"},
		"index of another machine":  {swapped("/binary-amd64/", "/binary-i386/"), exitVerify, "Packages"},
		"index changed":             {edited(index, flipped), exitVerify, "Packages"},
		"index compressed again":    {edited(index, packed), exitVerify, "Packages"},
		"packages of the same size": {edited("/pool/", func(data []byte) []byte { return make([]byte, len(data)) }), exitVerify, ".deb"},
		"packages of another name":  {inPlace("/pool/", func(w http.ResponseWriter) { w.Write(debOf(t)) }), exitVerify, ".deb"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel() // the waits before another try are long
			m := newMirror(t)
			m.lie = c.lie
			p := u.places("liar-" + strings.ReplaceAll(name, " ", "-"))
			args := p.with("fetch", "--demo", "--log-format", "plain", "--qemu-suite", "trixie", "--debian-mirror", m.URL)
			r := run(t, job{as: u, args: args, env: onlyHere})
			r.mustBeClear(t, name, c.status, c.says)
			if r.took > 2*time.Minute {
				t.Errorf("it took %v", r.took)
			}
		})
	}
}
