// Package image delivers disk images: it copies them with holes kept, and puts
// them in place whole or not at all.
package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"slices"
)

// A Sum describes a delivered file.
type Sum struct {
	SHA256 string // hex
	Size   int64  // bytes, holes included
	Data   int64  // bytes that were written; the rest are holes
}

// block is the unit in which holes are made, in bytes: the block size of ext4, xfs
// and most other file systems.
const block = 4096

// zeros is one block of a hole.
var zeros [block]byte

// Copy copies src from its beginning to the empty file dst. Blocks of zeros become
// holes. progress, if not nil, is told the bytes done.
func Copy(ctx context.Context, dst, src *os.File, progress func(done, total int64)) (Sum, error) {
	info, err := src.Stat()
	if err != nil {
		return Sum{}, err
	}
	sum := Sum{Size: info.Size()}
	hash := sha256.New()
	buf := make([]byte, 256*block)
	for at := int64(0); at < sum.Size; {
		if err := ctx.Err(); err != nil {
			return Sum{}, err
		}
		n, err := src.ReadAt(buf[:min(int64(len(buf)), sum.Size-at)], at)
		if n == 0 && err == io.EOF {
			return Sum{}, fmt.Errorf("%s became shorter while it was copied", src.Name())
		}
		if err != nil && err != io.EOF {
			return Sum{}, err
		}
		hash.Write(buf[:n])
		written, err := writeData(dst, buf[:n], at)
		if err != nil {
			return Sum{}, err
		}
		sum.Data += written
		at += int64(n)
		if progress != nil {
			progress(at, sum.Size)
		}
	}
	sum.SHA256 = hex.EncodeToString(hash.Sum(nil))
	return sum, dst.Truncate(sum.Size)
}

// Measure describes a file.
func Measure(ctx context.Context, f *os.File, progress func(done, total int64)) (Sum, error) {
	info, err := f.Stat()
	if err != nil {
		return Sum{}, err
	}
	var data counter
	hash := sha256.New()
	size, err := copyTo(ctx, io.MultiWriter(hash, &data), f, func(done int64) { progress(done, info.Size()) })
	return Sum{hex.EncodeToString(hash.Sum(nil)), size, int64(data)}, err
}

// A counter counts the bytes of blocks that are not all zeros. It is given whole blocks,
// but for the last.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	for part := range slices.Chunk(p, block) {
		if !isZero(part) {
			*c += counter(len(part))
		}
	}
	return len(p), nil
}

// writeData writes the runs of blocks that are not all zeros.
func writeData(dst io.WriterAt, data []byte, at int64) (written int64, err error) {
	for start := 0; start < len(data); {
		end := start
		for end < len(data) && !isZero(data[end:min(end+block, len(data))]) {
			end = min(end+block, len(data))
		}
		if end > start {
			if _, err := dst.WriteAt(data[start:end], at+int64(start)); err != nil {
				return written, err
			}
			written += int64(end - start)
		}
		start = min(end+block, len(data)) // past the block of zeros, if there is one
	}
	return written, nil
}

func isZero(b []byte) bool { return bytes.Equal(b, zeros[:len(b)]) }

// ChecksumLine returns a line as sha256sum writes and, with -c, reads it.
func ChecksumLine(sum Sum, name string) string { return fmt.Sprintf("%s  %s\n", sum.SHA256, name) }
