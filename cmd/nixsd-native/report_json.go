package main

import (
	"encoding/json"
	"io"
	"slices"
	"time"
)

// timeFormat is RFC 3339 with milliseconds.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// A jsonView writes one object a line. All have these two members first.
type jsonView struct {
	lines     lineWriter
	p         *progress
	heartbeat time.Duration

	built   buildStatus // as last written
	builtAt time.Time
}

type jsonHead struct {
	Time string `json:"time"`
	Type string `json:"type"`
}

type jsonPhase struct {
	jsonHead
	Phase   string  `json:"phase"`
	Seconds float64 `json:"seconds"` // since its begin: repeated when nothing else is to tell
}

type jsonBytes struct {
	jsonHead
	Doing string `json:"doing"` // "downloading"
	Item  string `json:"item"`
	Done  int64  `json:"done"`
	Total int64  `json:"total"` // 0 if unknown
}

type jsonBuilding struct {
	jsonHead
	Running      []string  `json:"running"`
	Seconds      []float64 `json:"seconds"` // that each of them has run
	Done         int64     `json:"done"`
	Expected     int64     `json:"expected"`
	Failed       int64     `json:"failed"`
	FetchedPaths int64     `json:"fetched_paths"`
	FetchPaths   int64     `json:"fetch_paths"`
	FetchedBytes int64     `json:"fetched_bytes"`
	FetchBytes   int64     `json:"fetch_bytes"`
}

type jsonLog struct {
	jsonHead
	Derivation string `json:"derivation"`
	Line       string `json:"line"`
}

type jsonMessage struct {
	jsonHead
	Text  string   `json:"text"`
	Hints []string `json:"hints,omitempty"`
}

type jsonDone struct {
	jsonHead
	OK      bool        `json:"ok"`
	Seconds float64     `json:"seconds"`
	Phases  []phaseTime `json:"phases"`
}

func newJSONView(w io.Writer, o reportOptions, p *progress) *jsonView {
	return &jsonView{lines: lineWriter{w: w, now: o.Now, last: o.Now()}, p: p, heartbeat: o.Heartbeat}
}

func (v *jsonView) head(kind string) jsonHead {
	return jsonHead{v.p.now().UTC().Format(timeFormat), kind}
}

// print writes an object. None of them can fail to marshal.
func (v *jsonView) print(object any) {
	var line lineBuffer
	e := json.NewEncoder(&line)
	e.SetEscapeHTML(false)
	e.Encode(object)
	v.lines.print(string(line))
}

// A lineBuffer is what an Encoder writes, without the line's end.
type lineBuffer []byte

func (l *lineBuffer) Write(b []byte) (int, error) {
	*l = append(*l, b[:len(b)-1]...)
	return len(b), nil
}

func (v *jsonView) began() {
	v.built = buildStatus{}
	v.phase()
}

func (v *jsonView) phase() {
	v.print(jsonPhase{v.head("phase"), v.p.phase, seconds(v.p.elapsed())})
}

func (v *jsonView) leaving() {
	if !sameStatus(v.built, v.p.build) {
		v.status()
	}
}

func (v *jsonView) moved(it *item) {
	now := v.p.now()
	if !it.ended && now.Sub(it.shownAt) < progressEvery {
		return
	}
	it.shownAt = now
	v.print(jsonBytes{v.head("bytes"), it.doing, it.name, it.done, it.total})
}

// building writes at once what changed but for what is fetched.
func (v *jsonView) building() {
	old, b := v.built, v.p.build
	old.Fetched, old.Fetch, old.Copied, old.Copy = b.Fetched, b.Fetch, b.Copied, b.Copy
	if !sameStatus(old, b) {
		v.status()
	}
}

func (v *jsonView) status() {
	b := v.p.build
	v.built, v.builtAt = b, v.p.now()
	o := jsonBuilding{
		jsonHead: v.head("building"), Done: b.Done, Expected: b.Expected, Failed: b.Failed,
		Running: []string{}, Seconds: []float64{},
		FetchedPaths: b.Copied, FetchPaths: b.Copy, FetchedBytes: b.Fetched, FetchBytes: b.Fetch,
	}
	for _, r := range v.p.running {
		o.Running = append(o.Running, r.name)
		o.Seconds = append(o.Seconds, seconds(v.p.now().Sub(r.since)))
	}
	v.print(o)
}

func sameStatus(a, b buildStatus) bool {
	return slices.Equal(a.Running, b.Running) && a.Done == b.Done && a.Expected == b.Expected &&
		a.Failed == b.Failed && a.Copied == b.Copied && a.Copy == b.Copy && a.Fetched == b.Fetched && a.Fetch == b.Fetch
}

func (v *jsonView) log(derivation, line string) {
	v.print(jsonLog{v.head("log"), derivation, line})
}

func (v *jsonView) say(m message) {
	v.print(jsonMessage{v.head(m.kind), m.text, m.hints})
}

func (v *jsonView) tick() {
	now := v.p.now()
	if !sameStatus(v.built, v.p.build) && now.Sub(v.builtAt) >= progressEvery {
		v.status()
	}
	switch {
	case v.p.phase == "" || now.Sub(v.lines.last) < v.heartbeat:
	case len(v.p.running) > 0:
		v.status()
	default:
		v.phase()
	}
}

func (v *jsonView) finish(ok bool) {
	v.print(jsonDone{v.head("done"), ok, seconds(v.p.total()), v.p.times()})
}
