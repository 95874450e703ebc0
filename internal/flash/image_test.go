package flash

import (
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Cards in these tests are files.
func fileCard(t *testing.T, size int64) *Card {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "card"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	c, err := OpenCard(f)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// An image that is broken or not what it should be leaves no partition table.
func TestBadImages(t *testing.T) {
	data := content()
	for name, break_ := range map[string]func(*os.File) (sum string){
		"packed, cut off": func(f *os.File) string { f.Truncate(9 * mib); return "" },
		"packed, changed": func(f *os.File) string { f.WriteAt([]byte("changed"), 10*mib); return "" },
		"packed, longer":  func(f *os.File) string { f.Seek(0, 2); f.WriteString("more"); return "" },
		"packed, another": func(*os.File) string { return strings.Repeat("0", 64) },
		"another":         func(*os.File) string { return strings.Repeat("0", 64) },
	} {
		t.Run(name, func(t *testing.T) {
			card := fileCard(t, cardSize)
			f := imageFile(t, data, strings.HasPrefix(name, "packed"))
			sum := break_(f)
			im := openImage(t, f)
			if sum != "" {
				im.Expect(sum, sha256.New())
			}
			r, err := Write(t.Context(), card, im, nil)
			var bad *ImageError
			if !errors.As(err, &bad) || r.State != Unbootable {
				t.Errorf("Write() = %+v, %v", r, err)
			}
			if head := readAll(t, card.file, blockSize); head[510] != 0 || head[511] != 0 {
				t.Error("the card has a partition table")
			}
		})
	}
}

// A raw image becomes shorter while it is written: within a chunk, or by whole ones.
func TestShrinkingImage(t *testing.T) {
	for _, size := range []int64{10*mib - 1, 10 * mib, 12 * mib} {
		card := fileCard(t, cardSize)
		f := imageFile(t, content(), false)
		im := openImage(t, f)
		if err := f.Truncate(size); err != nil {
			t.Fatal(err)
		}
		r, err := Write(t.Context(), card, im, nil)
		var bad *ImageError
		if !errors.As(err, &bad) || r.State == Complete {
			t.Errorf("truncated to %d: Write() = %+v, %v", size, r, err)
		}
	}
}

func TestOpenImage(t *testing.T) {
	for text, unpack := range map[string]string{
		"":                           "",
		"\xfd7zXZ\x00...":            "xz -dk",
		"\x1f\x8b\x08":               "gzip -dk",
		"BZh91AY":                    "bzip2 -dk",
		"PK\x03\x04":                 "unzip",
		"7z\xbc\xaf\x27\x1c":         "7z x",
		"\x04\x22\x4d\x18 and so on": "lz4 -dk",
	} {
		name := filepath.Join(t.TempDir(), "image")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var fe *FormatError
		if _, err := OpenImage(f); !errors.As(err, &fe) || fe.Unpack != unpack {
			t.Errorf("OpenImage(%q) = %v; want a *FormatError that says %q", text, err, unpack)
		}
	}
}

func TestRuns(t *testing.T) {
	buf := make([]byte, 5*unitSize+100)
	buf[0], buf[unitSize], buf[3*unitSize-1], buf[len(buf)-1] = 1, 1, 1, 1
	got := runs(buf)
	if len(got) != 2 || got[0] != [2]int{0, 3 * unitSize} || got[1] != [2]int{5 * unitSize, len(buf)} {
		t.Errorf("runs() = %v", got)
	}
	if got := runs(buf[3*unitSize : 5*unitSize]); got != nil {
		t.Errorf("runs(zeros) = %v", got)
	}
}

func TestTagPlaces(t *testing.T) {
	for _, tt := range []struct {
		end, size int64
		want      []int64
	}{
		{3 * mib, 16 * mib, []int64{0, 4 * mib, 8 * mib, 16*mib - blockSize}},
		{16 * mib, 16 * mib, []int64{0}},
		{8 * mib, 8*mib + blockSize, []int64{0, 8 * mib}},
		{8*mib - blockSize, 8*mib + 512, []int64{0, 8*mib - blockSize}},
	} {
		got := tagPlaces(tt.end, tt.size)
		if len(got) != len(tt.want) {
			t.Fatalf("tagPlaces(%d, %d) = %d; want %d", tt.end, tt.size, got, tt.want)
		}
		for i := range got {
			if got[i] != tt.want[i] {
				t.Errorf("tagPlaces(%d, %d) = %d; want %d", tt.end, tt.size, got, tt.want)
			}
		}
	}
}
