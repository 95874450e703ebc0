package fetch

import (
	"fmt"
	"time"
)

// EventKind says what happened.
type EventKind int

// The kinds of an [Event], with the fields they fill besides Name.
const (
	EventRetry        EventKind = iota + 1 // URL, Err, Wait: asked again, from where it stopped
	EventRestart                           // URL, Err: asked again, from the first byte
	EventSourceFailed                      // URL, Err: on to the next source
	EventWrongHash                         // URL, Err: other bytes than wanted, on to the next source
	EventBadEntry                          // Path, Err: a file in the cache is not what its name says
	EventWaiting                           // the same file is being downloaded elsewhere
	EventFastest                           // URL: who won a race of sources
	EventLater                             // URL, Err: asked again, after the other sources
	EventLast                              // URL: its host had none of 3 files in a row, and comes last
)

// Event is something on the way that need not be an error in the end.
type Event struct {
	Kind EventKind
	Name string        // the file
	URL  string        // the source, without credentials
	Path string        // the cache entry
	Err  error         // why
	Wait time.Duration // pause before the retry
}

// String returns the event as a sentence in lower case.
func (e Event) String() string {
	switch e.Kind {
	case EventRetry:
		return fmt.Sprintf("%s: %s: %v; again in %v", e.Name, hostOf(e.URL), e.Err, e.Wait.Round(time.Millisecond))
	case EventRestart:
		return fmt.Sprintf("%s: %s: %v; again from the start", e.Name, hostOf(e.URL), e.Err)
	case EventSourceFailed:
		return fmt.Sprintf("%s: %s given up: %v", e.Name, e.URL, e.Err)
	case EventWrongHash:
		return fmt.Sprintf("%s: %s has another file: %v", e.Name, e.URL, e.Err)
	case EventBadEntry:
		return fmt.Sprintf("cache entry %s ignored: %v", e.Path, e.Err)
	case EventWaiting:
		return fmt.Sprintf("%s: waiting for another download of it to end", e.Name)
	case EventFastest:
		return fmt.Sprintf("%s: %s is the fastest source", e.Name, hostOf(e.URL))
	case EventLater:
		return fmt.Sprintf("%s: %s: %v; the other sources come first", e.Name, hostOf(e.URL), e.Err)
	case EventLast:
		return fmt.Sprintf("%s had none of the last %d files; it is asked last from now on", hostOf(e.URL), maxLacks)
	}
	return fmt.Sprintf("%s: event %d", e.Name, int(e.Kind))
}
