package flash

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

// An Image is a file with what a card is to hold.
type Image struct {
	// Size is how many bytes the card must have, as far as that is known before all is
	// unpacked.
	Size   int64
	packed bool // by zstd
	file   *os.File
	length int64 // of the file
	sum    string
	hash   hash.Hash // of the file's bytes, if they have a sum to match
}

// packings are the beginnings of files that are unpacked with other programs before.
var packings = []struct{ magic, name, unpack string }{
	{"\xfd7zXZ\x00", "xz", "xz -dk"},
	{"\x1f\x8b", "gzip", "gzip -dk"},
	{"BZh", "bzip2", "bzip2 -dk"},
	{"PK\x03\x04", "zip", "unzip"},
	{"\x04\x22\x4d\x18", "lz4", "lz4 -dk"},
	{"7z\xbc\xaf\x27\x1c", "7z", "7z x"},
}

// zstdMagic begins a frame that zstd compressed (RFC 8878, section 3.1.1).
const zstdMagic = "\x28\xb5\x2f\xfd"

// OpenImage takes a file for an image. Its error is a *FormatError if it is packed in a
// way that is not read here.
func OpenImage(f *os.File) (*Image, error) {
	length, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, &ImageError{err}
	}
	if length == 0 {
		return nil, &FormatError{Reason: "it is empty"}
	}
	im := &Image{file: f, length: length, Size: length}
	head := make([]byte, zstd.HeaderMaxSize)
	n, err := f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return nil, &ImageError{err}
	}
	head = head[:n]
	for _, p := range packings {
		if bytes.HasPrefix(head, []byte(p.magic)) {
			return nil, &FormatError{fmt.Sprintf("it is compressed with %s, and only zstd is read here", p.name), p.unpack}
		}
	}
	if im.packed = bytes.HasPrefix(head, []byte(zstdMagic)); im.packed {
		var frame zstd.Header
		if err := frame.Decode(head); err != nil {
			return nil, &ImageError{err}
		}
		// Of the first frame; Need knows more, and the end is where it ends.
		im.Size = int64(min(frame.FrameContentSize, 1<<62))
	}
	return im, nil
}

// Need tells that the card must have so many bytes.
func (im *Image) Need(size int64) { im.Size = max(im.Size, size) }

// Expect makes Write fail, with the card left without a partition table, unless the
// file's bytes have this SHA-256, in hexadecimal.
func (im *Image) Expect(sha256 string, h hash.Hash) { im.sum, im.hash = sha256, h }

// Head returns a file in memory with the first bytes of what the card is to hold, at most
// n. The caller closes it.
func (im *Image) Head(n int) (f *os.File, length int64, err error) {
	s, err := im.source(nil)
	if err != nil {
		return nil, 0, err
	}
	defer s.close()
	head := make([]byte, n)
	got, err := fill(s.stream, head)
	if err != nil && err != io.EOF {
		return nil, 0, unreadable(err)
	}
	if f, err = memoryFile(); err != nil {
		return nil, 0, err
	}
	_, err = f.Write(head[:got])
	return f, int64(got), err
}

// A source hands out an image from its beginning to its end.
type source struct {
	stream io.Reader
	skip   func(at int64) (int64, error) // the next data at or behind at; nil if not known
	size   int64                         // bytes; 0 if not known
	at     int64
	hash   hash.Hash // of what is handed out; nil if somebody else does that
	close  func()
}

// source begins anew. The hash, if there is one, is told the file's bytes.
func (im *Image) source(h hash.Hash) (*source, error) {
	file := io.NewSectionReader(im.file, 0, im.length)
	if !im.packed {
		return &source{stream: file, size: im.length, hash: h, close: func() {},
			skip: func(at int64) (int64, error) { return nextData(im.file, at, im.length) }}, nil
	}
	var packed io.Reader = file
	if h != nil {
		packed = io.TeeReader(file, h)
	}
	z, err := zstd.NewReader(packed)
	if err != nil {
		return nil, &ImageError{err}
	}
	return &source{stream: z, close: z.Close}, nil
}

// next fills buf with what comes next, or tells how many zeros come next, in whole
// chunks. io.EOF is the end.
func (s *source) next(ctx context.Context, buf []byte) (data []byte, zeros int64, err error) {
	if err := context.Cause(ctx); err != nil {
		return nil, 0, err
	}
	if s.size > 0 && s.at >= s.size {
		return nil, 0, io.EOF
	}
	if zeros, err = s.hole(); err != nil || zeros > 0 {
		return nil, zeros, err
	}
	n, err := fill(s.stream, buf)
	switch {
	case err != nil && err != io.EOF:
		return nil, 0, unreadable(err)
	case s.at+int64(n) < s.size && n < len(buf):
		return nil, 0, &ImageError{ErrShorter}
	case n == 0:
		return nil, 0, io.EOF
	}
	s.at += int64(n)
	if s.hash != nil {
		s.hash.Write(buf[:n])
	}
	return buf[:n], 0, nil
}

// unreadable words what stopped reading.
func unreadable(err error) error {
	if err == io.ErrUnexpectedEOF {
		err = errors.New("it is cut off: what is compressed in it breaks off")
	}
	return &ImageError{err}
}

// fill reads until buf is full or there is an error. Other than io.ReadFull's, its error
// at the end is io.EOF, which a stream that breaks off does not end with.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

// hole skips the chunks that have no data.
func (s *source) hole() (zeros int64, err error) {
	if s.skip == nil {
		return 0, nil
	}
	data, err := s.skip(s.at)
	if err != nil {
		return 0, &ImageError{err}
	}
	end := data
	if end < s.size {
		end -= end % chunkSize
	}
	if zeros = end - s.at; zeros <= 0 {
		return 0, nil
	}
	if s.hash != nil {
		hashZeros(s.hash, zeros)
	}
	s.at = end
	_, err = s.stream.(io.Seeker).Seek(end, io.SeekStart)
	return zeros, err
}

func hashZeros(h hash.Hash, n int64) {
	for ; n > 0; n -= min(n, int64(len(zeroChunk))) {
		h.Write(zeroChunk[:min(n, int64(len(zeroChunk)))])
	}
}

// A hole is a part of an image without data, in whole chunks but at the end.
type hole struct{ at, n int64 }

// plan returns how many bytes next will hand out as data, and the holes between them.
func (im *Image) plan() (total int64, holes []hole, err error) {
	if im.packed {
		return im.Size, nil, nil
	}
	s := &source{size: im.length, stream: io.NewSectionReader(im.file, 0, im.length),
		skip: func(at int64) (int64, error) { return nextData(im.file, at, im.length) }}
	for s.at < s.size {
		at := s.at
		zeros, err := s.hole()
		if err != nil {
			return 0, nil, err
		}
		if zeros > 0 {
			holes = append(holes, hole{at, zeros})
			continue
		}
		n := min(chunkSize, s.size-s.at)
		total, s.at = total+n, s.at+n
	}
	return total, holes, nil
}

// checkSum says whether the file had the bytes that were expected.
func (im *Image) checkSum() error {
	if im.hash == nil {
		return nil
	}
	if sum := hex.EncodeToString(im.hash.Sum(nil)); sum != im.sum {
		return &ImageError{sumError{fmt.Sprintf("its sha256 is %s, but should be %s", sum, im.sum)}}
	}
	return nil
}

// A sumError is an ErrSum that tells the sums.
type sumError struct{ text string }

func (e sumError) Error() string { return e.text }
func (e sumError) Unwrap() error { return ErrSum }
