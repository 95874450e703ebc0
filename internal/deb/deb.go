// Package deb reads the files in a Debian binary package (deb(5)): an ar archive
// of debian-binary, control.tar.* and data.tar.*.
package deb

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/blakesmith/ar"
	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"
)

// ErrStop, returned by a Visit, ends a walk early without an error.
var ErrStop = errors.New("stop")

// A Visit is called for every entry of data.tar, in its order, with a reader of
// the entry's content that is valid until Visit returns. The header's Name is as
// the archive has it, usually "./usr/bin/x".
type Visit func(h *tar.Header, content io.Reader) error

// Bounds on foreign archives. The largest package of Debian 13 holds some
// 60,000 files; the largest .deb is below 2 GiB.
const (
	maxEntries = 1 << 20 // of data.tar
	maxUnpack  = 4 << 30 // decompressed bytes of data.tar
	maxZstdRAM = 256 << 20
	maxXZRAM   = 64 << 20 // dictionary: xz -9 uses as much
)

// Walk calls visit for the entries of data.tar in the package r. It decompresses
// no further than visit asks for. A file that is no Debian package, or a damaged
// one, fails with a *FormatError; errors of visit come back as they are.
func Walk(r io.Reader, visit Visit) error {
	data, name, err := findData(r)
	if err != nil {
		return err
	}
	plain, closeData, err := decompress(name, data)
	if err != nil {
		return err
	}
	defer closeData()
	limited := &io.LimitedReader{R: plain, N: maxUnpack}
	tr := tar.NewReader(limited)
	for n := 0; ; n++ {
		h, err := tr.Next()
		switch {
		case err == io.EOF && limited.N > 0:
			return nil
		case err != nil || limited.N == 0:
			return &FormatError{fmt.Sprintf("%s: %v", name, err)}
		case n == maxEntries:
			return &FormatError{fmt.Sprintf("%s: more than %d entries", name, maxEntries)}
		}
		switch err := visit(h, tr); err {
		case nil:
		case ErrStop:
			return nil
		default:
			return err
		}
	}
}

// findData positions the ar reader at the member data.tar*.
func findData(r io.Reader) (data io.Reader, name string, err error) {
	br := bufio.NewReader(r)
	if magic, err := br.Peek(8); err != nil || string(magic) != "!<arch>\n" {
		return nil, "", &FormatError{"not an ar archive"}
	}
	archive := ar.NewReader(br)
	for pad := 0; ; {
		h, err := nextMember(br, archive, pad)
		if err != nil {
			return nil, "", err
		}
		name := strings.TrimSuffix(h.Name, "/")
		if strings.HasPrefix(name, "data.tar") {
			return &exactly{archive, h.Size}, name, nil
		}
		if _, err := io.Copy(io.Discard, archive); err != nil {
			return nil, "", &FormatError{fmt.Sprintf("%s: %v", name, err)}
		}
		pad = int(h.Size % 2)
	}
}

// nextMember reads the next ar header after pad bytes. The library trusts the
// numbers in it, so they are looked at first.
func nextMember(br *bufio.Reader, archive *ar.Reader, pad int) (*ar.Header, error) {
	raw, err := br.Peek(pad + 60) // ar(5): a header is 60 bytes
	if err != nil {
		return nil, &FormatError{"no member data.tar"}
	}
	raw = raw[pad:]
	size := strings.TrimRight(string(raw[48:58]), " ")
	mode := strings.TrimRight(string(raw[40:48]), " ")
	if string(raw[58:]) != "`\n" || !digits(size) || !digits(mode) || len(mode) < 4 {
		return nil, &FormatError{"damaged ar header"}
	}
	h, err := archive.Next()
	if err != nil {
		return nil, &FormatError{err.Error()}
	}
	return h, nil
}

// exactly turns an early end of a member of n bytes into an error, which the ar
// library does not report.
type exactly struct {
	r io.Reader
	n int64
}

func (e *exactly) Read(buf []byte) (int, error) {
	n, err := e.r.Read(buf)
	if e.n -= int64(n); err == io.EOF && e.n > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// decompress chooses by the member's name, as dpkg-deb does.
func decompress(name string, r io.Reader) (plain io.Reader, done func(), err error) {
	done = func() {}
	r = bufio.NewReaderSize(r, 1<<18)
	switch strings.TrimPrefix(name, "data.tar") {
	case "":
		plain = r
	case ".xz":
		plain, err = xz.NewReader(r, maxXZRAM)
	case ".gz":
		plain, err = gzip.NewReader(r)
	case ".zst":
		var zr *zstd.Decoder
		zr, err = zstd.NewReader(r, zstd.WithDecoderMaxMemory(maxZstdRAM), zstd.WithDecoderConcurrency(1))
		if err == nil {
			plain, done = zr, zr.Close
		}
	default:
		err = errors.New("unknown compression")
	}
	if err != nil {
		return nil, nil, &FormatError{fmt.Sprintf("%s: %v", name, err)}
	}
	return plain, done, nil
}

// A FormatError says that a file is not the Debian package that it should be.
type FormatError struct{ Reason string }

func (e *FormatError) Error() string { return "not a sound Debian package: " + e.Reason }
