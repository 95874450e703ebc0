package flash

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
)

const (
	// lag is how many chunks the check stays behind the writes, so that no buffer of
	// the card or its reader answers for its memory.
	lag = 2
	// buffers of a chunk each: those that lag, and some for each of the three.
	buffers = lag + 6
)

// A chunk is a part of the image. One without a buffer is a hole.
type chunk struct {
	at, n int64
	buf   []byte
	runs  [][2]int // of buf, in order: what is written
	data  int64    // bytes that progress counts
}

// stream writes all but the first block, and compares.
func (w *writing) stream(ctx context.Context) error {
	memory, free, err := alignedBuffer(chunkSize * (buffers + 2))
	if err != nil {
		return err
	}
	defer free()
	spare := make(chan []byte, buffers)
	for i := range buffers {
		spare <- memory[i*chunkSize:][:chunkSize:chunkSize]
	}
	own, more := memory[buffers*chunkSize:][:chunkSize], memory[(buffers+1)*chunkSize:]
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	read, written := make(chan chunk), make(chan chunk)
	var all sync.WaitGroup
	part := func(do func() error) {
		all.Go(func() {
			if err := do(); err != nil {
				cancel(err)
			}
		})
	}
	part(func() error { defer close(read); return w.readChunks(ctx, spare, read) })
	part(func() error { defer close(written); return w.writeChunks(ctx, read, written) })
	part(func() error { return w.checkChunks(ctx, written, spare, own) })
	part(func() error { return w.checkHoles(ctx, more) })
	all.Wait()
	return context.Cause(ctx)
}

// readChunks reads the image.
func (w *writing) readChunks(ctx context.Context, spare <-chan []byte, to chan<- chunk) error {
	s, err := w.image.source(w.image.hash)
	if err != nil {
		return err
	}
	defer s.close()
	for at := int64(0); ; {
		var buf []byte
		select {
		case buf = <-spare:
		case <-ctx.Done():
			return nil
		}
		data, zeros, err := s.next(ctx, buf)
		for err == nil && zeros > 0 {
			w.look.add(chunk{at: at, n: roundUp(zeros, w.card.Sector)})
			at += zeros
			data, zeros, err = s.next(ctx, buf)
		}
		if err == io.EOF {
			w.size = at
			return nil
		}
		if err != nil {
			return err
		}
		c := w.newChunk(at, buf, len(data))
		at += int64(len(data))
		if err := w.pass(ctx, to, c); err != nil {
			return err
		}
	}
}

// pass hands a chunk on, unless the card ends before.
func (w *writing) pass(ctx context.Context, to chan<- chunk, c chunk) error {
	if c.at+c.n > w.card.Size {
		return &SizeError{Image: c.at + c.n, Card: w.card.Size, More: true}
	}
	w.look.add(c)
	select {
	case to <- c:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// newChunk fills the last sector up and decides what of the chunk is written. Where the
// card need not be zeros that is all, if there is anything but zeros.
func (w *writing) newChunk(at int64, buf []byte, length int) chunk {
	n := int(roundUp(int64(length), w.card.Sector))
	clear(buf[length:n])
	c := chunk{at: at, n: int64(n), buf: buf, runs: runs(buf[:n]), data: int64(length)}
	if !w.cleared.Load() && len(c.runs) > 0 {
		c.runs = [][2]int{{0, n}}
	}
	if at > 0 {
		return c
	}
	copy(w.first, buf[:min(n, blockSize)])
	switch {
	case n <= blockSize:
		c.runs = nil
	case len(c.runs) > 0 && c.runs[0][0] == 0:
		c.runs[0][0] = blockSize
	}
	return c
}

// runs returns where buf has units that are not all zeros.
func runs(buf []byte) (all [][2]int) {
	for at := 0; at < len(buf); at += unitSize {
		end := min(at+unitSize, len(buf))
		switch last := len(all) - 1; {
		case bytes.Equal(buf[at:end], zeroChunk[:end-at]):
		case last >= 0 && all[last][1] == at:
			all[last][1] = end
		default:
			all = append(all, [2]int{at, end})
		}
	}
	return all
}

// writeChunks writes what it gets, and flushes while the last of it is checked.
func (w *writing) writeChunks(ctx context.Context, from <-chan chunk, to chan<- chunk) error {
	for c := range from {
		if err := w.writeChunk(ctx, c); err != nil {
			return err
		}
		w.written.Add(c.data)
		w.report()
		select {
		case to <- c:
		case <-ctx.Done():
			return nil
		}
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return w.card.flush()
}

func (w *writing) writeChunk(ctx context.Context, c chunk) error {
	for _, r := range c.runs {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err := w.card.write(c.buf[r[0]:r[1]], c.at+int64(r[0])); err != nil {
			return err
		}
		w.bytesSent.Add(int64(r[1] - r[0]))
	}
	return nil
}

// checkChunks reads back what was written, some chunks behind.
func (w *writing) checkChunks(ctx context.Context, from <-chan chunk, spare chan<- []byte, own []byte) error {
	var waiting []chunk
	for more := true; more || len(waiting) > 0; {
		if more && len(waiting) <= lag {
			var c chunk
			if c, more = <-from; more {
				waiting = append(waiting, c)
			}
			continue
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		c := waiting[0]
		waiting = waiting[1:]
		if err := w.checkChunk(c, own); err != nil {
			return err
		}
		spare <- c.buf
		w.checked.Add(c.data)
		w.report()
	}
	return nil
}

// checkHoles sees to it that what the image has no data for is zeros. They were never
// written, so that need not wait for anything.
func (w *writing) checkHoles(ctx context.Context, own []byte) error {
	for _, h := range w.holes {
		if err := w.makeZero(ctx, own, max(h.at, blockSize), h.at+roundUp(h.n, w.card.Sector)); err != nil {
			return err
		}
	}
	return nil
}

// checkChunk compares a chunk with what the card has. Where nothing was written as the
// card should have been zeros, and is not, the chunk is written again, all of it.
func (w *writing) checkChunk(c chunk, own []byte) error {
	first := max(blockSize-c.at, 0) // that is held back
	if first >= c.n {
		return nil
	}
	got, want, at := own[:c.n-first], c.buf[first:c.n], c.at+first
	err := w.compare(got, want, at)
	var lost *LostError
	if !errors.As(err, &lost) {
		return err
	}
	for _, r := range c.runs {
		from, to := int64(r[0])-first, int64(r[1])-first
		if i := firstDifference(got[from:to], want[from:to]); i >= 0 {
			return &LostError{At: at + from + int64(i)}
		}
	}
	w.cleared.Store(false)
	if err := w.card.write(want, at); err != nil {
		return err
	}
	w.bytesSent.Add(int64(len(want)))
	return w.compare(got, want, at)
}

func (w *writing) report() {
	if w.progress != nil {
		w.progress(w.written.Load(), w.checked.Load(), w.total)
	}
}
