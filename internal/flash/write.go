package flash

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
)

const (
	// blockSize is what is looked at, tagged, and held back at the beginning, in bytes.
	blockSize = 4096
	// chunkSize is what is written at once, in bytes: a part of the allocation unit of SD
	// cards (Physical Layer Simplified Specification, 4.13.1.8: 4 MiB for most) that is large
	// enough for the kernel to make several requests of it, and small enough for the checks
	// that are left behind the last write to be soon done.
	chunkSize = 2 << 20
	// unitSize is the shortest run of zeros that is left out of a write, in bytes: a
	// page of flash memory. Shorter ones cost more in commands than in bytes.
	unitSize = 16 << 10
	// endSize is what is wiped at the end, in bytes: there lie the second GPT and the
	// labels of RAIDs and pools that the card was part of.
	endSize = 1 << 20
)

// zeroChunk is a chunk of zeros.
var zeroChunk = make([]byte, chunkSize)

// A State is what a card is in when Write returns.
type State int

const (
	Untouched  State = iota // nothing was written
	Unbootable              // no partition table; parts of the image, perhaps
	Complete                // all of the image, read back
)

// A Result tells what Write did.
type Result struct {
	State   State
	Image   int64 // bytes of the image, holes included
	Written int64 // bytes that were sent to the card
	Checked int64 // bytes of them that were read back and were right
	Direct  bool  // past the page cache
	Cleared bool  // the card was zeros wherever nothing was written
}

// Progress is told how many bytes of the image's data are written and checked. total is
// 0 if it is not known.
type Progress func(written, checked, total int64)

// A writing is one image on its way to one card.
type writing struct {
	card     *Card
	image    *Image
	progress Progress
	total    int64
	holes    []hole
	first    []byte // the image's first block
	scratch  []byte // a chunk
	zeros    []byte // a chunk, in memory for direct output
	tags     []tag
	look     look
	size     int64 // of the image, in the end

	cleared                  atomic.Bool  // as far as is known
	written, checked         atomic.Int64 // of data
	bytesSent, bytesCompared atomic.Int64
}

// Write writes an image to a card and reads it back. The errors are *ImageError,
// *SizeError, *AccessError, *LostError, and the context's cause.
func Write(ctx context.Context, card *Card, image *Image, progress Progress) (Result, error) {
	w := &writing{card: card, image: image, progress: progress}
	r := Result{}
	if image.Size > card.Size || card.Size < 2*blockSize {
		return r, &SizeError{Image: image.Size, Card: card.Size}
	}
	var err error
	if w.total, w.holes, err = image.plan(); err != nil {
		return r, err
	}
	buf, free, err := alignedBuffer(2*chunkSize + blockSize)
	if err != nil {
		return r, err
	}
	defer free()
	w.scratch, w.zeros, w.first = buf[:chunkSize], buf[chunkSize:2*chunkSize], buf[2*chunkSize:]
	card.pass()
	r.State = Unbootable // even a write that fails may have been done
	err = w.refusal(w.run(ctx))
	r.Image, r.Written, r.Checked = w.size, w.bytesSent.Load(), w.bytesCompared.Load()
	r.Direct, r.Cleared = card.direct, w.cleared.Load()
	if err == nil {
		r.State = Complete
	}
	return r, err
}

// refusal tells a card that refused a write, of which its driver said nothing, from one
// that took the write and lost it: it writes there again what is there.
func (w *writing) refusal(err error) error {
	var lost *LostError
	if !errors.As(err, &lost) || lost.Late {
		return err
	}
	at, block := roundDown(lost.At, blockSize), w.scratch[:blockSize]
	for _, step := range []func() error{
		func() error { return w.card.read(block, at) },
		func() error { return w.card.write(block, at) },
		w.card.flush,
	} {
		if refused := step(); refused != nil {
			return refused
		}
	}
	return err
}

func (w *writing) run(ctx context.Context) error {
	if err := w.wipe(ctx); err != nil {
		return err
	}
	if err := w.placeTags(); err != nil {
		return err
	}
	if err := w.stream(ctx); err != nil {
		return err
	}
	if err := w.image.checkSum(); err != nil {
		return err
	}
	if err := w.lookAgain(ctx); err != nil {
		return err
	}
	return w.finish()
}

// wipe takes the partition table away, first of all, and what else tells of earlier uses.
// The flush is that of the tags, of which one stands for the table: nothing of the image is
// written before.
func (w *writing) wipe(ctx context.Context) error {
	if err := w.writeZeros(0, blockSize); err != nil {
		return err
	}
	done, err := w.card.discard(ctx)
	if err != nil {
		return err
	}
	from := max(w.imageEnd(), roundDown(w.card.Size-endSize, blockSize))
	if err := w.makeZero(ctx, w.scratch, from, w.card.Size); err != nil {
		return err
	}
	w.cleared.Store(done)
	w.bytesSent.Store(0) // the image's alone are counted
	w.bytesCompared.Store(0)
	return nil
}

// imageEnd is where the image ends, at least, rounded up to blocks within the card.
func (w *writing) imageEnd() int64 {
	return min(roundUp(max(w.image.Size, w.size, blockSize), blockSize), w.card.Size)
}

func roundUp(n, to int64) int64   { return (n + to - 1) / to * to }
func roundDown(n, to int64) int64 { return max(n, 0) / to * to }

func (w *writing) writeZeros(from, to int64) error {
	for at := from; at < to; {
		n := min(chunkSize, to-at)
		if err := w.card.write(w.zeros[:n], at); err != nil {
			return err
		}
		at += n
	}
	return nil
}

// makeZero sees to it that a part of the card reads as zeros. buf is for a chunk.
func (w *writing) makeZero(ctx context.Context, buf []byte, from, to int64) error {
	for at := from; at < to; {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		n := min(chunkSize-at%chunkSize, to-at)
		if err := w.card.read(buf[:n], at); err != nil {
			return err
		}
		if bytes.Equal(buf[:n], zeroChunk[:n]) {
			w.bytesCompared.Add(n)
		} else {
			w.cleared.Store(false)
			if err := w.writeZeros(at, at+n); err != nil {
				return err
			}
			w.bytesSent.Add(n)
			if err := w.compare(buf[:n], zeroChunk[:n], at); err != nil {
				return err
			}
		}
		at += n
	}
	return nil
}

// compare reads a part of the card into buf and compares it.
func (w *writing) compare(buf, want []byte, at int64) error {
	if err := w.card.read(buf, at); err != nil {
		return err
	}
	if i := firstDifference(buf, want); i >= 0 {
		return &LostError{At: at + int64(i)}
	}
	w.bytesCompared.Add(int64(len(buf)))
	return nil
}

func firstDifference(a, b []byte) int {
	if bytes.Equal(a, b) {
		return -1
	}
	i := 0
	for a[i] == b[i] {
		i++
	}
	return i
}

// finish writes the first block, which makes the card one that boots.
func (w *writing) finish() error {
	if err := w.card.flush(); err != nil {
		return err
	}
	if err := w.card.write(w.first, 0); err != nil {
		return err
	}
	w.bytesSent.Add(blockSize)
	if err := w.card.flush(); err != nil {
		return err
	}
	return w.compare(w.scratch[:blockSize], w.first, 0)
}
