package fetch

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

const goodSum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

var errorTests = []struct {
	err   error
	text  string
	hints []string // how each begins
}{
	{
		&NetworkError{Name: "q.deb", SHA256: goodSum, Dir: "/c", Attempts: []Attempt{
			{URL: "http://ftp.test/debian/q.deb", Err: syscall.ECONNREFUSED},
			{URL: "http://snap.test/file/1", Err: &statusError{code: 404}, answered: true},
			{URL: "http://ftp.test/other/q.deb", Err: &statusError{code: 403}, answered: true},
		}},
		"cannot download q.deb: ftp.test: 403 Forbidden; snap.test: 404 Not Found",
		[]string{"name another Debian mirror: --debian-mirror URL", "copy q.deb into /c by hand; it is found by its hash (sha256 e3b0"},
	},
	{
		&NetworkError{Name: "git-revision", Attempts: []Attempt{{URL: "http://c.test/x", Err: syscall.ENETUNREACH}}},
		"cannot download git-revision: c.test: network is unreachable",
		[]string{"behind a proxy, name it first: export http_proxy="},
	},
	{
		&NetworkError{Name: "InRelease", Attempts: []Attempt{{URL: "https://m.test/debian/dists/x", Err: x509.UnknownAuthorityError{}}}},
		"cannot download InRelease: m.test: x509: certificate signed by unknown authority",
		[]string{"no authority this system trusts has signed", "behind a proxy", "name another Debian mirror"},
	},
	{
		&NetworkError{Name: "n.tar.xz", SHA256: goodSum, Dir: "/c"},
		"cannot download n.tar.xz: no source is known",
		[]string{"copy n.tar.xz into /c by hand"},
	},
	{
		&HashError{Name: "q.deb", Want: goodSum, Dir: "/c", Sources: []Attempt{{URL: "http://m.test/q", Err: errors.New("its sha256 is 12")}}},
		"q.deb does not verify: want sha256 " + goodSum + ": m.test: its sha256 is 12",
		[]string{"the source has another file now", "copy q.deb into /c by hand"},
	},
	{
		&OfflineError{Missing: []Missing{{Name: "InRelease", URLs: []string{"http://m.test/InRelease"}}}},
		"offline, and not in the cache: InRelease",
		[]string{"on a machine with network, run: nixsd-native fetch", "InRelease is at http://m.test/InRelease"},
	},
	{
		&StorageError{Dir: "/c", Err: syscall.EDQUOT},
		"cache folder /c: disk quota exceeded",
		[]string{"free some space: df -h /c", "or keep the cache on another disk: --cache-dir DIR"},
	},
	{
		&NotCachedError{SHA256: goodSum, Dir: "/c"},
		"no file with sha256 " + goodSum + " in /c", nil,
	},
	{
		&OfflineError{Dir: "/c", Missing: []Missing{{Name: "q.deb", SHA256: goodSum}}, Command: "nixsd-native fetch --demo", Online: true},
		"not in the cache: q.deb",
		[]string{"download it: nixsd-native fetch --demo", "or copy the missing files into /c by hand", "q.deb (sha256 " + goodSum},
	},
}

// A cache folder that somebody else made is given to who downloads.
func TestStorageErrorOfAnother(t *testing.T) {
	dir := "/" // which is root's
	if os.Geteuid() == 0 {
		dir = t.TempDir()
		if err := os.Chown(dir, 54321, -1); err != nil {
			t.Fatal(err)
		}
	}
	e := &StorageError{Dir: dir, Err: &os.PathError{Op: "mkdir", Path: ".lock", Err: syscall.EACCES}}
	if got, want := e.Hints()[0], fmt.Sprintf("sudo chown %d %s", os.Geteuid(), e.Dir); !strings.Contains(got, want) {
		t.Errorf("Hints = %q; want %q", got, want)
	}
	e.Dir = filepath.Join(dir, "none")
	if got := e.Hints()[0]; strings.Contains(got, "chown") {
		t.Errorf("Hints of a folder that is not there = %q", got)
	}
}

func TestErrors(t *testing.T) {
	for _, tt := range errorTests {
		if got := tt.err.Error(); got != tt.text {
			t.Errorf("Error = %q; want %q", got, tt.text)
		}
		var hints []string
		if h, ok := tt.err.(interface{ Hints() []string }); ok {
			hints = h.Hints()
		}
		if !slices.EqualFunc(hints, tt.hints, strings.HasPrefix) {
			t.Errorf("hints of %q = %q; want them to begin with %q", tt.text, hints, tt.hints)
		}
	}
	if err := errorTests[0].err; !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v does not wrap the cause of an attempt", err)
	}
	if err := errorTests[6].err; !errors.Is(err, syscall.EDQUOT) {
		t.Errorf("%v does not wrap its cause", err)
	}
}

func TestEventString(t *testing.T) {
	why := errors.New("why")
	tests := []struct {
		e    Event
		want string
	}{
		{Event{Kind: EventRetry, Name: "f", URL: "http://h/f", Err: why, Wait: 1500e6}, "f: h: why; again in 1.5s"},
		{Event{Kind: EventRestart, Name: "f", URL: "http://h/f", Err: why}, "f: h: why; again from the start"},
		{Event{Kind: EventSourceFailed, Name: "f", URL: "http://h/f", Err: why}, "f: http://h/f given up: why"},
		{Event{Kind: EventWrongHash, Name: "f", URL: "http://h/f", Err: why}, "f: http://h/f has another file: why"},
		{Event{Kind: EventBadEntry, Name: "f", Path: "/c/f", Err: why}, "cache entry /c/f ignored: why"},
		{Event{Kind: EventWaiting, Name: "f"}, "f: waiting for another download of it to end"},
		{Event{Name: "f"}, "f: event 0"},
	}
	for _, tt := range tests {
		if got := tt.e.String(); got != tt.want {
			t.Errorf("Event%+v.String() = %q; want %q", tt.e.Kind, got, tt.want)
		}
	}
}
