package decompress

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
)

const (
	headerLen = 12 // stream header and stream footer are 12 bytes each
	// maxBlocks bounds the index of one file: 1<<20 blocks of 24 MiB are 24 TiB.
	maxBlocks = 1 << 20
	// maxIndex bounds the bytes of one index: two 9-byte numbers a block.
	maxIndex = 18*maxBlocks + 16
	// maxPieces bounds the streams, and the words of padding between them, of one file:
	// xz writes one stream, pixz and the like some.
	maxPieces = 1 << 16
	// minBlock is the least size of a block without its padding (4.3 of the format).
	minBlock = 5
)

var (
	headerMagic = []byte{0xfd, '7', 'z', 'X', 'Z', 0}
	footerMagic = []byte{'Y', 'Z'}
)

// A block is one independently compressed piece of a file.
type block struct {
	offset       int64 // of the block header, in bytes from the start of the file
	unpadded     int64 // bytes of header, data and check
	uncompressed int64 // bytes
	flags        [2]byte
}

// padded returns the bytes that the block takes in the file.
func (b block) padded() int64 { return (b.unpadded + 3) &^ 3 }

// readIndex lists the blocks of every stream in the file, front to back. It reads
// backwards, as only the footers say where a stream begins.
func readIndex(r io.ReaderAt, size int64) ([]block, error) {
	var streams [][]block // the last comes first
	count := 0
	for end, pieces := size, 0; end > 0; pieces++ {
		if pieces == maxPieces {
			return nil, &FormatError{fmt.Sprintf("xz: more than %d streams", maxPieces)}
		}
		footer, err := readAt(r, end-headerLen, headerLen)
		if err != nil {
			return nil, err
		}
		if bytes.Equal(footer[8:], []byte{0, 0, 0, 0}) { // stream padding: multiples of four zeros
			end -= 4
			continue
		}
		blocks, start, err := readStream(r, footer, end)
		if err != nil {
			return nil, err
		}
		streams = append(streams, blocks)
		if count += len(blocks); count > maxBlocks {
			return nil, &FormatError{"xz: too many blocks"}
		}
		end = start
	}
	slices.Reverse(streams)
	return slices.Concat(streams...), nil
}

// readStream lists the blocks of the stream whose footer ends at end and returns
// where the stream starts.
func readStream(r io.ReaderAt, footer []byte, end int64) ([]block, int64, error) {
	if !bytes.Equal(footer[10:], footerMagic) || crc32.ChecksumIEEE(footer[4:10]) != binary.LittleEndian.Uint32(footer) {
		return nil, 0, &FormatError{"xz: no stream footer at the end: truncated or not xz"}
	}
	indexLen := (int64(binary.LittleEndian.Uint32(footer[4:])) + 1) * 4
	if indexLen > maxIndex {
		return nil, 0, &FormatError{fmt.Sprintf("xz: index of %d bytes", indexLen)}
	}
	index, err := readAt(r, end-headerLen-indexLen, indexLen)
	if err != nil {
		return nil, 0, err
	}
	blocks, err := parseIndex(index, end-2*headerLen-indexLen)
	if err != nil {
		return nil, 0, err
	}
	start := end - 2*headerLen - indexLen - total(blocks)
	header, err := readAt(r, start, headerLen)
	if err != nil {
		return nil, 0, err
	}
	flags := [2]byte(footer[8:10])
	if !bytes.Equal(header, streamHeader(flags)) {
		return nil, 0, &FormatError{"xz: stream header does not fit the footer"}
	}
	at := start + headerLen
	for i := range blocks {
		blocks[i].offset, blocks[i].flags = at, flags
		at += blocks[i].padded()
	}
	return blocks, start, nil
}

// parseIndex reads the records of an index, whose last 4 bytes are its CRC32, of a stream
// that has room for so many bytes of blocks.
func parseIndex(index []byte, room int64) ([]block, error) {
	bad := &FormatError{"xz: index is damaged"}
	if len(index) < 8 || index[0] != 0 {
		return nil, bad
	}
	body := index[:len(index)-4]
	if crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(index[len(body):]) {
		return nil, bad
	}
	body = body[1:]
	count, n := binary.Uvarint(body)
	if n <= 0 || count > maxBlocks {
		return nil, bad
	}
	body = body[n:]
	blocks := make([]block, 0, min(count, uint64(len(body))))
	for range count {
		var pair [2]uint64
		for i := range pair {
			v, n := binary.Uvarint(body)
			if n <= 0 || v > 1<<48 { // 256 TiB
				return nil, bad
			}
			pair[i], body = v, body[n:]
		}
		b := block{unpadded: int64(pair[0]), uncompressed: int64(pair[1])}
		if room -= b.padded(); b.unpadded < minBlock || room < 0 {
			return nil, bad
		}
		blocks = append(blocks, b)
	}
	return blocks, nil
}

func total(blocks []block) int64 {
	var n int64
	for _, b := range blocks {
		n += b.padded()
	}
	return n
}

func readAt(r io.ReaderAt, offset, n int64) ([]byte, error) {
	if offset < 0 {
		return nil, &FormatError{"xz: truncated or not xz"}
	}
	buf := make([]byte, n)
	if _, err := r.ReadAt(buf, offset); err != nil {
		return nil, &FormatError{fmt.Sprintf("xz: read at byte %d: %v", offset, err)}
	}
	return buf, nil
}

// streamHeader returns the 12 bytes that begin a stream with these flags.
func streamHeader(flags [2]byte) []byte {
	h := slices.Concat(headerMagic, flags[:])
	return binary.LittleEndian.AppendUint32(h, crc32.ChecksumIEEE(flags[:]))
}

// streamTail returns index and footer of a stream that consists of b alone.
func streamTail(b block) []byte {
	index := []byte{0, 1}
	index = binary.AppendUvarint(index, uint64(b.unpadded))
	index = binary.AppendUvarint(index, uint64(b.uncompressed))
	for len(index)%4 != 0 {
		index = append(index, 0)
	}
	index = binary.LittleEndian.AppendUint32(index, crc32.ChecksumIEEE(index))

	footer := binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1))
	footer = append(footer, b.flags[:]...)
	tail := binary.LittleEndian.AppendUint32(index, crc32.ChecksumIEEE(footer))
	return slices.Concat(tail, footer, footerMagic)
}
