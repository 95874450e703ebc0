package bundle

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// encoder is made once, as it takes long.
var encoder = sync.OnceValues(func() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(128<<10), zstd.WithEncoderLevel(zstd.SpeedFastest))
})

// seal makes a frame of raw bytes, with its check.
func seal(t testing.TB, raw []byte) []byte {
	t.Helper()
	z, err := encoder()
	if err != nil {
		t.Fatal(err)
	}
	frame := z.EncodeAll(raw, nil)
	sum := sha256.New()
	sum.Write(frame)
	return append(frame, check(sum)...)
}

// entry is a member of a tar archive, with whatever header.
func entry(t testing.TB, h tar.Header, content []byte, last bool) []byte {
	t.Helper()
	var raw bytes.Buffer
	h.Size = int64(len(content))
	w := tar.NewWriter(&raw)
	if err := w.WriteHeader(&h); err != nil {
		t.Fatal(err)
	}
	raw.Write(content)
	raw.Write(tarTail(h.Size, last))
	return raw.Bytes()
}

func regular(path string) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: path, Mode: 0o644}
}

// sealIndex is the first frame of a bundle with these members, or with this text if they
// are nil.
func sealIndex(t testing.TB, text string, members ...Member) []byte {
	t.Helper()
	if members != nil {
		x := header
		x.Version, x.Members = Version, members
		data, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		text = string(data)
	}
	raw, err := tarHeader(indexName, int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	return seal(t, append(append(raw, text...), tarTail(int64(len(text)), false)...))
}

// wantBad fails the test unless the bundle is refused because of this member, for a
// reason with these words.
func wantBad(t *testing.T, name string, data []byte, member, words string) {
	t.Helper()
	bad := (*Error)(nil)
	if err := verify(data); !errors.As(err, &bad) || bad.Member != member || !strings.Contains(bad.Reason, words) {
		t.Errorf("%s: %v; want member %q, %q", name, err, member, words)
	}
	r, err := NewReader(bytes.NewReader(data), "x")
	if err != nil {
		return
	}
	defer r.Close()
	dir := t.TempDir()
	if folder, err := r.Extract(t.Context(), dir, nil); err == nil {
		t.Errorf("%s: unpacked to %s", name, folder)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%s: %v left, %v", name, left, err)
	}
}

var info = []byte("StoreDir: /nix/store\n")

const infoPath = "cache/nix-cache-info"

var infoMember = Member{infoPath, int64(len(info)), sha(info)}

// The archive must be what the index says, whatever its own headers say.
func TestHostileArchives(t *testing.T) {
	index := sealIndex(t, "", infoMember)
	good := entry(t, regular(infoPath), info, true)
	if err := verify(append(index, seal(t, good)...)); err != nil {
		t.Fatalf("the good one: %v", err)
	}
	typed := func(kind byte, name, link string) []byte {
		return entry(t, tar.Header{Typeflag: kind, Name: name, Linkname: link, Mode: 0o644}, nil, true)
	}
	dirty := bytes.Clone(good)
	dirty[len(dirty)-1] = 1
	unaligned := bytes.Clone(good)
	unaligned[block+len(info)] = 1
	padded := entry(t, regular(infoPath), info, true)
	for name, c := range map[string]struct {
		frame []byte
		words string
	}{
		"a path upwards":      {entry(t, regular("../etc/passwd"), info, true), "another header"},
		"an absolute path":    {entry(t, regular("/etc/passwd"), info, true), "another header"},
		"another member":      {entry(t, regular("cache/abc.narinfo"), info, true), "another header"},
		"a symbolic link":     {typed(tar.TypeSymlink, infoPath, "/etc"), "another header"},
		"a hard link":         {typed(tar.TypeLink, infoPath, indexName), "another header"},
		"a device":            {typed(tar.TypeChar, infoPath, ""), "another header"},
		"a pipe":              {typed(tar.TypeFifo, infoPath, ""), "another header"},
		"a folder":            {typed(tar.TypeDir, infoPath, ""), "another header"},
		"another mode":        {entry(t, tar.Header{Typeflag: tar.TypeReg, Name: infoPath, Mode: 0o4755}, info, true), "another header"},
		"an extended header":  {entry(t, tar.Header{Typeflag: tar.TypeReg, Name: infoPath, Mode: 0o644, Format: tar.FormatPAX, PAXRecords: map[string]string{"A.b": "c"}}, info, true), "another header"},
		"another size":        {entry(t, regular(infoPath), append(bytes.Clone(info), 'x'), true), "another header"},
		"another content":     {entry(t, regular(infoPath), bytes.ToUpper(info), true), "has the sha256"},
		"a dirty end":         {dirty, "not what belongs there"},
		"dirty padding":       {unaligned, "not what belongs there"},
		"no end":              {entry(t, regular(infoPath), info, false), "not what belongs there"},
		"a longer end":        {append(padded, make([]byte, 20*block)...), "more follows"},
		"a second member":     {append(entry(t, regular(infoPath), info, false), entry(t, regular("cache/abc.narinfo"), nil, true)...), "more follows"},
		"a header broken off": {good[:100], "breaks off"},
	} {
		wantBad(t, name, append(bytes.Clone(index), seal(t, c.frame)...), infoPath, c.words)
	}
	wantBad(t, "a check of nothing", append(bytes.Clone(index), check(sha256.New())...), infoPath, "damaged frame")
}

// Members that are missing, come twice or are too many.
func TestHostileOrder(t *testing.T) {
	narinfo := Member{"cache/abc.narinfo", 0, sha(nil)}
	first, second := entry(t, regular(narinfo.Path), nil, false), entry(t, regular(infoPath), info, true)
	index := sealIndex(t, "", narinfo, infoMember)
	join := func(frames ...[]byte) []byte { return bytes.Join(frames, nil) }
	if err := verify(join(index, seal(t, first), seal(t, second))); err != nil {
		t.Fatalf("the good one: %v", err)
	}
	wantBad(t, "the first is missing", join(index, seal(t, second)), narinfo.Path, "another header")
	wantBad(t, "the last is missing", join(index, seal(t, first)), infoPath, "breaks off")
	wantBad(t, "another order", join(index, seal(t, second), seal(t, first)), narinfo.Path, "another header")
	wantBad(t, "the first twice", join(index, seal(t, first), seal(t, first), seal(t, second)), infoPath, "another header")
	wantBad(t, "the last twice", join(index, seal(t, first), seal(t, second), seal(t, second)), "", "follows")
	wantBad(t, "two in one frame", join(index, seal(t, append(bytes.Clone(first), second...))), narinfo.Path, "more follows")
	skipped := []byte("\x51\x2a\x4d\x18\x01\x00\x00\x00x")
	wantBad(t, "a frame that zstd skips", join(index, skipped, seal(t, first), seal(t, second)), narinfo.Path, "damaged frame")
}

// The index must keep to the format.
func TestHostileIndexes(t *testing.T) {
	text := func(members string) string {
		return `{"version":1,"system":"x86_64-linux","members":[` + members + `]}`
	}
	member := func(path string, size int64, sum string) string {
		return fmt.Sprintf(`{"path":%q,"size":%d,"sha256":%q}`, path, size, sum)
	}
	good := member(infoPath, int64(len(info)), sha(info))
	for _, c := range []struct{ text, member, words string }{
		{"", indexName, "octal digits"},
		{"{", indexName, "no index"},
		{"[]", indexName, "no index"},
		{text(good) + "x", indexName, "no index"},
		{text(""), indexName, "no members"},
		{`{"version":2,"new":1}`, indexName, "version 2"},
		{`{"version":1,"new":1}`, indexName, "unknown field"},
		{`{"version":1,"members":[` + good + `]}`, indexName, "no system"},
		{text(member("../x", 1, sha(nil))), "../x", "path"},
		{text(member("/etc/passwd", 1, sha(nil))), "/etc/passwd", "path"},
		{text(member("cache/../../x", 1, sha(nil))), "cache/../../x", "path"},
		{text(member("cache/nar/..", 1, sha(nil))), "cache/nar/..", "path"},
		{text(member("cache//x.narinfo", 1, sha(nil))), "cache//x.narinfo", "path"},
		{text(member("cache/nar/a/b", 1, sha(nil))), "cache/nar/a/b", "path"},
		{text(member("cache/nar/.a", 1, sha(nil))), "cache/nar/.a", "path"},
		{text(member("inputs/x", 1, sha(nil))), "inputs/x", "path"},
		{text(member("inputs/demo/../x.json", 1, sha(nil))), "inputs/demo/../x.json", "path"},
		{text(member("cache/nar/a\n", 1, sha(nil))), "cache/nar/a\n", "path"},
		{text(member("cache/nar/"+strings.Repeat("a", 300), 1, sha(nil))), "cache/nar/" + strings.Repeat("a", 300), "path"},
		{text(member(indexName, 1, sha(nil))), indexName, "path"},
		{text(member("", 1, sha(nil))), "", "path"},
		{text(member("inputs/"+sha(nil)+"-x", 1, sha(info))), "inputs/" + sha(nil) + "-x", "another sha256"},
		{text(member(infoPath, -1, sha(nil))), infoPath, "out of bounds"},
		{text(member(infoPath, 1<<62, sha(nil))), infoPath, "out of bounds"},
		{text(member("cache/a.narinfo", maxTotal, sha(nil)) + "," + member("cache/b.narinfo", 1, sha(nil))), "cache/b.narinfo", "whole"},
		{text(member(infoPath, 1, "x")), infoPath, "no sha256"},
		{text(member(infoPath, 1, strings.ToUpper(sha(nil)))), infoPath, "no sha256"},
		{text(good + "," + good), infoPath, "twice"},
		{text(good + "," + member("cache/a.narinfo", 0, sha(nil))), "cache/a.narinfo", "order"},
	} {
		wantBad(t, c.text, sealIndex(t, c.text), c.member, c.words)
	}
	many := strings.Repeat(`{},`, maxMembers) + `{}`
	wantBad(t, "too many members", sealIndex(t, text(many)), indexName, "more than")
	lock := `{"version":1,"system":"x","lock":"` + strings.Repeat("x", maxLock) + `","members":[]}`
	wantBad(t, "a long lock", sealIndex(t, lock), indexName, "lock of more")
}

// What a header announces is neither allocated nor read beyond its bounds, nor is what a
// small frame grows to.
func TestBombs(t *testing.T) {
	zeros := make([]byte, 48<<20) // some 2 kB packed
	index := sealIndex(t, "", infoMember)
	bomb := append(entry(t, regular(infoPath), info, true), zeros...)
	wantBad(t, "a frame that grows", append(bytes.Clone(index), seal(t, bomb)...), infoPath, "more follows")

	head, err := tarHeader(indexName, maxIndex+1)
	if err != nil {
		t.Fatal(err)
	}
	wantBad(t, "a huge index", seal(t, append(head, zeros...)), indexName, "at most")
	wantBad(t, "no index at all", seal(t, zeros), indexName, "at most")
	huge := Member{"cache/nar/x", maxTotal, sha(nil)}
	wantBad(t, "a huge member", append(sealIndex(t, "", huge), seal(t, bomb)...), huge.Path, "another header")

	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(2*window))
	if err != nil {
		t.Fatal(err)
	}
	var wide bytes.Buffer
	sum := sha256.New()
	z.Reset(&wide)
	z.Write(zeros)
	z.Close()
	sum.Write(wide.Bytes())
	wantBad(t, "a wide window", append(wide.Bytes(), check(sum)...), indexName, "window")
}

