package nix

// A Status is where Nix is.
type Status struct {
	Running                []string // store paths of derivations, oldest first
	Done, Expected, Failed int64    // derivations
	Copied, Copy           int64    // store paths that caches delivered, of those they are to
	Fetched, Fetch         int64    // bytes of them, and of other downloads: as they are sent, or, from caches that are folders, unpacked
}

// counts adds up what activities tell. Nix tells each activity's own progress, and what
// all of a type will come to as far as it knows, see src/libmain/progress-bar.cc.
type counts struct {
	latest  map[uint64]Event       // progress of activities that go on
	sums    map[ActivityType]Event // Done, Expected and Failed of all, ended ones too
	wanted  map[wish]int64
	foreign bool // something was downloaded
}

// A wish is a type of activity that another activity expects more of.
type wish struct {
	id uint64
	of ActivityType
}

func newCounts() counts {
	return counts{latest: map[uint64]Event{}, sums: map[ActivityType]Event{}, wanted: map[wish]int64{}}
}

// isCounted reports whether an activity's progress is part of a Status: not a remote
// builder's, nor what comes along when caches are asked what they have.
func isCounted(kind, parent ActivityType, remote bool) bool {
	switch kind {
	case FileTransfer:
		return !remote && parent != QueryInfo
	case CopyPath:
		return parent == Substitute || parent == CopyPaths
	}
	return !remote || kind == BuildOne
}

func (c *counts) progress(e Event, kind ActivityType) {
	before := c.latest[e.ID]
	c.latest[e.ID] = e
	sum := c.sums[kind]
	sum.Done += e.Done - before.Done
	sum.Expected += e.Expected - before.Expected
	sum.Failed += e.Failed - before.Failed
	c.sums[kind] = sum
	c.foreign = c.foreign || kind == FileTransfer
}

// stop ends an activity. A transfer that was broken off expects no more, and what its
// file really has may differ from what was announced.
func (c *counts) stop(id uint64, kind ActivityType) {
	if last, ok := c.latest[id]; ok && (kind == FileTransfer || kind == CopyPath) {
		last.Expected = last.Done
		c.progress(last, kind)
	}
	delete(c.latest, id)
}

func (c *counts) expect(e Event, kind ActivityType) {
	if kind == Realise && (e.Type == FileTransfer || e.Type == CopyPath) {
		c.wanted[wish{e.ID, e.Type}] = e.Expected
	}
}

// Status returns where Nix is.
func (t *Tracker) Status() Status {
	builds, paths := t.counts.sums[Builds], t.counts.sums[CopyPaths]
	s := Status{Done: builds.Done, Expected: builds.Expected, Failed: builds.Failed, Copied: paths.Done, Copy: paths.Expected}
	for _, id := range t.order {
		s.Running = append(s.Running, t.builds[id].drv)
	}
	kind := CopyPath
	if t.counts.foreign {
		kind = FileTransfer
	}
	s.Fetched, s.Fetch = t.counts.sums[kind].Done, t.counts.sums[kind].Expected
	if s.Copied < s.Copy {
		s.Fetch = max(s.Fetch, t.counts.wants(kind))
	}
	return s
}

func (c *counts) wants(kind ActivityType) (sum int64) {
	for w, n := range c.wanted {
		if w.of == kind {
			sum += n
		}
	}
	return sum
}
