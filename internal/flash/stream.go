package flash

import (
	"bytes"
	"context"
	"io"
	"sync"
)

const (
	// lag is how many chunks the check stays behind the writes, so that no buffer of
	// the card or its reader answers for its memory.
	lag = 8
	// buffers of a chunk each: those that lag, and some for each of the three.
	buffers = lag + 4
)

// A chunk is a part of the image. One without a buffer is zeros.
type chunk struct {
	at, n int64
	buf   []byte
	runs  [][2]int // of buf, in order: what is written
	data  int64    // bytes that progress counts
}

// stream writes all but the first block, and compares.
func (w *writing) stream(ctx context.Context) error {
	memory, free, err := alignedBuffer(chunkSize * (buffers + 1))
	if err != nil {
		return err
	}
	defer free()
	spare := make(chan []byte, buffers)
	for i := range buffers {
		spare <- memory[i*chunkSize:][:chunkSize:chunkSize]
	}
	own := memory[buffers*chunkSize:]
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
			if err = w.pass(ctx, to, chunk{at: at, n: roundUp(zeros, w.card.Sector)}); err == nil {
				at += zeros
				data, zeros, err = s.next(ctx, buf)
			}
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
		return &SizeError{c.at + c.n, w.card.Size}
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
// card is not known to be zeros that is all, if there is anything but zeros.
func (w *writing) newChunk(at int64, buf []byte, length int) chunk {
	n := int(roundUp(int64(length), w.card.Sector))
	clear(buf[length:n])
	c := chunk{at: at, n: int64(n), buf: buf, runs: runs(buf[:n]), data: int64(length)}
	if at+int64(n) > w.zeroed && len(c.runs) > 0 {
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

// writeChunks writes what it gets.
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
	return nil
}

func (w *writing) writeChunk(ctx context.Context, c chunk) error {
	if from, to := max(c.at, w.zeroed, blockSize), c.at+c.n; len(c.runs) == 0 && from < to {
		return w.makeZero(ctx, from, to)
	}
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
			c, ok := <-from
			if more = ok; ok && c.buf != nil {
				waiting = append(waiting, c)
			}
			continue
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		c := waiting[0]
		waiting = waiting[1:]
		for _, r := range c.runs {
			if err := w.compare(own[:r[1]-r[0]], c.buf[r[0]:r[1]], c.at+int64(r[0])); err != nil {
				return err
			}
		}
		spare <- c.buf
		w.checked.Add(c.data)
		w.report()
	}
	return nil
}

func (w *writing) report() {
	if w.progress != nil {
		w.progress(w.written.Load(), w.checked.Load(), w.total)
	}
}
