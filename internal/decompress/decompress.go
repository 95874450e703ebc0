// Package decompress reads files whose compression their first bytes tell: xz, on
// all processors, zstd, gzip, or none.
package decompress

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"runtime"

	"github.com/klauspost/compress/zstd"
)

// maxZstdMemory bounds a zstd decoder's window in bytes; zstd -19 uses 8 MiB,
// --ultra -22 128 MiB.
const maxZstdMemory = 256 << 20

// First bytes: xz-file-format.txt 2.1.1.1, RFC 8878 3.1.1, RFC 1952 2.3.1.
var (
	zstdMagic = []byte("\x28\xb5\x2f\xfd")
	gzipMagic = []byte("\x1f\x8b")
)

// New returns the content of the size bytes in r. Damage is a *FormatError, now or
// from Read. Close must be called.
func New(r io.ReaderAt, size int64) (io.ReadCloser, error) {
	magic := make([]byte, 6)
	if n, err := r.ReadAt(magic, 0); err != nil && err != io.EOF {
		return nil, err
	} else {
		magic = magic[:n]
	}
	section := io.NewSectionReader(r, 0, size)
	switch {
	case bytes.HasPrefix(magic, headerMagic):
		return newXZ(r, size, runtime.NumCPU())
	case bytes.HasPrefix(magic, zstdMagic):
		zr, err := zstd.NewReader(section, zstd.WithDecoderMaxMemory(maxZstdMemory))
		if err != nil {
			return nil, &FormatError{"zstd: " + err.Error()}
		}
		return &checked{zr, func() error { zr.Close(); return nil }, "zstd"}, nil
	case bytes.HasPrefix(magic, gzipMagic):
		zr, err := gzip.NewReader(section)
		if err != nil {
			return nil, &FormatError{"gzip: " + err.Error()}
		}
		return &checked{zr, zr.Close, "gzip"}, nil
	}
	return io.NopCloser(section), nil
}

// Open is New for a file by name.
func Open(name string) (io.ReadCloser, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	r, err := New(f, info.Size())
	if err != nil {
		f.Close()
		return nil, err
	}
	return &closeBoth{r, f}, nil
}

type closeBoth struct {
	io.ReadCloser
	below io.Closer
}

func (c *closeBoth) Close() error { return errors.Join(c.ReadCloser.Close(), c.below.Close()) }

// checked names the format in the errors of a decoder.
type checked struct {
	r      io.Reader
	close  func() error
	format string
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if err != nil && err != io.EOF {
		err = &FormatError{c.format + ": " + err.Error()}
	}
	return n, err
}

func (c *checked) Close() error { return c.close() }

// A FormatError says that a file is damaged.
type FormatError struct{ Reason string }

func (e *FormatError) Error() string { return e.Reason }
