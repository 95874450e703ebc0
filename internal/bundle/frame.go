package bundle

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"hash"
	"io"

	"github.com/klauspost/compress/zstd"
)

// window is zstd's in bytes, both of writer and reader: what its level 3 has, and what
// every decoder must support (RFC 8878, 3.1.1.1.2).
const window = 8 << 20

// checkHead begins the check after each frame: a skippable frame's magic number, and the
// size of what follows, both little-endian (RFC 8878, 3.1.2).
var checkHead = []byte{0x50, 0x2a, 0x4d, 0x18, sha256.Size, 0, 0, 0}

// check returns what follows a frame with this hash.
func check(frame hash.Hash) []byte { return frame.Sum(bytes.Clone(checkHead)) }

// errFrame says that what is read is not a frame as Write makes them.
var errFrame = errors.New("zstd: damaged frame")

// A frame reads one zstd frame, as it is, and nothing after it, and hashes it.
type frame struct {
	r    *bufio.Reader
	sum  hash.Hash
	next func() error // finds how long the next part is, or is at the end
	left int          // bytes of a part that are not read yet
}

func newFrame(r *bufio.Reader) *frame {
	f := &frame{r: r, sum: sha256.New()}
	f.next = f.header
	return f
}

func (f *frame) Read(p []byte) (int, error) {
	for f.left == 0 {
		if err := f.next(); err != nil {
			return 0, err
		}
	}
	n, err := f.r.Read(p[:min(len(p), f.left)])
	f.sum.Write(p[:n])
	f.left -= n
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// header takes frames with a checksum and without a dictionary.
func (f *frame) header() error {
	start, err := f.r.Peek(zstd.HeaderMaxSize)
	if err != nil && err != io.EOF {
		return err
	}
	if len(start) == 0 {
		return io.ErrUnexpectedEOF
	}
	var h zstd.Header
	if h.Decode(start) != nil || h.Skippable || !h.HasCheckSum || h.DictionaryID != 0 {
		return errFrame
	}
	f.left, f.next = h.HeaderSize, f.blockHeader
	return nil
}

// Types of blocks (RFC 8878, 3.1.1.2.2).
const (
	repeated     = 1 // one byte, whatever the size
	reservedType = 3
)

// checksumSize is that of a frame's last part in bytes.
const checksumSize = 4

func (f *frame) blockHeader() error {
	start, err := f.r.Peek(3)
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	bits := int(start[0]) | int(start[1])<<8 | int(start[2])<<16
	last, kind, size := bits&1 == 1, bits>>1&3, bits>>3
	switch kind {
	case reservedType:
		return errFrame
	case repeated:
		size = 1
	}
	f.left = len(start) + size
	if last {
		f.next = f.checksum
	}
	return nil
}

func (f *frame) checksum() error {
	f.left, f.next = checksumSize, func() error { return io.EOF }
	return nil
}

// verify reads the check that follows the frame, which was read to its end.
func (f *frame) verify() error {
	want := check(f.sum)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(f.r, got); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	if !bytes.Equal(got, want) {
		return errors.New("its check does not fit")
	}
	return nil
}
