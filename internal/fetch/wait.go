package fetch

import (
	"context"
	"io"
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

// watchdog cancels a request after a time without a byte. It runs only
// between arm and rest, so that a slow disk is not taken for a slow source.
type watchdog struct {
	timer *time.Timer
	limit time.Duration
}

func newWatchdog(limit time.Duration, bark func()) *watchdog {
	w := &watchdog{timer: time.AfterFunc(limit, bark), limit: limit}
	w.rest()
	return w
}

func (w *watchdog) arm()  { w.timer.Reset(w.limit) }
func (w *watchdog) rest() { w.timer.Stop() }

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
