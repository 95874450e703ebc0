package inspect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// extentNode is a block of an ext4 extent tree whose children are such blocks
// (the kernel's Documentation/filesystems/ext4/ifork.rst).
func extentNode(children int, child uint32) []byte {
	b := binary.LittleEndian.AppendUint16(nil, 0xf30a)
	for _, n := range []uint16{uint16(children), 84, 1, 0, 0} { // of 84 there is room for; depth 1
		b = binary.LittleEndian.AppendUint16(b, n)
	}
	for i := range children {
		b = binary.LittleEndian.AppendUint32(b, uint32(i))
		b = binary.LittleEndian.AppendUint32(b, child)
		b = binary.LittleEndian.AppendUint32(b, 0)
	}
	return b
}

// withTree makes an image whose root folder has an extent tree of so many levels with so
// many children each; the last level points to itself.
func withTree(t *testing.T, levels, children int) *os.File {
	t.Helper()
	const block, base = 1024, 8000 // near the end of the file system, where nothing is
	f := nixOS().make(t)
	for l := range levels {
		child := uint32(base + min(l+1, levels-1))
		if _, err := f.WriteAt(extentNode(children, child), extStart+(base+int64(l))*block); err != nil {
			t.Fatal(err)
		}
	}
	var script strings.Builder
	for i, word := range []uint32{0x0001f30a, 0x00010004, 0, 0, base, 0} { // one child, depth 1
		fmt.Fprintf(&script, "set_inode_field <2> block[%d] %d\n", i, word)
	}
	run(t, "debugfs", script.String(), "-w", "-f", "-", fmt.Sprintf("%s?offset=%d", f.Name(), extStart))
	return f
}

// Extents that lead to themselves, or to each other in more ways than can be gone, end the
// reading, not the program.
func TestEndlessExtents(t *testing.T) {
	for name, f := range map[string]*os.File{"loop": withTree(t, 1, 1), "thicket": withTree(t, 8, 80)} {
		began := time.Now()
		r, err := Read(f, extStart+extSize)
		if err != nil || !strings.Contains(strings.Join(r.Warnings, "\n"), "takes too much") {
			t.Errorf("%s: %+v, %v; want a warning that it takes too much", name, r, err)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
	}
}

// A partition table is refused that says it has more entries than memory has room for,
// the copy at the end, too.
func TestManyEntries(t *testing.T) {
	header := make([]byte, sector)
	copy(header, "EFI PART")
	binary.LittleEndian.PutUint32(header[80:], 1<<31)
	binary.LittleEndian.PutUint32(header[84:], 128)
	const size = 1 << 20
	for at, size := range map[int64]int64{sector: size, size - sector: size, size - 2*sector: size - 1} {
		data := make([]byte, size)
		copy(data[at:], header)
		_, err := Partitions(fileOf(t, data), size)
		if not := (*NotImageError)(nil); !errors.As(err, &not) || !strings.Contains(not.Reason, "2147483648 entries") {
			t.Errorf("at %d: %v", at, err)
		}
	}
}

// Files of a FAT that never end are found before anybody follows them.
func TestFATLoops(t *testing.T) {
	for _, tt := range []struct {
		name  string
		table fatTable
		want  bool
	}{
		{"12 bits, 2 to 3 to 2", fatTable{[]byte{0xf8, 0xff, 0xff, 0x03, 0x20, 0x00}, 12, 2}, true},
		{"12 bits, 2 to 3", fatTable{[]byte{0xf8, 0xff, 0xff, 0x03, 0xf0, 0xff}, 12, 2}, false},
		{"16 bits, 3 to itself", fatTable{[]byte{0xf8, 0xff, 0xff, 0xff, 0, 0, 3, 0}, 16, 2}, true},
		{"16 bits, two files that end in the same cluster", fatTable{[]byte{0xf8, 0xff, 0xff, 0xff, 4, 0, 4, 0, 0xff, 0xff}, 16, 3}, false},
		{"32 bits, from outside into a loop", fatTable{[]byte{0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0x10}, 32, 3}, true},
		{"shorter than its clusters", fatTable{[]byte{0, 0, 0, 0, 3, 0}, 16, 9}, false},
	} {
		if got := tt.table.loops(); got != tt.want {
			t.Errorf("%s: %v; want %v", tt.name, got, tt.want)
		}
	}
	f := nixOS().make(t)
	head := make([]byte, sector)
	if _, err := f.ReadAt(head, fatStart); err != nil {
		t.Fatal(err)
	}
	table := fatStart + int64(binary.LittleEndian.Uint16(head[14:]))*sector
	if _, err := f.WriteAt([]byte{0x03, 0x20, 0x00}, table+3); err != nil {
		t.Fatal(err)
	}
	r, err := Read(f, extStart+extSize)
	if err != nil || r.Partitions[0].Volume.Clean {
		t.Errorf("%+v, %v; want a FAT that has errors", r, err)
	}
}

// Whatever stands in an image, reading it ends, with a report or an error.
func FuzzRead(f *testing.F) {
	image := nixOS().make(f)
	f.Add(uint32(446), []byte{0x80})                                      // partition table
	f.Add(uint32(512), []byte("EFI PART"))                                // header of a GPT
	f.Add(uint32(fatStart+11), []byte{0, 2, 8})                           // boot sector of the FAT
	f.Add(uint32(extStart+1024), []byte{0xff, 0xff, 0xff, 0xff})          // superblock
	f.Add(uint32(extStart+2048), []byte{1, 0, 0, 0})                      // group descriptors
	f.Add(uint32(extStart+256<<10), []byte{0x0a, 0xf3, 1, 0, 4, 0, 1, 0}) // a node of extents
	f.Fuzz(func(t *testing.T, at uint32, patch []byte) {
		at %= extStart + extSize
		patch = patch[:min(len(patch), 4096, int(extStart+extSize-at))]
		was := make([]byte, len(patch))
		if _, err := image.ReadAt(was, int64(at)); err != nil {
			t.Fatal(err)
		}
		defer image.WriteAt(was, int64(at))
		if _, err := image.WriteAt(patch, int64(at)); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		r, err := Read(image, extStart+extSize)
		if (r == nil) == (err == nil) || time.Since(began) > 10*time.Second {
			t.Errorf("%+v, %v after %v", r, err, time.Since(began))
		}
	})
}

// A FAT as large as the image says it is gets no memory.
func TestHugeFAT(t *testing.T) {
	f := nixOS().make(t)
	const size = 1 << 40
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	u32 := binary.LittleEndian.PutUint32
	entry, head := make([]byte, 8), make([]byte, 40)
	u32(entry, fatStart/sector)
	u32(entry[4:], 1<<31-fatStart/sector)
	copy(head[11:], []byte{0, 2, 128, 32, 0, 1}) // sectors of 512 bytes, 128 a cluster, 32 reserved, one FAT
	u32(head[32:], 1<<31-1<<20)
	u32(head[36:], 1<<30)
	for at, data := range map[int64][]byte{446 + 8: entry, fatStart: head} {
		if _, err := f.WriteAt(data, at); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Read(f, size)
	if err != nil || r.Partitions[0].Volume == nil || r.Partitions[0].Volume.Clean {
		t.Errorf("%+v, %v; want a FAT that has errors", r, err)
	}
}
