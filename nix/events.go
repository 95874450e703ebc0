package nix

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
)

// A Kind says what an Event tells.
type Kind int

const (
	Message  Kind = iota // Nix says Text, at Level
	Start                // activity ID begins: Text, Type, Derivation or Path
	Stop                 // activity ID ends
	LogLine              // the builder of activity ID printed Text
	Phase                // the builder of activity ID enters phase Text
	Progress             // activity ID: Done of Expected, Running, Failed
	Expect               // activity ID will come to Expected in activities of Type
)

// An ActivityType is Nix's number for what an activity does, from
// src/libutil/logging.hh.
type ActivityType int

// The activities that matter here.
const (
	CopyPath     ActivityType = 100
	FileTransfer ActivityType = 101
	Realise      ActivityType = 102 // all work; what is below it is a remote builder's
	CopyPaths    ActivityType = 103
	Builds       ActivityType = 104
	BuildOne     ActivityType = 105
	Substitute   ActivityType = 108
	QueryInfo    ActivityType = 109
)

// Results of an activity, from the same file.
const (
	resultLogLine  = 101
	resultPhase    = 104
	resultProgress = 105
	resultExpected = 106
)

// Levels of messages; lower is more important.
const (
	LevelError  = 0
	LevelWarn   = 1
	LevelNotice = 2
	LevelInfo   = 3
)

// An Event is one line of Nix's --log-format internal-json.
type Event struct {
	Kind  Kind
	ID    uint64
	Type  ActivityType
	Level int
	// Fatal is set for an error with which Nix itself fails: not for what
	// expressions trace and builders print, though it have the level of an error.
	Fatal bool
	Text  string
	// Path is the derivation that is built or the store path or URL that is
	// fetched.
	Path string
	// Machine is the remote builder of a derivation, or "".
	Machine string
	// Parent is the activity that a starting one is a part of, or 0.
	Parent uint64

	Done, Expected, Running, Failed int64
}

var jsonPrefix = []byte("@nix ")

// MaxLine bounds a line of the log in bytes; longer ones are cut by the reader.
const MaxLine = 1 << 20

// ParseEvent reads a line. A line that is no JSON of Nix is a message as it stands;
// ok is false for what tells nothing here.
func ParseEvent(line []byte) (e Event, ok bool) {
	body, isJSON := bytes.CutPrefix(line, jsonPrefix)
	if !isJSON {
		e = Event{Kind: Message, Level: LevelNotice, Text: clean(string(line))}
		if strings.HasPrefix(e.Text, "error: ") { // before Nix knows how it is to log, as of a bad setting
			e.Level = LevelError
		}
		return e, e.Text != ""
	}
	var raw rawEvent
	if err := json.Unmarshal(body, &raw); err != nil {
		return Event{Kind: Message, Level: LevelNotice, Text: clean(string(body))}, true
	}
	return raw.event()
}

type rawEvent struct {
	Action string
	ID     uint64
	Parent uint64
	Level  int
	Type   int
	Text   string
	Msg    string
	RawMsg string `json:"raw_msg"`
	Fields []json.RawMessage
}

func (r rawEvent) event() (Event, bool) {
	e := Event{ID: r.ID, Level: r.Level}
	switch r.Action {
	case "msg":
		e.Kind, e.Text = Message, clean(r.Msg)
		e.Fatal = r.Level == LevelError && r.RawMsg != "" // logEI() of src/libutil/logging.cc alone adds it
		return e, e.Text != ""
	case "start":
		e.Kind, e.Type, e.Text, e.Path, e.Parent = Start, ActivityType(r.Type), clean(r.Text), clean(r.str(0)), r.Parent
		if e.Type == BuildOne {
			e.Machine = clean(r.str(1))
		}
		return e, true
	case "stop":
		e.Kind = Stop
		return e, true
	case "result":
		return r.result(e)
	}
	return Event{}, false
}

func (r rawEvent) result(e Event) (Event, bool) {
	switch r.Type {
	case resultLogLine:
		e.Kind, e.Text = LogLine, clean(r.str(0))
	case resultPhase:
		e.Kind, e.Text = Phase, clean(r.str(0))
	case resultProgress:
		e.Kind = Progress
		e.Done, e.Expected, e.Running, e.Failed = r.num(0), r.num(1), r.num(2), r.num(3)
	case resultExpected:
		e.Kind, e.Type, e.Expected = Expect, ActivityType(r.num(0)), r.num(1)
	default:
		return Event{}, false
	}
	return e, true
}

// str returns field i, or "" if it is no string.
func (r rawEvent) str(i int) string {
	var s string
	if i < len(r.Fields) {
		json.Unmarshal(r.Fields[i], &s)
	}
	return s
}

// num returns field i, or 0 if it is no number.
func (r rawEvent) num(i int) int64 {
	var n int64
	if i < len(r.Fields) {
		json.Unmarshal(r.Fields[i], &n)
	}
	return n
}

// escape is a terminal's control sequence (ECMA-48, 5.4), which foreign text must
// not send.
var escape = regexp.MustCompile("\x1b(\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(\x07|\x1b\\\\)?|.)?")

// clean removes control sequences and other control characters but line breaks and
// tabs.
func clean(s string) string {
	s = escape.ReplaceAllString(s, "")
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0) {
			return -1
		}
		return r
	}, s)
}
