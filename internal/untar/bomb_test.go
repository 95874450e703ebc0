package untar

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"nixsd-native/internal/testenv"
)

// repeated is an archive of many entries, each made when it is read.
type repeated struct {
	entry func(i int) []byte
	left  []byte
	i     int
}

func (r *repeated) Read(p []byte) (int, error) {
	if len(r.left) == 0 {
		r.left = r.entry(r.i)
		r.i++
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

// noEnd is an archive without its end.
func noEnd(entries ...entry) []byte {
	data := archive(entries...)
	return data[:len(data)-1024]
}

// extended is an extended header with records, for one entry or for all (pax(1)).
func extended(kind byte, records ...string) []byte {
	var text strings.Builder
	for _, r := range records {
		n := len(r) + len("  \n")
		for n != len(r)+len(" \n")+len(fmt.Sprint(n)) {
			n++
		}
		fmt.Fprintf(&text, "%d %s\n", n, r)
	}
	h := header(kind, int64(text.Len()))[:512]
	return append(append(h, text.String()...), make([]byte, -text.Len()&511)...)
}

// sparse is a file of zeros but for its first byte, in GNU's format 0.1.
func sparse(name string, size int64) []byte {
	return append(extended(tar.TypeXHeader, "GNU.sparse.size="+fmt.Sprint(size), "GNU.sparse.numblocks=1", "GNU.sparse.map=0,1"), noEnd(reg(name, "x"))...)
}

// usedBytes is what a tree takes on disk.
func usedBytes(t *testing.T, dir string) (n int64) {
	t.Helper()
	filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if info, err := d.Info(); err == nil {
			n += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return nil
	})
	return n
}

// An archive that has no end, or grows beyond all bounds, is given up on with an error
// that says where, in a bounded memory and with a bounded use of the disk.
func TestBombs(t *testing.T) {
	const mebibyte = 1 << 20
	options := Options{MaxEntries: 5000, MaxBytes: 32 * mebibyte, MaxFile: 16 * mebibyte}
	endless := func(entry func(i int) []byte) func() io.Reader {
		return func() io.Reader { return &repeated{entry: entry} }
	}
	whole := func(data []byte) func() io.Reader { return func() io.Reader { return bytes.NewReader(data) } }
	global := extended(tar.TypeXGlobalHeader, "comment="+strings.Repeat("x", 4000))
	for _, bomb := range []struct {
		name    string
		archive func() io.Reader
		says    string
	}{
		{"files", endless(func(i int) []byte { return noEnd(reg(fmt.Sprint("d/f", i), "")) }), "is one of more than 5000 entries"},
		{"links", endless(func(i int) []byte { return noEnd(link(fmt.Sprint("l", i), "x")) }), "is one of more than"},
		{"folders", endless(func(i int) []byte { return noEnd(dir(fmt.Sprint("d", i))) }), "is one of more than"},
		{"folders that are not listed", endless(func(i int) []byte { return noEnd(reg(fmt.Sprintf("%d/b/c/d/e/f", i), "")) }), "is one of more than"},
		{"the same folder", endless(func(int) []byte { return bytes.Repeat(noEnd(dir("d")), 64) }), "too long"},
		{"content", endless(func(i int) []byte { return noEnd(reg(fmt.Sprint("f", i), strings.Repeat("x", mebibyte))) }), "brings the whole to more than"},
		{"global headers", endless(func(int) []byte { return global }), "too long"},
		{"extended headers", endless(func(int) []byte { return extended(tar.TypeXHeader, "comment="+strings.Repeat("x", 4000)) }), "too long"},
		{"an extended header without end", endless(func(int) []byte { return header(tar.TypeXHeader, 1<<40) }), "is damaged"},
		{"a long name without end", endless(func(int) []byte { return header(tar.TypeGNULongName, 1<<40) }), "is damaged"},
		{"deep folders", whole(archive(reg(strings.Repeat("d/", 200)+"f", ""))), "lies below more than 100 folders"},
		{"a sparse file of 1 TiB", whole(append(sparse("f", 1<<40), make([]byte, 1024)...)), "has 1099511627776 bytes"},
		{"a sparse file of 8 EiB", whole(append(sparse("f", 1<<62), make([]byte, 1024)...)), "has 4611686018427387904 bytes"},
		{"sparse files", endless(func(i int) []byte { return sparse(fmt.Sprint("f", i), 10*mebibyte) }), "brings the whole to more than"},
	} {
		t.Run(bomb.name, func(t *testing.T) {
			got := testenv.Memory(t, func() error {
				dir := t.TempDir()
				err := explode(dir, bomb.archive(), options, bomb.says)
				if used := usedBytes(t, dir); err == nil && used > 200*mebibyte {
					err = fmt.Errorf("it took %d MiB of the disk", used/mebibyte)
				}
				return err
			})
			if got > 200*mebibyte {
				t.Errorf("it took %d MiB of memory", got/mebibyte)
			}
		})
	}
}

// header is that of an entry of some type and size.
func header(kind byte, size int64) []byte {
	h := noEnd(entry{kind: tar.TypeReg, name: "h", size: size})[:512]
	h[156] = kind
	copy(h[148:], "        ")
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return append(h, make([]byte, min(size, 1024))...)
}

// explode unpacks an archive and wants it to be refused.
func explode(dir string, data io.Reader, o Options, says string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	bad := (*FormatError)(nil)
	if err := Extract(context.Background(), data, root, o); !errors.As(err, &bad) || !strings.Contains(err.Error(), says) {
		return fmt.Errorf("Extract = %v; want a *FormatError with %q", err, says)
	}
	return nil
}
