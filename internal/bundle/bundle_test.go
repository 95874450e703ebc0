package bundle

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"nixsd-native/internal/testenv"
)

func sha(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// file is a member with this content, which read wraps.
func file(path string, content []byte, read func(io.Reader) io.Reader) File {
	return File{Member{path, int64(len(content)), sha(content)}, func() (io.ReadCloser, error) {
		return io.NopCloser(read(bytes.NewReader(content))), nil
	}}
}

func plain(r io.Reader) io.Reader { return r }

// input is the path of an input with this content.
func input(content []byte, name string) string { return "inputs/" + sha(content) + "-" + name }

var (
	text  = bytes.Repeat([]byte("the quick brown fox jumps over the lazy dog. "), 20)
	noise = func() []byte {
		var b []byte
		for sum := sha256.Sum256(nil); len(b) < 700; sum = sha256.Sum256(sum[:]) {
			b = append(b, sum[:]...)
		}
		return b
	}()
)

// files are those of a small bundle, not in order: compressible ones and others, an empty
// one, one that fills its blocks, and one whose name needs an extended header.
func files(read func(io.Reader) io.Reader) []File {
	long := []byte("short")
	return []File{
		file(input(noise, "nix.tar.xz"), noise, read),
		file(input(long, strings.Repeat("long", 20)+".deb"), long, read),
		file("cache/nar/0abc.nar", text, read),
		file("cache/nar/0def.nar", bytes.Repeat([]byte{0}, 2*block), read),
		file("cache/nix-cache-info", []byte("StoreDir: /nix/store\n"), read),
		file("cache/abc.narinfo", nil, read),
		file("inputs/demo/trixie-amd64.json", []byte("{}"), read),
	}
}

var header = Index{System: "x86_64-linux", Lock: []byte(`{"version":1}`)}

func write(t testing.TB, files []File) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := Write(t.Context(), &out, header, files, nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// verify reads a whole bundle.
func verify(data []byte) error {
	r, err := NewReader(bytes.NewReader(data), "x.nixsd")
	if err != nil {
		return err
	}
	defer r.Close()
	return r.Verify(context.Background(), nil)
}

// tree reads all files below a folder.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		all[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestRoundTrip(t *testing.T) {
	data := write(t, files(plain))
	r, err := NewReader(bytes.NewReader(data), "x.nixsd")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Index.System != header.System || string(r.Index.Lock) != string(header.Lock) || len(r.ID) != 64 {
		t.Errorf("index = %+v, ID %q", r.Index, r.ID)
	}
	if got := len(r.Index.Inputs()); got != 3 {
		t.Errorf("%d inputs; want 3", got)
	}
	dir := t.TempDir()
	var done, total int64
	folder, err := r.Extract(t.Context(), dir, func(d, n int64) { done, total = d, n })
	if err != nil {
		t.Fatal(err)
	}
	if done != total || total != r.Index.total() {
		t.Errorf("progress ended with %d of %d; want %d", done, total, r.Index.total())
	}
	got := tree(t, folder)
	if len(got) != len(files(plain)) {
		t.Errorf("%d files; want %d", len(got), len(files(plain)))
	}
	for _, f := range files(plain) {
		if sha([]byte(got[f.Path])) != f.SHA256 {
			t.Errorf("%s has another content", f.Path)
		}
	}
}

// The same files make the same bytes, however many processors there are and however
// their content comes.
func TestDeterminism(t *testing.T) {
	big := bytes.Repeat(append(slices.Clone(text), noise...), 3000) // several of zstd's blocks
	all := func(read func(io.Reader) io.Reader) []File {
		return append(files(read), file("cache/nar/big.nar", big, read))
	}
	want := write(t, all(plain))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, procs := range []int{1, 2, 8} {
		runtime.GOMAXPROCS(procs)
		for name, read := range map[string]func(io.Reader) io.Reader{
			"whole": plain, "halves": iotest.HalfReader, "data with its end": iotest.DataErrReader,
		} {
			files := all(read)
			slices.Reverse(files)
			if !bytes.Equal(write(t, files), want) {
				t.Errorf("%d processors, %s: other bytes", procs, name)
			}
		}
	}
}

// Bundles of this version are read for ever. testdata/version1.nixsd was written by this
// test, with the environment variable NIXSD_TEST_WRITE set.
func TestVersion1(t *testing.T) {
	const name = "testdata/version1.nixsd"
	if os.Getenv("NIXSD_TEST_WRITE") != "" {
		if err := os.WriteFile(name, write(t, files(plain)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := verify(data); err != nil {
		t.Error(err)
	}
}

// zstd and tar read a bundle.
func TestReferenceTools(t *testing.T) {
	zstd, tar := testenv.NeedProgram(t, "zstd"), testenv.NeedProgram(t, "tar")
	name := filepath.Join(t.TempDir(), "x.nixsd")
	if err := os.WriteFile(name, write(t, files(plain)), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("sh", "-ec", fmt.Sprintf("%s -tq %s; %s -dc %s | %s tv --numeric-owner --utc", zstd, name, zstd, name, tar)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != 1+len(files(plain)) || !strings.HasSuffix(lines[0], " "+indexName) {
		t.Errorf("tar lists\n%s", out)
	}
	for _, line := range lines {
		if !strings.HasPrefix(line, "-rw-r--r-- 0/0 ") || !strings.Contains(line, " 1970-01-01 00:00 ") {
			t.Errorf("tar lists %q", line)
		}
	}
}

// A place is where a member's frame and check lie in a bundle.
type place struct {
	member     string
	start, end int
}

// places finds the frames of a bundle.
func places(t *testing.T, data []byte) []place {
	t.Helper()
	r, err := NewReader(bytes.NewReader(data), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	names := []string{indexName}
	for _, m := range r.Index.Members {
		names = append(names, m.Path)
	}
	var all []place
	at, in := 0, bufio.NewReader(bytes.NewReader(data))
	for _, name := range names {
		f := newFrame(in)
		n, err := io.Copy(io.Discard, f)
		if err == nil {
			err = f.verify()
		}
		if err != nil {
			t.Fatal(err)
		}
		end := at + int(n) + len(check(f.sum))
		all = append(all, place{name, at, end})
		at = end
	}
	if at != len(data) {
		t.Fatalf("frames end at %d; want %d", at, len(data))
	}
	return all
}

// Every changed bit, and every byte with all bits changed, is found, and its member named.
func TestFlips(t *testing.T) {
	data := write(t, files(plain))
	for _, p := range places(t, data) {
		for at := p.start; at < p.end; at++ {
			for _, mask := range []byte{1, 2, 4, 8, 16, 32, 64, 128, 255} {
				data[at] ^= mask
				bad := (*Error)(nil)
				if err := verify(data); !errors.As(err, &bad) || bad.Member != p.member || bad.File != "x.nixsd" || bad.Reason == "" {
					t.Errorf("byte %d (%s) with %#x: %v", at, p.member, mask, err)
				}
				data[at] ^= mask
			}
		}
	}
	t.Logf("%d bytes", len(data))
}

// A bundle that breaks off anywhere, or goes on after its end, is none.
func TestTruncations(t *testing.T) {
	data := write(t, files(plain))
	for _, p := range places(t, data) {
		for n := p.start; n < p.end; n++ {
			bad := (*Error)(nil)
			if err := verify(data[:n]); !errors.As(err, &bad) || bad.Member != p.member {
				t.Errorf("%d bytes (%s): %v", n, p.member, err)
			}
		}
	}
	for _, more := range [][]byte{{0}, {'\n'}, data, check(sha256.New()), make([]byte, 4096)} {
		bad := (*Error)(nil)
		if err := verify(slices.Concat(data, more)); !errors.As(err, &bad) || bad.Member != "" {
			t.Errorf("%d bytes more: %v", len(more), err)
		}
	}
}

// After damage nothing is left of what was unpacked.
func TestExtractNothingDamaged(t *testing.T) {
	data := write(t, files(plain))
	for _, p := range places(t, data)[1:] {
		dir := t.TempDir()
		data[p.end-1] ^= 1
		r, err := NewReader(bytes.NewReader(data), "x.nixsd")
		if err != nil {
			t.Fatal(err)
		}
		folder, err := r.Extract(t.Context(), dir, nil)
		r.Close()
		data[p.end-1] ^= 1
		bad := (*Error)(nil)
		if !errors.As(err, &bad) || bad.Member != p.member || folder != "" {
			t.Errorf("%s: folder %q, %v", p.member, folder, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: %v left, %v", p.member, left, err)
		}
	}
}

// Errors of reading and writing, and an end, are not the bundle's fault.
func TestOtherErrors(t *testing.T) {
	data := write(t, files(plain))
	broken := errors.New("the disk is broken")
	for _, n := range []int{0, 100, len(data) / 2, len(data)} {
		r, err := NewReader(io.MultiReader(bytes.NewReader(data[:n]), iotest.ErrReader(broken)), "x")
		if err == nil {
			err = r.Verify(t.Context(), nil)
			r.Close()
		}
		if !errors.Is(err, broken) || errors.As(err, new(*Error)) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, err := NewReader(bytes.NewReader(data), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cancel()
	if err := r.Verify(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := Write(ctx, io.Discard, header, files(plain), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// Write refuses what is not as its member says, and what Reader would refuse.
func TestWriteRefuses(t *testing.T) {
	other := file("cache/nix-cache-info", text, plain)
	change := func(do func(*File)) File { f := other; do(&f); return f }
	for name, f := range map[string]File{
		"another content": change(func(f *File) { f.SHA256 = sha(noise) }),
		"shorter":         change(func(f *File) { f.Size++ }),
		"longer":          change(func(f *File) { f.Size-- }),
		"another path":    change(func(f *File) { f.Path = "etc/passwd" }),
		"a wrong name":    change(func(f *File) { f.Path = input(noise, "x") }),
		"missing":         change(func(f *File) { f.Open = func() (io.ReadCloser, error) { return nil, fs.ErrNotExist } }),
	} {
		if _, err := Write(t.Context(), io.Discard, header, []File{f}, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := Write(t.Context(), io.Discard, header, []File{other, other}, nil); err == nil {
		t.Error("one file twice: no error")
	}
	if _, err := Write(t.Context(), io.Discard, header, nil, nil); err == nil {
		t.Error("no files: no error")
	}
}
