package fetch

import (
	"cmp"
	"context"
	"io"
	"net/url"
	"slices"
	"sync"
	"time"
)

// A race is short: what it costs, at most a second and (racers-1) × raceBytes fetched in
// vain, is an eighth of the smallest file that is raced for. A mebibyte is what a
// connection to the other side of the world (0.2 s there and back) brings in about as
// many seconds as raceTime lasts, starting slowly.
const (
	racers    = 3
	raceFrom  = 16 << 20 // bytes that are missing of the smallest such file
	raceBytes = 1 << 20
	raceTime  = time.Second // from the first byte of any source
	headStart = time.Second // of the first source if only its answer can tell the size
)

// turn is a source to try, with what it has answered already, if anything.
type turn struct {
	url   string
	begun *exchange
	back  *failure // why it was put back, nil if it was not
	left  int      // attempts, if it was put back
}

func endAll(turns []turn) {
	for _, t := range turns {
		if t.begun != nil {
			t.begun.end()
		}
	}
}

// runner is a source in a race.
type runner struct {
	*exchange
	begun bool  // it has brought something
	score int64 // bytes, less those that were here before if it sends them again
	out   bool
}

// news are what a runner tells the referee.
type news struct {
	i     int
	bytes int64
	out   bool // it will bring no more
	small bool // it has a file that is not worth a race
}

// race lets sources compete for one file. Runners read into their own memory; whoever
// wins goes on from there over the same connection.
type race struct {
	*transfer
	runners []*runner
	rest    []turn
	start   chan struct{} // closed when those after the first may start
	begin   func()        // closes it
	over    chan struct{} // closed when it is decided
	news    chan news
}

// turns returns the sources in the order in which to try them: as given or, for a large
// file with several sources, as they came in in a race.
func (t *transfer) turns(ctx context.Context) []turn {
	r := &race{transfer: t, start: make(chan struct{}), over: make(chan struct{}), news: make(chan news)}
	r.begin = sync.OnceFunc(func() { close(r.start) })
	r.invite(ctx)
	if len(r.runners) > 1 {
		return r.run(ctx)
	}
	for _, s := range r.runners {
		s.end()
	}
	all := make([]turn, len(t.urls))
	for i, u := range t.urls {
		all[i] = turn{url: u}
	}
	return all
}

// invite chooses who runs: the first sources, one of each host, if the file may be large
// enough. Of a body whose hash is not known, the order of the sources is the user's
// choice, as they may have different ones.
func (r *race) invite(ctx context.Context) {
	s := r.sink
	may := r.want != "" && s.limit-s.n >= raceFrom
	var hosts []string
	for _, raw := range r.urls {
		u, err := url.Parse(raw)
		if !may || err != nil || len(hosts) == racers || slices.Contains(hosts, u.Host) {
			r.rest = append(r.rest, turn{url: raw})
			continue
		}
		hosts = append(hosts, u.Host)
		r.runners = append(r.runners, &runner{exchange: r.open(ctx, raw)})
	}
}

// run holds the race. When it returns, no connection but the winner's is in use.
func (r *race) run(ctx context.Context) []turn {
	var running sync.WaitGroup
	for i := range r.runners {
		running.Go(func() { r.compete(i) })
	}
	winner := r.referee()
	close(r.over)
	for _, s := range r.runners {
		if winner != nil && s != winner {
			s.cancel(nil)
		}
	}
	running.Wait()
	if winner != nil && winner.begun {
		r.report(Event{Kind: EventFastest, Name: r.name, URL: redactURL(winner.url)})
	}
	return r.result(winner)
}

// compete is the run of one source.
func (r *race) compete(i int) {
	x := r.runners[i].exchange
	if i > 0 {
		select {
		case <-r.start:
		case <-r.over:
			return
		case <-x.ctx.Done():
		}
	}
	r.ask(x)
	switch {
	case x.refused != nil:
		r.tell(news{i: i, out: true})
	case !r.sink.exact && x.resp.ContentLength < raceFrom:
		r.tell(news{i: i, small: true})
	default:
		r.tell(news{i: i}) // the others may start
		r.readAhead(i, x)
	}
}

// readAhead reads until the race is over, or the runner has brought enough.
func (r *race) readAhead(i int, x *exchange) {
	x.early = make([]byte, 0, raceBytes)
	for len(x.early) < raceBytes {
		x.dog.arm()
		n, err := x.resp.Body.Read(x.early[len(x.early):raceBytes])
		x.dog.rest()
		x.dog.got(n)
		x.early = x.early[:len(x.early)+n]
		if err == io.EOF { // a body without a length
			x.broke = failf(retry, "the body ended after %d bytes", x.from+int64(len(x.early)))
		} else if err != nil {
			x.broke = failed(x.ctx, err)
		}
		if !r.tell(news{i: i, bytes: int64(n), out: err != nil}) || err != nil {
			return
		}
	}
}

// tell reports whether the race goes on.
func (r *race) tell(n news) bool {
	select {
	case r.news <- n:
		return true
	case <-r.over:
		return false
	}
}

// referee waits for the winner: whoever first brings raceBytes or, after raceTime, has
// brought most. It returns nil if nobody is left.
func (r *race) referee() *runner {
	if r.sink.exact {
		r.begin()
	}
	patience := time.NewTimer(headStart)
	defer patience.Stop()
	var clock <-chan time.Time
	for left := len(r.runners); left > 0; {
		select {
		case n := <-r.news:
			r.begin()
			s := r.runners[n.i]
			s.count(n)
			switch {
			case n.out:
				left--
			case n.small || s.score >= raceBytes:
				return s
			case clock == nil && n.bytes > 0:
				clock = time.After(raceTime)
			}
		case <-patience.C:
			r.begin()
		case <-clock:
			clock = nil // who has led may be out; then the next byte starts it anew
			if s := r.leader(); s != nil {
				return s
			}
		}
	}
	return nil
}

// count keeps the score.
func (s *runner) count(n news) {
	if !s.begun && n.bytes > 0 {
		s.begun = true
		if s.whole {
			s.score = -s.from
		}
	}
	s.score += n.bytes
	s.out = s.out || n.out
}

// leader returns who has brought most, or nil.
func (r *race) leader() *runner {
	var best *runner
	for _, s := range r.runners {
		if !s.out && s.begun && (best == nil || s.score > best.score) {
			best = s
		}
	}
	return best
}

// result puts the sources into order: the winner, those found to be of no use, whose turn
// takes no time and comes only if the winner fails, the others by what they brought, and those
// that did not run. Who lost is asked anew; who left the race, only if somebody won.
func (r *race) result(winner *runner) []turn {
	var useless, won, lost []turn
	slices.SortStableFunc(r.runners, func(a, b *runner) int { return cmp.Compare(b.score, a.score) })
	for _, s := range r.runners {
		switch t := (turn{url: s.url, begun: s.exchange}); {
		case s == winner:
			won = append(won, t)
		case s.out && s.refused != nil && s.refused.verdict != retry && s.refused.verdict != restart:
			useless = append(useless, t)
		case winner == nil:
			lost = append(lost, t)
		default:
			s.end()
			lost = append(lost, turn{url: s.url})
		}
	}
	return slices.Concat(won, useless, lost, r.rest)
}
