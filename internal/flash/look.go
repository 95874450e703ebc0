package flash

import (
	"context"
	"crypto/rand"
	"fmt"
	"hash/maphash"
	mathrand "math/rand/v2"
)

// A tag is a block of its own kind that must still be there in the end.
type tag struct {
	at   int64
	data [blockSize]byte
}

func newTag(at int64) tag {
	t := tag{at: at}
	rand.Read(t.data[:])
	copy(t.data[:], fmt.Sprintf("nixsd-native has not written this card to the end (%d)\n", at))
	clear(t.data[510:512]) // no signature of a boot sector
	return t
}

// tagPlaces returns where a card gets tags whose image ends at end: at 0, at the powers
// of two behind the image, and at its last block.
func tagPlaces(end, size int64) []int64 {
	all := []int64{0}
	for at := int64(blockSize); at+blockSize <= size; at *= 2 {
		if at >= end {
			all = append(all, at)
		}
	}
	if last := roundDown(size-blockSize, blockSize); last >= end && last > all[len(all)-1] {
		all = append(all, last)
	}
	return all
}

// placeTags writes the tags and sees whether they are there: a card that drops them, or
// has them in one place, is found out before the image is written.
func (w *writing) placeTags() error {
	for _, at := range tagPlaces(w.imageEnd(), w.card.Size) {
		t := newTag(at)
		if err := w.card.write(w.block(t.data[:]), at); err != nil {
			return err
		}
		w.tags = append(w.tags, t)
	}
	if err := w.card.flush(); err != nil {
		return err
	}
	return w.checkTags()
}

// block copies a block to where direct output can take it from.
func (w *writing) block(data []byte) []byte {
	copy(w.scratch, data)
	return w.scratch[:blockSize]
}

func (w *writing) checkTags() error {
	for _, t := range w.tags {
		if t.at != 0 && t.at < w.imageEnd() {
			continue // the image was longer than was known
		}
		if err := w.card.read(w.scratch[:blockSize], t.at); err != nil {
			return err
		}
		if i := firstDifference(w.scratch[:blockSize], t.data[:]); i >= 0 {
			return &LostError{At: t.at + int64(i), Late: true}
		}
	}
	return nil
}

// A sample is a block of the image that is looked at again in the end.
type sample struct {
	at, n int64
	sum   uint64
}

// A look collects samples.
type look struct {
	seed    maphash.Seed
	samples []sample
	power   int64 // the next power of two
}

// add takes samples of a chunk: a block of each chunkSize bytes of it, and those at powers
// of two.
func (l *look) add(c chunk) {
	if l.power == 0 {
		l.seed, l.power = maphash.MakeSeed(), blockSize
	}
	for part := int64(0); part < c.n; part += chunkSize {
		l.take(c, part+anyBlock(c, min(chunkSize, c.n-part)))
	}
	for ; l.power < c.at+c.n; l.power *= 2 {
		l.take(c, l.power-c.at)
	}
}

// anyBlock returns where a block within the first n bytes of a chunk is, in one of its
// runs if it has any.
func anyBlock(c chunk, n int64) int64 {
	from := int64(0)
	if len(c.runs) > 0 {
		r := c.runs[mathrand.IntN(len(c.runs))]
		from, n = int64(r[0]), int64(r[1])
	}
	blocks := (n - from + blockSize - 1) / blockSize
	return from + mathrand.Int64N(blocks)*blockSize
}

// take takes the block at a place in a chunk. The first one has a tag.
func (l *look) take(c chunk, at int64) {
	if c.at+at < blockSize {
		return
	}
	n := min(blockSize, c.n-at)
	data := zeroChunk[:n]
	if c.buf != nil {
		data = c.buf[at : at+n]
	}
	l.samples = append(l.samples, sample{c.at + at, n, maphash.Bytes(l.seed, data)})
}

// lookAgain sees whether tags and samples are still there when everything is written, and
// takes the tags behind the image away.
func (w *writing) lookAgain(ctx context.Context) error {
	if err := w.card.flush(); err != nil {
		return err
	}
	if err := w.checkTags(); err != nil {
		return err
	}
	for _, s := range w.look.samples {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		buf := w.scratch[:s.n]
		if err := w.card.read(buf, s.at); err != nil {
			return err
		}
		if maphash.Bytes(w.look.seed, buf) != s.sum {
			return &LostError{At: s.at, Late: true}
		}
	}
	for _, t := range w.tags {
		if t.at >= w.imageEnd() {
			if err := w.writeZeros(t.at, t.at+blockSize); err != nil {
				return err
			}
		}
	}
	return nil
}
