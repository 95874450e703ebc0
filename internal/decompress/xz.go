package decompress

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/mikelolasagasti/xz"
)

// maxParallelBlock bounds the decompressed size in bytes of a block that is held
// in memory; larger ones are decoded as a stream. xz's own default is 24 MiB.
const maxParallelBlock = 64 << 20

// maxDictionary bounds the dictionary of a file, and so a decoder's memory, in
// bytes; xz -9 uses 64 MiB.
const maxDictionary = 64 << 20

// maxParallelMemory bounds what blocks that are decoded beside each other take, in bytes:
// with dictionaries of the greatest size, 11 blocks of 24 MiB.
const maxParallelMemory = 1 << 30

// newXZ decompresses the xz file of size bytes in r with up to workers decoders.
//
// xz 5.6 and newer writes blocks of 24 MiB by default (three times the 8 MiB
// dictionary of level 6), so most tarballs of today can be decoded in parallel. A
// file of one block decodes as usual. The format is described in
// https://tukaani.org/xz/xz-file-format.txt; decoding itself is a port of XZ
// Embedded, twice as fast as the other library in use here.
func newXZ(r io.ReaderAt, size int64, workers int) (io.ReadCloser, error) {
	blocks, err := readIndex(r, size)
	if err != nil {
		return nil, err
	}
	if workers < 2 || len(blocks) < 2 || largest(blocks) > maxParallelBlock {
		zr, err := xz.NewReader(io.NewSectionReader(r, 0, size), maxDictionary)
		if err != nil {
			return nil, &FormatError{"xz: " + err.Error()}
		}
		return readAhead(&checked{zr, func() error { return nil }, "xz"}), nil
	}
	return startParallel(r, blocks, min(workers, fitting(largest(blocks)))), nil
}

// fitting returns how many blocks of a size may be decoded beside each other.
func fitting(size int64) int { return int(maxParallelMemory / (size + maxDictionary)) }

// A parallel hands out the decoded blocks in order.
type parallel struct {
	results chan chan result // one channel a block, in the file's order
	cancel  context.CancelFunc
	done    *sync.WaitGroup
	current []byte
	err     error
}

type result struct {
	data []byte
	err  error
}

func startParallel(r io.ReaderAt, blocks []block, workers int) *parallel {
	ctx, cancel := context.WithCancel(context.Background())
	p := &parallel{
		results: make(chan chan result, workers), // bounds what is decoded ahead
		cancel:  cancel,
		done:    new(sync.WaitGroup),
	}
	p.done.Go(func() {
		defer close(p.results)
		slots := make(chan struct{}, workers)
		for _, b := range blocks {
			out := make(chan result, 1)
			select {
			case p.results <- out:
			case <-ctx.Done():
				return
			}
			slots <- struct{}{}
			p.done.Go(func() {
				data, err := decode(r, b)
				out <- result{data, err}
				<-slots
			})
		}
	})
	return p
}

// readAhead decodes a stream beside whoever uses it.
func readAhead(r io.Reader) *parallel {
	ctx, cancel := context.WithCancel(context.Background())
	p := &parallel{results: make(chan chan result, 4), cancel: cancel, done: new(sync.WaitGroup)}
	p.done.Go(func() {
		defer close(p.results)
		for err := error(nil); err == nil; {
			out := make(chan result, 1)
			select {
			case p.results <- out:
			case <-ctx.Done():
				return
			}
			buf := make([]byte, 1<<20)
			var n int
			n, err = io.ReadFull(r, buf)
			if err == io.ErrUnexpectedEOF {
				err = io.EOF
			}
			out <- result{buf[:n], err}
		}
	})
	return p
}

func (p *parallel) Read(buf []byte) (int, error) {
	for len(p.current) == 0 {
		if p.err != nil {
			return 0, p.err
		}
		out, more := <-p.results
		if !more {
			p.err = io.EOF
			return 0, io.EOF
		}
		res := <-out
		p.current, p.err = res.data, res.err
	}
	n := copy(buf, p.current)
	p.current = p.current[n:]
	return n, nil
}

func (p *parallel) Close() error {
	p.cancel()
	p.current, p.err = nil, io.ErrClosedPipe
	p.done.Wait()
	return nil
}

// decode wraps one block into a stream of its own, which the library checks as
// it would the whole file.
func decode(r io.ReaderAt, b block) ([]byte, error) {
	stream := io.MultiReader(
		bytes.NewReader(streamHeader(b.flags)),
		io.NewSectionReader(r, b.offset, b.padded()),
		bytes.NewReader(streamTail(b)),
	)
	zr, err := xz.NewReader(stream, maxDictionary)
	if err != nil {
		return nil, &FormatError{"xz: " + err.Error()}
	}
	data := make([]byte, b.uncompressed)
	if _, err := io.ReadFull(zr, data); err != nil {
		return nil, &FormatError{fmt.Sprintf("xz: block at byte %d: %v", b.offset, err)}
	}
	if n, err := zr.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		return nil, &FormatError{fmt.Sprintf("xz: block at byte %d is longer than its index says", b.offset)}
	}
	return data, nil
}

func largest(blocks []block) int64 {
	var n int64
	for _, b := range blocks {
		n = max(n, b.uncompressed)
	}
	return n
}
