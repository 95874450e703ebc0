package nix

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseEvent(t *testing.T) {
	drv := "/nix/store/pisdghl27p4ixvn7146m43zw7phvaq02-part-1.0.drv"
	tests := []struct {
		line string
		want Event
		ok   bool
	}{
		{`@nix {"action":"start","fields":["` + drv + `","",1,1],"id":154618822661,"level":3,"parent":0,"text":"building","type":105}`,
			Event{Kind: Start, ID: 154618822661, Type: BuildOne, Level: 3, Text: "building", Path: drv}, true},
		{`@nix {"action":"start","id":7,"level":0,"parent":0,"text":"","type":104}`, Event{Kind: Start, ID: 7, Type: Builds}, true},
		{`@nix {"action":"start","id":7,"fields":["https://a.test/\u001b[31m"],"type":101}`,
			Event{Kind: Start, ID: 7, Type: FileTransfer, Path: "https://a.test/"}, true}, // of a builder that forges
		{`@nix {"action":"start","id":7,"fields":[5],"type":101}`, Event{Kind: Start, ID: 7, Type: FileTransfer}, true},
		{`@nix {"action":"stop","id":18446744073709551615}`, Event{Kind: Stop, ID: 1<<64 - 1}, true},
		{`@nix {"action":"result","fields":["a\tb"],"id":7,"type":101}`, Event{Kind: LogLine, ID: 7, Text: "a\tb"}, true},
		{`@nix {"action":"result","fields":["buildPhase"],"id":7,"type":104}`, Event{Kind: Phase, ID: 7, Text: "buildPhase"}, true},
		{`@nix {"action":"result","fields":[1,2,3,4],"id":7,"type":105}`, Event{Kind: Progress, ID: 7, Done: 1, Expected: 2, Running: 3, Failed: 4}, true},
		{`@nix {"action":"result","fields":["1",2.5,null],"id":7,"type":105}`, Event{Kind: Progress, ID: 7}, true},
		{`@nix {"action":"result","id":7,"type":105}`, Event{Kind: Progress, ID: 7}, true},
		{`@nix {"action":"result","fields":[101,50],"id":7,"type":106}`, Event{Kind: Expect, ID: 7, Type: FileTransfer, Expected: 50}, true},
		{`@nix {"action":"result","fields":[101,0],"id":7,"type":107}`, Event{}, false},
		{`@nix {"action":"msg","level":3,"msg":"this derivation will be built:"}`, Event{Kind: Message, Level: LevelInfo, Text: "this derivation will be built:"}, true},
		{`@nix {"action":"msg","level":0,"msg":"\u001b[31;1merror:\u001b[0m a\n  b"}`, Event{Kind: Message, Text: "error: a\n  b"}, true},
		{`@nix {"action":"msg","level":0,"msg":"\u001b[31;1merror:\u001b[0m a","raw_msg":"a"}`, Event{Kind: Message, Fatal: true, Text: "error: a"}, true},
		{`@nix {"action":"msg","level":1,"msg":"evaluation warning: a","raw_msg":"a"}`, Event{Kind: Message, Level: LevelWarn, Text: "evaluation warning: a"}, true},
		{`@nix {"action":"msg","level":0,"msg":"\u001b[0m"}`, Event{Kind: Message}, false},
		{`@nix {"action":"dance","id":7}`, Event{}, false},
		{`@nix {}`, Event{}, false},
		{`@nix null`, Event{}, false},
		{`@nix {"action":"stop","id":-1}`, Event{Kind: Message, Level: LevelNotice, Text: `{"action":"stop","id":-1}`}, true},
		{"@nix {\"action\":\"msg\x1b[2J", Event{Kind: Message, Level: LevelNotice, Text: `{"action":"msg`}, true},
		{"@nix ", Event{Kind: Message, Level: LevelNotice}, true},
		{"killed", Event{Kind: Message, Level: LevelNotice, Text: "killed"}, true},
		{"@nixon", Event{Kind: Message, Level: LevelNotice, Text: "@nixon"}, true},
		{"", Event{Kind: Message, Level: LevelNotice}, false},
		{"\x1b[K\r", Event{Kind: Message, Level: LevelNotice}, false},
	}
	for _, test := range tests {
		got, ok := ParseEvent([]byte(test.line))
		if got != test.want || ok != test.ok {
			t.Errorf("ParseEvent(%q) = %+v, %v; want %+v, %v", test.line, got, ok, test.want, test.ok)
		}
	}
}

// TestClean shows that text keeps its words and loses what steers a terminal.
func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"plain\n\ttext": "plain\n\ttext",
		"ünï → 日本 😀":    "ünï → 日本 😀",
		"\x1b[1;31mred\x1b[0m, \x1b[38:2::1:2:3mmore\x1b[K": "red, more",
		"\x1b]0;title\a1\x1b]8;;https://a.test\x1b\\2":      "12",
		"\x1b]52;c;c2VjcmV0":                                "",
		"\x1bcreset\x1b7\x1b(B":                             "resetB",
		"\x1b\n":                                            "\n",
		"end\x1b":                                           "end",
		"end\x1b[":                                          "end",
		"back\b\bspace\x7f\r\x00\v\f":                       "backspace",
		"one byte \x9b2J":                                   "one byte \ufffd2J",
		"two bytes \u009b2J\u0085":                          "two bytes 2J",
	} {
		if got := clean(text); got != want {
			t.Errorf("clean(%q) = %q; want %q", text, got, want)
		}
	}
}

// logs returns the golden logs by name.
func logs(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/golden/*.log")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden logs: %v", err)
	}
	all := map[string][]byte{}
	for _, name := range files {
		all[strings.TrimSuffix(filepath.Base(name), ".log")] = golden(t, filepath.Base(name))
	}
	return all
}

// golden returns a file of testdata/golden.
func golden(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata/golden", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// FuzzParseEvent shows that no line gives text or a path that steers a terminal.
func FuzzParseEvent(f *testing.F) {
	for _, log := range logs(f) {
		for line := range bytes.Lines(log) {
			f.Add(bytes.TrimSpace(line))
		}
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		e, ok := ParseEvent(line)
		for _, r := range e.Text + e.Path {
			if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
				t.Errorf("ParseEvent(%q) has the text %q and the path %q", line, e.Text, e.Path)
			}
		}
		if !ok && e.Text != "" {
			t.Errorf("ParseEvent(%q) = %+v, false; want no text", line, e)
		}
		new(Tracker).Apply(e)
	})
}
