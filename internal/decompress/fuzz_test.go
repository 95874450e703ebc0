package decompress

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
)

// maxFuzzed bounds what a fuzz target decompresses of one input.
const maxFuzzed = 16 << 20

func content(file []byte, wrap func(io.Reader) io.Reader) ([]byte, error) {
	r, err := New(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(wrap(r), maxFuzzed))
}

// Any bytes have a content, or are said to be damaged; and the content does not depend on
// how it is read.
func FuzzNew(f *testing.F) {
	var gz, zst bytes.Buffer
	gw := gzip.NewWriter(&gz)
	gw.Write(text(1, 3000))
	gw.Close()
	zw, err := zstd.NewWriter(&zst)
	if err != nil {
		f.Fatal(err)
	}
	zw.Write(text(2, 3000))
	zw.Close()
	for _, file := range [][]byte{streams(f, text(3, 3000)), gz.Bytes(), zst.Bytes(), text(4, 30), nil} {
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		got, err := content(file, func(r io.Reader) io.Reader { return r })
		if bad := (*FormatError)(nil); err != nil && !errors.As(err, &bad) {
			t.Errorf("%T: %v; want a *FormatError", err, err)
		}
		if again, err2 := content(file, iotest.HalfReader); (err == nil) != (err2 == nil) || err == nil && !bytes.Equal(got, again) {
			t.Errorf("%d bytes, %v; read in small pieces %d bytes, %v", len(got), err, len(again), err2)
		}
	})
}

// sealed is an index of these records, with the checks and the footer that make it sound.
func sealed(records []byte) []byte {
	index := append([]byte{0}, records...)
	for len(index)%4 != 0 {
		index = append(index, 0)
	}
	index = binary.LittleEndian.AppendUint32(index, crc32.ChecksumIEEE(index))
	footer := binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1))
	footer = append(footer, 0, 4) // CRC64
	return slices.Concat(index, binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(footer)), footer, footerMagic)
}

// Whatever the records of an index say, their blocks lie in the file, one behind the
// other.
func FuzzReadIndex(f *testing.F) {
	records := func(count uint64, numbers ...uint64) []byte {
		all := binary.AppendUvarint(nil, count)
		for _, n := range numbers {
			all = binary.AppendUvarint(all, n)
		}
		return all
	}
	f.Add(records(2, 100, 200, 300, 400), int64(460))
	f.Add(records(0), int64(32))
	f.Add(records(1, 1<<48, 1<<48), int64(1<<49))
	f.Add(records(3, 1<<62, 1, 1<<62, 1, 1<<62, 1), int64(1<<30))
	f.Fuzz(func(t *testing.T, records []byte, size int64) {
		end := sealed(records)
		if size < int64(len(end)) || size > 1<<50 {
			return
		}
		all, err := readIndex(endOf{end, size}, size)
		if bad := (*FormatError)(nil); err != nil && !errors.As(err, &bad) {
			t.Errorf("%T: %v; want a *FormatError", err, err)
		}
		for at, left := int64(headerLen), all; len(left) > 0; left = left[1:] {
			b := left[0]
			if b.offset < at || b.unpadded <= 0 || b.padded() > size-at || b.uncompressed < 0 {
				t.Fatalf("block %+v, after byte %d of %d", b, at, size)
			}
			at = b.offset + b.padded()
		}
	})
}

// endOf is a large file of which the end is given. Before it there is, wherever one looks,
// the stream header that goes with the last footer.
type endOf struct {
	end  []byte
	size int64
}

func (e endOf) ReadAt(p []byte, offset int64) (int, error) {
	at := offset - (e.size - int64(len(e.end)))
	switch {
	case offset < 0 || offset+int64(len(p)) > e.size:
		return 0, io.EOF
	case at >= 0:
		return copy(p, e.end[at:]), nil
	case len(e.end) >= headerLen:
		return copy(p, streamHeader([2]byte(e.end[len(e.end)-4:]))), nil
	}
	clear(p)
	return len(p), nil
}
