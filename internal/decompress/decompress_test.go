package decompress

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// streams returns text as an xz file of one stream a piece.
func streams(t testing.TB, pieces ...[]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, p := range pieces {
		w, err := xz.NewWriter(&out)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(p); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func text(seed int64, n int) []byte {
	rnd := rand.New(rand.NewSource(seed))
	var b bytes.Buffer
	for b.Len() < n {
		fmt.Fprintf(&b, "line %d of some text\n", rnd.Intn(1000))
	}
	return b.Bytes()[:n]
}

func decodeAll(file []byte, workers int) ([]byte, error) {
	r, err := newXZ(bytes.NewReader(file), int64(len(file)), workers)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, 64<<20))
}

func TestStreams(t *testing.T) {
	a, b, c := text(1, 300_000), text(2, 1), text(3, 70_001)
	padded := append(append(streams(t, a), 0, 0, 0, 0), streams(t, b, c)...)
	tests := []struct {
		name string
		file []byte
		want []byte
	}{
		{"one", streams(t, a), a},
		{"three", streams(t, a, b, c), bytes.Join([][]byte{a, b, c}, nil)},
		{"padding", padded, bytes.Join([][]byte{a, b, c}, nil)},
	}
	for _, test := range tests {
		for workers := 1; workers <= 3; workers++ {
			got, err := decodeAll(test.file, workers)
			if err != nil || !bytes.Equal(got, test.want) {
				t.Errorf("%s with %d workers: %d bytes, %v; want %d bytes", test.name, workers, len(got), err, len(test.want))
			}
		}
	}
}

// testdata/blocks.xz: seq 200000 | xz -T1 --block-size=262144, with a block for
// every 256 KiB, as xz -T0 writes them for every 24 MiB.
func TestBlocksOfXZ(t *testing.T) {
	file, err := os.ReadFile("testdata/blocks.xz")
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	for i := 1; i <= 200000; i++ {
		fmt.Fprintln(&want, i)
	}
	blocks, err := readIndex(bytes.NewReader(file), int64(len(file)))
	if err != nil || len(blocks) != 5 {
		t.Fatalf("readIndex = %d blocks, %v; want 5", len(blocks), err)
	}
	got, err := decodeAll(file, 2)
	if err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%d bytes, %v; want %d", len(got), err, want.Len())
	}
}

func TestDamage(t *testing.T) {
	whole := streams(t, text(1, 50_000), text(2, 50_000))
	flip := func(at int) []byte {
		b := bytes.Clone(whole)
		b[at] ^= 0x40
		return b
	}
	tests := map[string][]byte{
		"text":      []byte("this is not an xz file at all, but long enough"),
		"short":     {0xfd, '7'},
		"truncated": whole[:len(whole)-100],
		"header":    flip(3),
		"data":      flip(2000),
		"index":     flip(len(whole) - 20),
		"footer":    flip(len(whole) - 5),
	}
	for name, file := range tests {
		if _, err := decodeAll(file, 2); err == nil {
			t.Errorf("%s: no error", name)
		} else if fe := (*FormatError)(nil); !errors.As(err, &fe) {
			t.Errorf("%s: %T %v; want *FormatError", name, err, err)
		}
	}
}

func TestCloseEarly(t *testing.T) {
	file := streams(t, text(1, 100_000), text(2, 100_000), text(3, 100_000), text(4, 100_000))
	r, err := newXZ(bytes.NewReader(file), int64(len(file)), 2)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 10)); err == nil {
		t.Error("read after Close succeeded")
	}
}

func TestFormats(t *testing.T) {
	want := text(7, 100_000)
	var gz, zst bytes.Buffer
	gw := gzip.NewWriter(&gz)
	gw.Write(want)
	gw.Close()
	zw, err := zstd.NewWriter(&zst)
	if err != nil {
		t.Fatal(err)
	}
	zw.Write(want)
	zw.Close()
	for name, file := range map[string][]byte{"xz": streams(t, want), "gzip": gz.Bytes(), "zstd": zst.Bytes(), "plain": want} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, file, 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := Open(path)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v; want %d", name, len(got), err, len(want))
		}
		if err := r.Close(); err != nil {
			t.Errorf("%s: Close = %v", name, err)
		}
		if name == "plain" {
			continue
		}
		os.WriteFile(path, file[:len(file)/2], 0o644)
		if r, err = Open(path); err == nil {
			_, err = io.ReadAll(r)
			r.Close()
		}
		if fe := (*FormatError)(nil); !errors.As(err, &fe) {
			t.Errorf("%s cut in half: %v; want a *FormatError", name, err)
		}
	}
	short := filepath.Join(t.TempDir(), "short")
	os.WriteFile(short, []byte("ab"), 0o644)
	r, err := Open(short)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || string(got) != "ab" {
		t.Errorf("a short file reads as %q, %v", got, err)
	}
}

func FuzzXZ(f *testing.F) {
	f.Add(streams(f, text(1, 2000), text(2, 100)))
	f.Fuzz(func(t *testing.T, file []byte) {
		got, err := decodeAll(file, 2)
		if err != nil {
			return
		}
		zr, err := xz.NewReader(bytes.NewReader(file))
		if err != nil {
			t.Fatalf("decoded %d bytes of a file that the library refuses: %v", len(got), err)
		}
		want, err := io.ReadAll(io.LimitReader(zr, 64<<20))
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("got %d bytes; the library gives %d, %v", len(got), len(want), err)
		}
	})
}
