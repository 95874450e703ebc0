package fetch

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// sleep waits for d or for the end of ctx, whose error it returns.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// copyBytes is io.Copy that ends with ctx.
func copyBytes(ctx context.Context, w io.Writer, r io.Reader) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{w}, ctxReader{ctx, r}, make([]byte, 256<<10))
}

type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (r ctxReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// leastBytes is what a source must bring in each StallTimeout: half a kilobyte a second,
// as a line of long ago. One that sends a byte now and then would hold a build for ever.
const leastBytes = 16 << 10

// watchdog cancels a request after a time in which too little has come. It runs only
// between arm and rest, so that a slow disk is not taken for a slow source.
type watchdog struct {
	timer *time.Timer
	limit time.Duration

	mu    sync.Mutex    // a timer that fires late meets the next bytes
	since time.Time     // arm was called
	spent time.Duration // waiting, since leastBytes came last
	bytes int
}

// newWatchdog calls bark with the reason.
func newWatchdog(limit time.Duration, bark func(stallError)) *watchdog {
	w := &watchdog{limit: limit}
	w.timer = time.AfterFunc(limit, func() {
		w.mu.Lock()
		why := stallError{limit, w.bytes, time.Since(w.since)}
		w.mu.Unlock()
		bark(why)
	})
	w.timer.Stop()
	return w
}

func (w *watchdog) arm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.since = time.Now()
	w.timer.Reset(max(0, w.limit-w.spent))
}

func (w *watchdog) rest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer.Stop() {
		w.spent += time.Since(w.since)
	}
}

// got is told of bytes that came.
func (w *watchdog) got(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.bytes += n; w.bytes >= leastBytes {
		w.bytes, w.spent = 0, 0
	}
}

// stallError is a source that has sent nothing, or next to nothing, for so long.
type stallError struct {
	limit time.Duration
	bytes int
	last  time.Duration // without any
}

func (e stallError) Error() string {
	if e.last > e.limit*9/10 {
		return fmt.Sprintf("no byte for %v", e.limit)
	}
	return fmt.Sprintf("no more than %d bytes in %v", e.bytes, e.limit)
}

// progressEvery is the shortest time between two progress calls for one file.
const progressEvery = 100 * time.Millisecond

// meter passes on how far a file is, but not for every buffer.
type meter struct {
	name  string
	show  func(name string, done, total int64)
	total int64 // bytes, 0 if unknown
	now   func() time.Time
	next  time.Time // not before
	shown int64
}

// at tells that done bytes are here.
func (m *meter) at(done int64) {
	if m.show == nil {
		return
	}
	if now := m.now(); !now.Before(m.next) {
		m.next = now.Add(progressEvery)
		m.shown = done
		m.show(m.name, done, m.total)
	}
}

// finish makes the last call, unless at has just made it.
func (m *meter) finish(done int64) {
	if m.show != nil && (m.shown != done || m.total != done) {
		m.show(m.name, done, done)
	}
}
