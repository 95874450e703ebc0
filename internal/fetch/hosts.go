package fetch

import (
	"cmp"
	"slices"
	"sync"
)

// maxLacks is how many files in a row a host may not have before it is asked last: one or
// two may be too new or too old for a good mirror.
const maxLacks = 3

// Hosts are those that sources are on, as far as they were of no use. Lest each of a
// hundred files waits for one that does not answer, or asks one that has none of them, such
// hosts come last until they deliver. The zero value knows none; a nil one stays so.
type Hosts struct {
	mu    sync.Mutex
	known map[string]*host
}

// host is what became of the turns of its sources.
type host struct {
	silence silence
	lacks   map[string]bool // sha256 of files it was given up for since it delivered one
}

// silence is how a host does not answer, or not with anything of use.
type silence int

const (
	spoke   silence = iota
	stalled         // it was put back: it comes last
	silent          // it was given up: it is asked once, too
)

func (h *host) lacking() bool { return len(h.lacks) >= maxLacks }

// rank is 0 for a host in its place. One that has nothing says so at once, and comes before
// those that take their time.
func (h *host) rank() int {
	switch {
	case h.silence != spoke:
		return 2
	case h.lacking():
		return 1
	}
	return 0
}

// at calls f with what is known of the host of a URL, alone.
func (s *Hosts) at(url string, f func(*host)) {
	if s == nil {
		f(&host{})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name := hostOf(url)
	if s.known == nil {
		s.known = map[string]*host{}
	}
	if s.known[name] == nil {
		s.known[name] = &host{lacks: map[string]bool{}}
	}
	f(s.known[name])
}

// heard notes how a turn of a source ended.
func (s *Hosts) heard(url string, how silence) {
	s.at(url, func(h *host) { h.silence = how })
}

// putBack notes that a turn goes on after others.
func (s *Hosts) putBack(url string) {
	s.at(url, func(h *host) { h.silence = max(h.silence, stalled) })
}

// delivered notes that a file was right.
func (s *Hosts) delivered(url string) {
	s.at(url, func(h *host) { clear(h.lacks) })
}

// lacks notes that a host has not the file with this hash. It tells whether the host comes
// last because of that, before and now.
func (s *Hosts) lacks(url, sum string) (before, now bool) {
	if s == nil {
		return false, false
	}
	s.at(url, func(h *host) {
		before = h.lacking()
		h.lacks[sum] = true
		now = h.lacking()
	})
	return before, now
}

func (s *Hosts) rank(url string) (rank int) {
	s.at(url, func(h *host) { rank = h.rank() })
	return rank
}

func (s *Hosts) silent(url string) (yes bool) {
	s.at(url, func(h *host) { yes = h.silence == silent })
	return yes
}

// last returns urls in the same order, but for those that come last.
func (s *Hosts) last(urls []string) []string {
	ranks := make(map[string]int, len(urls)) // others may change them meanwhile
	for _, u := range urls {
		ranks[u] = s.rank(u)
	}
	urls = slices.Clone(urls)
	slices.SortStableFunc(urls, func(a, b string) int { return cmp.Compare(ranks[a], ranks[b]) })
	return urls
}

// patience is how often to ask a source: a silent one once, where there is another.
func (t *transfer) patience(url string) int {
	if t.hosts.silent(url) && slices.ContainsFunc(t.urls, func(u string) bool { return !t.hosts.silent(u) }) {
		return 1
	}
	return t.attempts
}

// before reports whether one of the turns to come is to be had before the rest of this one:
// the first of a source on a host that does not come last, unless this one's does.
func (t *transfer) before(this turn, toCome []turn) bool {
	isLast := t.hosts.rank(this.url) > 0
	return slices.ContainsFunc(toCome, func(o turn) bool {
		return o.back == nil && (isLast || t.hosts.rank(o.url) == 0)
	})
}

// note keeps what a turn that failed says of the host, and tells of it, unless that is told
// already. Of a body without a hash, hosts may have none.
func (t *transfer) note(url string, f *failure) {
	how := spoke
	if !t.answered || f.verdict == retry {
		how = silent
	}
	t.hosts.heard(url, how)
	var before, now bool
	if how == spoke && t.want != "" && len(t.urls) > 1 {
		before, now = t.hosts.lacks(url, t.want)
	}
	e := Event{Kind: EventSourceFailed, Name: t.name, URL: redactURL(url), Err: redacted{f.err}}
	if f.verdict == wrong {
		e.Kind = EventWrongHash
	}
	if !before {
		t.report(e)
	}
	if now && !before {
		t.report(Event{Kind: EventLast, Name: t.name, URL: e.URL})
	}
}
