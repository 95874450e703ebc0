package decompress

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"testing"
	"time"

	"nixsd-native/internal/testenv"
)

// zeros is testdata/zeros.xz: head -c 64M /dev/zero | xz -T1.
func zeros(t testing.TB) []byte {
	file, err := os.ReadFile("testdata/zeros.xz")
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// wideXZ is an xz file whose only block asks for a dictionary of 4 GiB. In its block
// header, behind the 12 bytes of the stream's, is the size of the dictionary at byte 4
// (xz-file-format.txt 3.1, 5.3.1).
func wideXZ(t testing.TB) []byte {
	file := zeros(t)
	header := file[headerLen : headerLen+12]
	header[4] = 40
	binary.LittleEndian.PutUint32(header[8:], crc32.ChecksumIEEE(header[:8]))
	return file
}

// rleZstd is a frame of zeros in blocks of 128 KiB, which take 4 bytes each, with a window
// of 1<<exponent bytes (RFC 8878 3.1.1).
func rleZstd(blocks int, exponent byte) []byte {
	file := append(bytes.Clone(zstdMagic), 0, (exponent-10)<<3)
	for i := range blocks {
		head := uint32(128<<10)<<3 | 1<<1 // RLE
		if i == blocks-1 {
			head |= 1 // the last
		}
		file = append(file, byte(head), byte(head>>8), byte(head>>16), 0)
	}
	return file
}

func zeroGzip(t testing.TB, n int) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	w.Close()
	return b.Bytes()
}

// What a small file grows to is given out piece by piece: however much it is, it takes a
// bounded memory. A file that asks for more is refused.
func TestBombs(t *testing.T) {
	const large = 300 << 20
	for _, bomb := range []struct {
		name   string
		file   func() []byte
		grows  int64 // to so many bytes, 0 if it is refused
		memory int64 // bound
	}{
		{"xz, one block", func() []byte { return zeros(t) }, 64 << 20, large},
		{"xz, many streams", func() []byte { return bytes.Repeat(zeros(t), 20) }, 20 * 64 << 20, 1280 << 20},
		{"xz, a dictionary of 4 GiB", func() []byte { return wideXZ(t) }, 0, large},
		{"zstd, 2 GiB", func() []byte { return rleZstd(16<<10, 20) }, 2 << 30, large},
		{"zstd, a window of 128 MiB", func() []byte { return rleZstd(4<<10, 27) }, 512 << 20, 2 * large},
		{"zstd, a window of 2 GiB", func() []byte { return rleZstd(8<<10, 31) }, 0, large},
		{"zstd, frames that break off", func() []byte { return bytes.Repeat(rleZstd(1, 20)[:6], 1<<18) }, 0, large},
		{"gzip, many members", func() []byte { return bytes.Repeat(zeroGzip(t, 16<<20), 32) }, 32 * 16 << 20, large},
	} {
		t.Run(bomb.name, func(t *testing.T) {
			if bomb.memory > 1<<30 {
				testenv.OnDemand(t, "long")
			}
			got := testenv.Memory(t, func() error { return explode(bomb.file(), bomb.grows) })
			if t.Logf("%d MiB in %d MiB", bomb.grows>>20, got>>20); got > bomb.memory {
				t.Errorf("it took %d bytes; want at most %d", got, bomb.memory)
			}
		})
	}
}

// The more memory blocks take, the fewer are decoded at once.
func TestFitting(t *testing.T) {
	for size, want := range map[int64]int{1: 15, 24 << 20: 11, maxParallelBlock: 8} {
		if got := fitting(size); got != want {
			t.Errorf("fitting(%d) = %d; want %d", size, got, want)
		}
	}
}

// explode decompresses a file on a machine with many processors.
func explode(file []byte, want int64) error {
	open := New
	if bytes.HasPrefix(file, headerMagic) {
		open = func(r io.ReaderAt, size int64) (io.ReadCloser, error) { return newXZ(r, size, 64) }
	}
	r, err := open(bytes.NewReader(file), int64(len(file)))
	if err == nil {
		defer r.Close()
		var n int64
		if n, err = io.Copy(io.Discard, r); err == nil && n != want {
			return fmt.Errorf("%d bytes; want %d", n, want)
		}
	}
	if bad := (*FormatError)(nil); (err != nil) != (want == 0) || err != nil && !errors.As(err, &bad) {
		return fmt.Errorf("%v; want %d bytes", err, want)
	}
	return nil
}

// The index of a file with many streams is read in a time that grows with their number.
func TestManyStreams(t *testing.T) {
	one := streams(t, []byte("x"))
	start := time.Now()
	blocks, err := readIndex(bytes.NewReader(bytes.Repeat(one, maxPieces-1)), int64(len(one)*(maxPieces-1)))
	if took := time.Since(start); err != nil || len(blocks) != maxPieces-1 || took > 5*time.Second {
		t.Errorf("%d blocks, %v in %v", len(blocks), err, took)
	}
	for name, file := range map[string][]byte{
		"streams": bytes.Repeat(one, maxPieces+1), "padding": append(bytes.Clone(one), make([]byte, 4*maxPieces)...),
	} {
		if _, err := readIndex(bytes.NewReader(file), int64(len(file))); err == nil {
			t.Errorf("too many %s are taken", name)
		}
	}
}
