package bundle

import (
	"archive/tar"
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// block is tar's unit in bytes (POSIX.1-2017, pax, "ustar Interchange Format").
const block = 512

// tarHeader returns the archive's header of a regular file: mode 0644, of nobody, of the
// epoch, with extended records only for a path or a size that ustar cannot hold.
func tarHeader(path string, size int64) ([]byte, error) {
	var text bytes.Buffer
	err := tar.NewWriter(&text).WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: path, Size: size, Mode: 0o644, ModTime: time.Unix(0, 0),
	})
	return text.Bytes(), err
}

// tarTail returns the zeros after a member's content: to a whole block, and after the
// last member the archive's end.
func tarTail(size int64, last bool) []byte {
	n := int(-size & (block - 1))
	if last {
		n += 2 * block
	}
	return make([]byte, n)
}

// sizeField is where a header has its content's size: 11 octal digits.
const sizeField, sizeDigits = 124, 11

// indexSize returns the size that the header of index.json tells.
func indexSize(header []byte) (int64, error) {
	digits := string(header[sizeField : sizeField+sizeDigits])
	n, err := strconv.ParseInt(strings.TrimLeft(digits, "0"), 8, 64)
	if err != nil || n > maxIndex {
		return 0, fmt.Errorf("has a size of %q in octal digits; at most %d bytes are read", digits, maxIndex)
	}
	return n, nil
}
