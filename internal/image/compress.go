package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"
)

// Compress writes src, from its beginning, to the empty file dst, compressed by zstd.
// It returns what describes dst, and what describes src. progress, if not nil, is told
// the bytes of src that are done. The same source makes the same bytes.
func Compress(ctx context.Context, dst, src *os.File, progress func(done, total int64)) (packed, plain Sum, err error) {
	info, err := src.Stat()
	if err != nil {
		return packed, plain, err
	}
	packedHash, plainHash := sha256.New(), sha256.New()
	// One encoder at a time, as how work is shared out would show in the output.
	z, err := zstd.NewWriter(io.MultiWriter(dst, packedHash), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return packed, plain, err
	}
	done, err := copyTo(ctx, io.MultiWriter(z, plainHash), src, func(done int64) {
		if progress != nil {
			progress(done, info.Size())
		}
	})
	if err = errors.Join(err, z.Close()); err != nil {
		return packed, plain, err
	}
	written, err := dst.Seek(0, io.SeekCurrent)
	packed = Sum{SHA256: hex.EncodeToString(packedHash.Sum(nil)), Size: written, Data: written}
	plain = Sum{SHA256: hex.EncodeToString(plainHash.Sum(nil)), Size: done}
	return packed, plain, err
}

// copyTo writes a file, from its beginning, to w.
func copyTo(ctx context.Context, w io.Writer, src io.ReaderAt, progress func(done int64)) (done int64, err error) {
	for buf := make([]byte, 256*block); ; {
		n, readErr := src.ReadAt(buf, done)
		if _, err := w.Write(buf[:n]); err != nil {
			return done, err
		}
		done += int64(n)
		progress(done)
		if readErr == io.EOF {
			return done, nil
		}
		if err := errors.Join(readErr, ctx.Err()); err != nil {
			return done, err
		}
	}
}

// Decompress writes what src, a file compressed by zstd, holds to the empty file dst.
// Blocks of zeros become holes. progress, if not nil, is told the bytes of src that are
// done. Data that is no zstd is an error of klauspost/compress.
func Decompress(ctx context.Context, dst, src *os.File, progress func(done, total int64)) (Sum, error) {
	info, err := src.Stat()
	if err != nil {
		return Sum{}, err
	}
	from := &counted{r: io.NewSectionReader(src, 0, info.Size())}
	z, err := zstd.NewReader(from)
	if err != nil {
		return Sum{}, err
	}
	defer z.Close()
	var sum Sum
	hash := sha256.New()
	for buf := make([]byte, 256*block); ; {
		n, readErr := fill(z, buf)
		hash.Write(buf[:n])
		written, err := writeData(dst, buf[:n], sum.Size)
		if err != nil {
			return Sum{}, err
		}
		sum.Data += written
		sum.Size += int64(n)
		if progress != nil {
			progress(from.n.Load(), info.Size())
		}
		if readErr == io.EOF {
			sum.SHA256 = hex.EncodeToString(hash.Sum(nil))
			return sum, dst.Truncate(sum.Size)
		}
		if err := errors.Join(readErr, ctx.Err()); err != nil {
			return Sum{}, err
		}
	}
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

// counted counts what is read, by any goroutine.
type counted struct {
	r io.Reader
	n atomic.Int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n.Add(int64(n))
	return n, err
}
