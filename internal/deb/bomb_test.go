package deb

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"
	"testing"

	"nixsd-native/internal/testenv"
)

// wideXZ is testdata/tiny.deb's kind of member, whose dictionary of 4 GiB is claimed in
// the block header (xz-file-format.txt 5.3.1).
func wideXZ(t testing.TB) []byte {
	file := pack(t, ".xz", make([]byte, 1<<20))
	header := file[12:24]
	header[4] = 40
	binary.LittleEndian.PutUint32(header[8:], crc32.ChecksumIEEE(header[:8]))
	return file
}

// rleZstd is a frame of content and then zeros, in blocks of 128 KiB that take 4 bytes
// each (RFC 8878 3.1.1).
func rleZstd(content []byte, blocks int) []byte {
	file := []byte("\x28\xb5\x2f\xfd\x00\x58") // window of 2 MiB
	raw := uint32(len(content)) << 3
	file = append(append(file, byte(raw), byte(raw>>8), byte(raw>>16)), content...)
	for i := range blocks {
		head := uint32(128<<10)<<3 | 1<<1
		if i == blocks-1 {
			head |= 1
		}
		file = append(file, byte(head), byte(head>>8), byte(head>>16), 0)
	}
	return file
}

// header is that of a file of n bytes in a tar archive.
func header(t testing.TB, name string, n int64) []byte {
	var b bytes.Buffer
	if err := tar.NewWriter(&b).WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: n}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A package that grows beyond all bounds, or says that it does, ends with an error that
// says where, in a bounded memory.
func TestBombs(t *testing.T) {
	const mebibyte = 1 << 20
	deb := func(name string, data []byte) []byte { return arOf("debian-binary", "2.0\n", name, string(data)) }
	zeros, err := os.ReadFile("testdata/zeros.xz") // as in package decompress
	if err != nil {
		t.Fatal(err)
	}
	for _, bomb := range []struct {
		name string
		file func() []byte
		says string
	}{
		{"zstd of 5 GiB, one file", func() []byte { return deb("data.tar.zst", rleZstd(header(t, "./a", 5<<30), 40<<10)) }, "data.tar.zst"},
		{"xz, a dictionary of 4 GiB", func() []byte { return deb("data.tar.xz", wideXZ(t)) }, "data.tar.xz"},
		{"xz of zeros", func() []byte { return deb("data.tar.xz", zeros) }, ""},
		{"a control member of 9 GB", func() []byte {
			return []byte(strings.Replace(string(arOf("control.tar.xz", "x")), fmt.Sprintf("%-10d", 1), "9999999999", 1))
		}, "no member data.tar"},
		{"a data member of 9 GB", func() []byte {
			return []byte(strings.Replace(string(arOf("data.tar", "x")), fmt.Sprintf("%-10d", 1), "9999999999", 1))
		}, "data.tar"},
		{"a negative size", func() []byte {
			return []byte(strings.Replace(string(arOf("data.tar", "x")), fmt.Sprintf("%-10d", 1), "-1        ", 1))
		}, "damaged ar header"},
		{"many members", func() []byte { return arOf(strings.Split(strings.Repeat("x//", 1<<17), "/")[:3<<16]...) }, "no member data.tar"},
		{"a file of 8 EiB", func() []byte { return deb("data.tar", header(t, "./a", 1<<62)) }, "data.tar"},
		{"endless headers", func() []byte { return deb("data.tar.gz", pack(t, ".gz", bytes.Repeat(globalHeader(t), 1<<14))) }, ""},
		{"a header without end", func() []byte { return deb("data.tar.gz", pack(t, ".gz", longHeader(t, 64*mebibyte))) }, "data.tar.gz"},
	} {
		t.Run(bomb.name, func(t *testing.T) {
			got := testenv.Memory(t, func() error { return walk(bomb.file(), bomb.says) })
			if t.Logf("%d MiB", got/mebibyte); got > 400*mebibyte {
				t.Errorf("it took %d bytes", got)
			}
		})
	}
}

// walk reads all that a package has.
func walk(file []byte, says string) error {
	err := Walk(bytes.NewReader(file), func(_ *tar.Header, content io.Reader) error {
		if _, err := io.Copy(io.Discard, content); err != nil {
			return &FormatError{"data.tar: " + err.Error()}
		}
		return nil
	})
	bad := (*FormatError)(nil)
	if says == "" && err == nil || errors.As(err, &bad) && says != "" && strings.Contains(err.Error(), strings.TrimSuffix(says, ".zst")) {
		return nil
	}
	return fmt.Errorf("Walk = %v; want an error with %q", err, says)
}

// globalHeader is one that git archive writes, and that is no entry.
func globalHeader(t testing.TB) []byte {
	var b bytes.Buffer
	h := &tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "pax_global_header", PAXRecords: map[string]string{"comment": strings.Repeat("x", 300)}}
	w := tar.NewWriter(&b)
	if err := errors.Join(w.WriteHeader(h), w.Flush()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// longHeader is an extended header of n bytes, which is to be read at once.
func longHeader(t testing.TB, n int64) []byte {
	h := header(t, "PaxHeaders/x", n)
	h[156] = tar.TypeXHeader
	copy(h[148:], "        ")
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return append(h, make([]byte, n)...)
}
