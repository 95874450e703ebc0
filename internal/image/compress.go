package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"

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
