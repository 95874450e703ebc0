package fetch

import (
	"slices"
	"sync"
)

// SilentHosts are those that were given up, as they did not answer, or not with anything of
// use. Lest each of a hundred files waits for them anew, they come last, and are asked once.
// The zero value has none; a nil one stays so.
type SilentHosts struct {
	mu    sync.Mutex
	hosts map[string]bool
}

// mark notes how a turn of a source ended.
func (s *SilentHosts) mark(url string, silent bool) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hosts == nil {
		s.hosts = map[string]bool{}
	}
	s.hosts[hostOf(url)] = silent
}

func (s *SilentHosts) has(url string) bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hosts[hostOf(url)]
}

// last returns urls in the same order, but for those of silent hosts.
func (s *SilentHosts) last(urls []string) []string {
	spoke := slices.DeleteFunc(slices.Clone(urls), s.has)
	return append(spoke, slices.DeleteFunc(slices.Clone(urls), func(u string) bool { return !s.has(u) })...)
}

// patience is how often to ask a source: a silent one once, where there is another.
func (t *transfer) patience(url string) int {
	if t.silent.has(url) && slices.ContainsFunc(t.urls, func(u string) bool { return !t.silent.has(u) }) {
		return 1
	}
	return t.attempts
}
