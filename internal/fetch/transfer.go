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

	hosts     *Hosts
	http      *http.Client
	agent     string
	attempts  int
	backoff   time.Duration
	stall     time.Duration
	report    func(Event)
	from      string // the source that delivered, as asked
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
	later                  // same source, after the others
	stop                   // no source can help
)

// failure is why an attempt did not work.
type failure struct {
	verdict verdict
	err     error
	after   time.Duration // what the source asks to wait, 0 for the usual
	mute    bool          // there was no connection, or no byte of the body in time
}

func failf(v verdict, format string, args ...any) *failure {
	return &failure{verdict: v, err: fmt.Errorf(format, args...)}
}

// run tries the sources, in order or in that of a race, then those that were put back. It
// fails with a *HashError if one of them delivered another file, else with a *NetworkError;
// with a *StorageError or ctx.Err() at once.
func (t *transfer) run(ctx context.Context) error {
	var tried []Attempt
	hash := false
	turns := t.turns(ctx)
	defer endAll(turns)
	for len(turns) > 0 {
		now := turns[0]
		turns = turns[1:]
		f := t.source(ctx, &now, turns)
		if f == nil {
			t.delivered(now.url)
			return nil
		}
		if f.verdict == stop {
			return f.err
		}
		if f.verdict == later {
			turns = append(turns, now)
			continue
		}
		t.note(now.url, f)
		hash = hash || f.verdict == wrong
		tried = append(tried, Attempt{URL: redactURL(now.url), Err: redacted{f.err}, answered: t.answered})
	}
	if hash && t.want != "" {
		return &HashError{Name: t.name, Want: t.want, Dir: t.sink.dir, Sources: tried}
	}
	return &NetworkError{Name: t.name, SHA256: t.want, Dir: t.sink.dir, Attempts: tried}
}

// delivered notes and tells that all is here.
func (t *transfer) delivered(url string) {
	t.from = url
	t.hosts.heard(url, spoke)
	if t.want != "" {
		t.hosts.delivered(url)
	}
	t.meter.finish(t.sink.n)
}

// source tries one source until it delivers, is found to be of no use, has had its number
// of attempts, or is put back behind those to come. What came of a race is the first one.
func (t *transfer) source(ctx context.Context, turn *turn, toCome []turn) *failure {
	url, begun := turn.url, turn.begun
	t.noRange, t.etag, t.answered = false, "", false
	best, left, pauses := t.sink.n, t.patience(url), 0
	if turn.back != nil {
		left = turn.left
		if err := t.pause(ctx, url, turn.back, 0); err != nil {
			return &failure{verdict: stop, err: err}
		}
		pauses++
	}
	for {
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
		if f.mute && t.before(*turn, toCome) {
			return t.putBack(turn, f, left)
		}
		if err := t.pause(ctx, url, f, pauses); err != nil {
			return &failure{verdict: stop, err: err}
		}
		pauses++
	}
}

// putBack ends a turn whose source has left attempts.
func (t *transfer) putBack(turn *turn, f *failure, left int) *failure {
	turn.begun, turn.back, turn.left = nil, f, left
	t.hosts.putBack(turn.url)
	t.report(Event{Kind: EventLater, Name: t.name, URL: redactURL(turn.url), Err: redacted{f.err}})
	return &failure{verdict: later}
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
