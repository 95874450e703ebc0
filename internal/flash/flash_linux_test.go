package flash

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"

	"nixsd-native/internal/cardtest"
	"nixsd-native/internal/testenv"
)

// TestMain lets the test binary be the process behind a card.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == cardtest.Arg0 {
		os.Exit(cardtest.Main(os.Args[1:]))
	}
	os.Exit(m.Run())
}

const mib = 1 << 20

// cardSize is no multiple of a power of two, as real ones are not.
const cardSize = 75*mib + 5*512

// imageSize is no multiple of a chunk, nor of a block.
const imageSize = 41*mib + 3*512

// content is an image with data of all kinds: long, short, single bytes in zeros, holes
// that are longer than a chunk, and something at its end.
func content() []byte {
	c := rand.NewChaCha8([32]byte{1})
	data := make([]byte, imageSize)
	for _, r := range [][2]int{{0, 3 * mib}, {5*mib + 100, 5*mib + 7000}, {8 * mib, 21 * mib}, {23 * mib, 23*mib + 1}, {33 * mib, 34*mib + 17}, {imageSize - 700, imageSize}} {
		c.Read(data[r[0]:r[1]])
	}
	return data
}

// imageFile writes an image with its holes, or packed.
func imageFile(t *testing.T, data []byte, packed bool) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "image"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if packed {
		z, err := zstd.NewWriter(f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := z.Write(data); err != nil || z.Close() != nil {
			t.Fatal(err)
		}
		return f
	}
	for at := 0; at < len(data); at += blockSize {
		part := data[at:min(at+blockSize, len(data))]
		if !bytes.Equal(part, zeroChunk[:len(part)]) {
			if _, err := f.WriteAt(part, int64(at)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := f.Truncate(int64(len(data))); err != nil {
		t.Fatal(err)
	}
	return f
}

func openImage(t *testing.T, f *os.File) *Image {
	t.Helper()
	im, err := OpenImage(f)
	if err != nil {
		t.Fatal(err)
	}
	return im
}

// startCard makes a card, opens it, and returns what it really holds, too.
func startCard(t *testing.T, s cardtest.Spec) (card *Card, memory *os.File) {
	t.Helper()
	testenv.NeedRoot(t)
	c, err := cardtest.Start(s)
	testenv.Need(t, "loop device on FUSE", err)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	f, err := os.OpenFile(c.Device, os.O_RDWR|syscall.O_EXCL, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if card, err = OpenCard(f); err != nil {
		t.Fatal(err)
	}
	if memory, err = os.Open(c.MemoryFile()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { memory.Close() })
	return card, memory
}

func readAll(t *testing.T, f io.ReaderAt, n int64) []byte {
	t.Helper()
	data := make([]byte, n)
	if _, err := f.ReadAt(data, 0); err != nil {
		t.Fatal(err)
	}
	return data
}

// mustHold checks a card's memory against an image; behind it no tag may be left.
func mustHold(t *testing.T, memory io.ReaderAt, size int64, want []byte) {
	t.Helper()
	got := readAll(t, memory, size)
	if i := firstDifference(got[:len(want)], want); i >= 0 {
		t.Errorf("the card differs from the image at byte %d", i)
	}
	if bytes.Contains(got[len(want):], []byte("nixsd-native")) {
		t.Error("a tag was left behind the image")
	}
	if end := got[size-endSize:]; !bytes.Equal(end, zeroChunk[:endSize]) {
		t.Error("the card's end was not wiped")
	}
}

// What an image holds is on the card, all of it, whether or not the card can discard,
// whatever it held before, and whether or not the image is packed.
func TestWrite(t *testing.T) {
	want := content()
	sum := sha256.Sum256(want)
	for _, tt := range []struct {
		name   string
		spec   cardtest.Spec
		packed bool
		most   int64 // bytes written
	}{
		{"discarding", cardtest.Spec{Size: cardSize, Stale: true}, false, 18 * mib},
		{"discarding, packed", cardtest.Spec{Size: cardSize, Stale: true}, true, 18 * mib},
		{"stale", cardtest.Spec{Size: cardSize, Stale: true, NoDiscard: true}, false, imageSize + 12*mib},
		{"stale, packed", cardtest.Spec{Size: cardSize, Stale: true, NoDiscard: true}, true, imageSize + 12*mib},
		{"discards, and keeps", cardtest.Spec{Size: cardSize, Stale: true, Keeps: true}, false, imageSize + 12*mib},
		{"new", cardtest.Spec{Size: cardSize, NoDiscard: true}, false, 18 * mib},
		{"exactly as large", cardtest.Spec{Size: imageSize, Stale: true}, false, 18 * mib},
	} {
		t.Run(tt.name, func(t *testing.T) {
			card, memory := startCard(t, tt.spec)
			im := openImage(t, imageFile(t, want, tt.packed))
			im.Need(imageSize - mib) // as a partition table may tell
			if !tt.packed {
				im.Expect(hex.EncodeToString(sum[:]), sha256.New())
			}
			var last [3]int64
			r, err := Write(t.Context(), card, im, func(written, checked, total int64) {
				if written < last[0] || checked > written {
					t.Errorf("progress went from %d to %d, %d", last, written, checked)
				}
				last = [3]int64{written, checked, total}
			})
			if err != nil || r.State != Complete || r.Image != imageSize || !r.Direct || r.Cleared == (tt.spec.Stale && (tt.spec.NoDiscard || tt.spec.Keeps)) {
				t.Fatalf("Write() = %+v, %v", r, err)
			}
			if r.Written > tt.most || r.Checked != imageSize {
				t.Errorf("%d bytes were written and %d checked; want at most %d, and all of the image", r.Written, r.Checked, tt.most)
			}
			if last[0] != last[1] || !tt.packed && last[0] != last[2] {
				t.Errorf("progress ended with %d", last)
			}
			if tt.spec.Size == imageSize {
				if i := firstDifference(readAll(t, memory, imageSize), want); i >= 0 {
					t.Errorf("the card differs from the image at byte %d", i)
				}
				return
			}
			mustHold(t, memory, tt.spec.Size, want)
		})
	}
}

// A card that fails or lies is found out, wherever it does, and is left without a
// partition table.
func TestBadCards(t *testing.T) {
	want := content()
	lost := func(at int64) func(error) bool {
		return func(err error) bool {
			var l *LostError
			return errors.As(err, &l) && (at == 0 || !l.Late && l.At >= at && l.At < at+blockSize)
		}
	}
	access := func(op string) func(error) bool {
		return func(err error) bool {
			var a *AccessError
			return errors.As(err, &a) && a.Op == op && errors.Is(err, syscall.EIO)
		}
	}
	for _, tt := range []struct {
		name string
		spec cardtest.Spec
		want func(error) bool
		most int64 // bytes that were written until then
	}{
		{"write fails", cardtest.Spec{FailWriteAt: 10 * mib}, access("write"), 20 * mib},
		{"read fails", cardtest.Spec{FailReadAt: 20 * mib}, access("read"), 20 * mib},
		{"a block is dropped", cardtest.Spec{LoseAt: 12 * mib}, lost(12 * mib), 20 * mib},
		{"the image's last block is dropped", cardtest.Spec{LoseAt: 41 * mib}, lost(41 * mib), 20 * mib},
		{"a stale block stays", cardtest.Spec{LoseAt: 30 * mib, Stale: true, NoDiscard: true}, lost(30 * mib), imageSize},
		{"drops behind 40 MiB", cardtest.Spec{Real: 40 * mib, Drop: true}, lost(0), 0},
		{"drops behind 16 MiB", cardtest.Spec{Real: 16 * mib, Drop: true}, lost(0), 0},
		{"wraps at 64 MiB, behind the image", cardtest.Spec{Real: 64 * mib}, lost(0), 0},
		{"wraps at 16 MiB, within the image", cardtest.Spec{Real: 16 * mib}, lost(0), 0},
		{"wraps at 8 MiB, cannot discard", cardtest.Spec{Real: 8 * mib, Stale: true, NoDiscard: true}, lost(0), 0},
		{"wraps where no power of two is", cardtest.Spec{Real: 20 * mib}, lost(0), imageSize + 12*mib},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.spec.Size = cardSize
			card, _ := startCard(t, tt.spec)
			r, err := Write(t.Context(), card, openImage(t, imageFile(t, want, false)), nil)
			if !tt.want(err) || r.State != Unbootable || r.Written > tt.most {
				t.Fatalf("Write() = %+v, %v", r, err)
			}
			first := make([]byte, blockSize)
			if err := card.read(memoryOf(t, first), 0); err != nil {
				t.Fatal(err)
			}
			if first[510] == want[510] && first[511] == want[511] {
				t.Error("the card has a partition table")
			}
		})
	}
}

// memoryOf returns memory for direct input.
func memoryOf(t *testing.T, data []byte) []byte {
	t.Helper()
	buf, free, err := alignedBuffer(len(data))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { copy(data, buf); free() })
	return buf
}

// A card whose memory wraps within an image that leaves no room behind it for tags is found
// out by the image's own blocks.
func TestWrapsWithoutTags(t *testing.T) {
	data := make([]byte, 32*mib)
	rand.NewChaCha8([32]byte{2}).Read(data[:31*mib])
	for _, real := range []int64{16 * mib, 8 * mib, 4 * mib} {
		card, _ := startCard(t, cardtest.Spec{Size: int64(len(data)), Real: real})
		r, err := Write(t.Context(), card, openImage(t, imageFile(t, data, false)), nil)
		var l *LostError
		if !errors.As(err, &l) || r.State != Unbootable {
			t.Errorf("Write() to a card of %d bytes = %+v, %v", real, r, err)
		}
	}
}

// An interrupted card has no partition table, and the cause comes through.
func TestInterrupted(t *testing.T) {
	card, memory := startCard(t, cardtest.Spec{Size: cardSize, Stale: true})
	stop := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	r, err := Write(ctx, card, openImage(t, imageFile(t, content(), false)), func(written, _, _ int64) {
		if written > 6*mib {
			cancel(stop)
		}
	})
	if err != stop || r.State != Unbootable || r.Written == 0 || r.Written > 18*mib {
		t.Errorf("Write() = %+v, %v", r, err)
	}
	if head := readAll(t, memory, blockSize); !strings.HasPrefix(string(head), "nixsd-native has not written this card to the end") || head[510] != 0 {
		t.Errorf("an interrupted card begins with %q", head[:64])
	}
}

// An image that does not fit is refused, before anything is written if that can be known.
func TestTooLarge(t *testing.T) {
	data := content()
	for _, packed := range []bool{false, true} {
		card, memory := startCard(t, cardtest.Spec{Size: 40 * mib, Stale: true})
		r, err := Write(t.Context(), card, openImage(t, imageFile(t, data, packed)), nil)
		var s *SizeError
		if !errors.As(err, &s) || s.Card != 40*mib || s.Image <= s.Card {
			t.Errorf("Write() = %+v, %v", r, err)
		}
		untouched := readAll(t, memory, 1)[0] == 0xa5
		if untouched == packed || (r.State == Untouched) == packed {
			t.Errorf("packed %v: the card is untouched: %v; the result is %+v", packed, untouched, r)
		}
	}
}
