package fetch

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// freshBytes is how much an attempt must bring for the count of attempts to
// start anew: a large file over a bad line is worth more than four.
const freshBytes = 1 << 20

// transfer brings one body into a sink from the first source that has it.
type transfer struct {
	name  string
	urls  []string
	want  string // sha256, empty if not known
	sink  *sink
	meter *meter

	silent    *SilentHosts
	http      *http.Client
	agent     string
	attempts  int
	backoff   time.Duration
	stall     time.Duration
	report    func(Event)
	finalURL  string // of the last answer with a body
	resumed   bool   // the sink's bytes come from more than one answer
	noRange   bool   // this source must not be asked for a part
	etag      string // of this source's body, for one whose hash is not known
	answered  bool   // this source said something
	expecting int64  // bytes of the whole body as announced, -1 if not
}

// verdict says what a failure means for the rest of the transfer.
type verdict int

const (
	retry   verdict = iota // same source, after a pause
	restart                // same source, at once, from the first byte and without Range
	giveUp                 // next source
	wrong                  // next source; this one has another file
	stop                   // no source can help
)

// failure is why an attempt did not work.
type failure struct {
	verdict verdict
	err     error
	after   time.Duration // what the source asks to wait, 0 for the usual
}

func failf(v verdict, format string, args ...any) *failure {
	return &failure{verdict: v, err: fmt.Errorf(format, args...)}
}

// run tries the sources, in order or in that of a race. It fails with a *HashError if
// one of them delivered another file, else with a *NetworkError; with a *StorageError
// or ctx.Err() at once.
func (t *transfer) run(ctx context.Context) error {
	var tried []Attempt
	hash := false
	turns := t.turns(ctx)
	defer endAll(turns)
	for _, turn := range turns {
		f := t.source(ctx, turn)
		if f == nil {
			t.silent.mark(turn.url, false)
			t.meter.finish(t.sink.n)
			return nil
		}
		if f.verdict == stop {
			return f.err
		}
		t.silent.mark(turn.url, !t.answered || f.verdict == retry)
		kind := EventSourceFailed
		if f.verdict == wrong {
			kind, hash = EventWrongHash, true
		}
		a := Attempt{URL: redactURL(turn.url), Err: redacted{f.err}, answered: t.answered}
		t.report(Event{Kind: kind, Name: t.name, URL: a.URL, Err: a.Err})
		tried = append(tried, a)
	}
	if hash && t.want != "" {
		return &HashError{Name: t.name, Want: t.want, Dir: t.sink.dir, Sources: tried}
	}
	return &NetworkError{Name: t.name, SHA256: t.want, Dir: t.sink.dir, Attempts: tried}
}

// source tries one source until it delivers, is found to be of no use, or has
// had its number of attempts. What came of a race is the first one.
func (t *transfer) source(ctx context.Context, turn turn) *failure {
	url, begun := turn.url, turn.begun
	t.noRange, t.etag, t.answered = false, "", false
	best, left := t.sink.n, t.patience(url)
	for pauses := 0; ; {
		f := t.attempt(ctx, url, begun)
		begun = nil
		if f == nil {
			f = t.check()
		}
		switch {
		case f == nil:
			return nil
		case f.verdict == restart:
			t.noRange = true
			t.report(Event{Kind: EventRestart, Name: t.name, URL: redactURL(url), Err: redacted{f.err}})
			continue
		case f.verdict != retry:
			return f
		}
		if t.sink.n >= best+freshBytes {
			best, left, pauses = t.sink.n, t.attempts, 0
		}
		if left--; left <= 0 {
			return f
		}
		if err := t.pause(ctx, url, f, pauses); err != nil {
			return &failure{verdict: stop, err: err}
		}
		pauses++
	}
}

// pause waits before the next attempt, longer each time.
func (t *transfer) pause(ctx context.Context, url string, f *failure, before int) error {
	wait := f.after
	if wait == 0 {
		wait = backoff(t.backoff, before)
	}
	t.report(Event{Kind: EventRetry, Name: t.name, URL: redactURL(url), Err: redacted{f.err}, Wait: wait})
	return sleep(ctx, wait)
}

// backoff doubles base for each pause before, up to maxPause, and takes off up
// to a half by chance, lest all clients come back at once.
func backoff(base time.Duration, before int) time.Duration {
	d := base
	for ; before > 0 && d < maxPause; before-- {
		d *= 2
	}
	d = min(d, maxPause)
	return d - rand.N(d/2+1)
}

// check judges a body that ended without an error.
func (t *transfer) check() *failure {
	s := t.sink
	if s.exact {
		t.expecting = s.limit
	}
	if s.n < t.expecting {
		return failf(retry, "the body ended after %d of %d bytes", s.n, t.expecting)
	}
	if t.want == "" {
		return nil
	}
	got := s.sum()
	if got == t.want {
		return nil
	}
	v := wrong
	if t.resumed {
		v = restart // some of the bytes may be an earlier source's
	}
	if err := s.reset(); err != nil {
		return &failure{verdict: stop, err: err}
	}
	return &failure{verdict: v, err: fmt.Errorf("its sha256 is %s", got)}
}
