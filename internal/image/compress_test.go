package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// file makes a file and opens it.
func file(t *testing.T, data []byte) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	return f
}

// What is compressed can be had back, with its holes, whatever its length, and the
// same image makes the same bytes.
func TestCompress(t *testing.T) {
	ctx := context.Background()
	for _, size := range []int{0, 1, block, 256 * block, 256*block + 1, 5<<20 + 7} {
		data := make([]byte, size)
		for i := 0; i < size; i += 3 * block {
			data[i] = byte(i)
		}
		src, first, second, back := file(t, data), file(t, nil), file(t, nil), file(t, nil)
		packed, plain, err := Compress(ctx, first, src, nil)
		if err != nil {
			t.Fatal(err)
		}
		if again, _, err := Compress(ctx, second, src, nil); err != nil || again != packed {
			t.Errorf("%d bytes: compressed again %+v, %v; want %+v", size, again, err, packed)
		}
		want := fmt.Sprintf("%x", sha256.Sum256(data))
		if plain.SHA256 != want || plain.Size != int64(size) {
			t.Errorf("%d bytes: plain %+v; want %s", size, plain, want)
		}
		info, err := first.Stat()
		if err != nil || info.Size() != packed.Size {
			t.Errorf("%d bytes: %+v of a file of %d bytes, %v", size, packed, info.Size(), err)
		}
		sum, err := Decompress(ctx, back, first, nil)
		if err != nil || sum.SHA256 != want || sum.Size != int64(size) {
			t.Errorf("%d bytes: back %+v, %v; want %s", size, sum, err, want)
		}
		if got, err := os.ReadFile(back.Name()); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes: came back as %d others, %v", size, len(got), err)
		}
		if info, err = back.Stat(); err != nil || size > 1<<20 && info.Sys().(*syscall.Stat_t).Blocks*512 > int64(size)*3/4 {
			t.Errorf("%d bytes: no holes, %v", size, err)
		}
	}
}

// A compressed image that breaks off, or is none, is an error.
func TestDecompressRefuses(t *testing.T) {
	ctx := context.Background()
	whole := file(t, nil)
	if _, _, err := Compress(ctx, whole, file(t, bytes.Repeat([]byte("some data"), 1<<18)), nil); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(whole.Name())
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{"cut short": data[:len(data)/2], "last byte": data[:len(data)-1], "text": []byte("<html>")} {
		if sum, err := Decompress(ctx, file(t, nil), file(t, bad), nil); err == nil {
			t.Errorf("%s: %+v; want an error", name, sum)
		}
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := Decompress(canceled, file(t, nil), whole, nil); err == nil {
		t.Error("canceled: no error")
	}
	if _, _, err := Compress(canceled, file(t, nil), file(t, make([]byte, 8<<20)), nil); err == nil {
		t.Error("canceled: no error")
	}
}