// Whatever a bundle holds, it is refused or unpacked, and what is unpacked is what the
// index says.
func FuzzReader(f *testing.F) {
	whole := entry(f, regular(infoPath), info, true)
	x := header
	x.Version, x.Members = Version, []Member{infoMember}
	text, err := json.Marshal(x)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text, whole, []byte{})
	f.Add([]byte("{}"), whole, []byte{})
	f.Add(text, entry(f, regular("../x"), info, true), []byte{})
	f.Add(text, whole[:700], []byte{})
	f.Add(text, whole, []byte("\x28\xb5\x2f\xfd"))
	f.Fuzz(func(t *testing.T, index, archive, raw []byte) {
		data := bytes.Join([][]byte{sealIndex(t, string(index)), seal(t, archive), raw}, nil)
		if len(raw) > 0 && raw[0] == 0x28 {
			data = raw // as it is, from the first frame on
		}
		r, err := NewReader(bytes.NewReader(data), "x")
		if err != nil {
			if !errors.As(err, new(*Error)) {
				t.Errorf("%T: %v", err, err)
			}
			return
		}
		defer r.Close()
		folder, err := r.Extract(t.Context(), t.TempDir(), nil)
		if err != nil {
			if !errors.As(err, new(*Error)) {
				t.Errorf("%T: %v", err, err)
			}
			return
		}
		found := tree(t, folder)
		for _, m := range r.Index.Members {
			if content, ok := found[m.Path]; !ok || sha([]byte(content)) != m.SHA256 {
				t.Errorf("%s is not what the index says", m.Path)
			}
		}
		if len(found) != len(r.Index.Members) {
			t.Errorf("%d files; the index has %d", len(found), len(r.Index.Members))
		}
	})
}
