package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestChooseRange(t *testing.T) {
	first := Range{lowEnd - RangeSize - 1, RangeSize + 1}
	for name, test := range map[string]struct {
		taken []Range
		want  uint32 // first id, or 0 for an error
	}{
		"nothing taken":                  {nil, first.First},
		"ordinary users and groups":      {[]Range{{0, 60000}, {65534, 1}}, first.First},
		"useradd's first ranges":         {[]Range{{100000, RangeSize}, {165536, RangeSize}}, first.First},
		"its last id taken":              {[]Range{{lowEnd - 1, 1}}, first.First - RangeSize},
		"its first id taken":             {[]Range{{first.First, 1}}, first.First - 2*RangeSize},
		"the id below it":                {[]Range{{first.First - 1, 1}}, first.First},
		"systemd's containers":           {[]Range{{lowEnd, highStart - lowEnd}}, first.First},
		"all low ids taken":              {[]Range{{0, lowEnd}}, highEnd - RangeSize - 1},
		"the low ids in several pieces":  {[]Range{{100000, 200000}, {300000, 200000}, {65536, 40000}, {500000, 24288}}, highEnd - RangeSize - 1},
		"only the lowest low range left": {[]Range{{lowestID + 2*RangeSize, lowEnd}, {highStart, highEnd - highStart}}, lowestID + RangeSize - 1},
		"everything taken":               {[]Range{{0, 1<<32 - 1}}, 0},
		"a range over the end of 32 bit": {[]Range{{1 << 31, 1<<32 - 1}, {0, lowEnd}}, highEnd - RangeSize - 1},
		"an empty range":                 {[]Range{{first.First, 0}}, first.First},
	} {
		got, err := ChooseRange(test.taken)
		if test.want == 0 {
			if err == nil {
				t.Errorf("%s: ChooseRange = %+v; want an error", name, got)
			}
			continue
		}
		if err != nil || got != (Range{test.want, RangeSize + 1}) {
			t.Errorf("%s: ChooseRange = %+v, %v; want first %d", name, got, err, test.want)
		}
		for _, r := range test.taken {
			if got.overlaps(r) {
				t.Errorf("%s: ChooseRange = %+v overlaps %+v", name, got, r)
			}
		}
	}
}

func TestParseSubIDs(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", "[]"},
		{"alice:100000:65536\nbob:165536:65536\n", "[{alice {100000 65536}} {bob {165536 65536}}]"},
		{"1000:1:2", "[{1000 {1 2}}]"},
		{"  alice:1:2  \r\n", "[{alice {1 2}}]"},
		{"# alice:1:2\n\n:1:2\nalice:1\nalice:1:2:3\nalice:x:2\nalice:1:-2\nalice:1:0\nalice:4294967296:1\n", "[]"},
		{"alice:4294967295:4294967295", "[{alice {4294967295 4294967295}}]"},
		{"alice:1:2\n" + strings.Repeat("x", maxIDLine+1) + "\nbob:1:2\n", "[{alice {1 2}}]"},
	} {
		if got := fmt.Sprint(ParseSubIDs(strings.NewReader(test.text))); got != test.want {
			t.Errorf("ParseSubIDs(%.60q) = %s; want %s", test.text, got, test.want)
		}
	}
	if got := ParseSubIDs(strings.NewReader(strings.Repeat("a:1:2\n", maxIDLines+5))); len(got) != maxIDLines {
		t.Errorf("%d lines were read; want %d", len(got), maxIDLines)
	}
}

func TestParseIDs(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", "[]"},
		{"root:x:0:0:root:/root:/bin/sh\nalice:x:1001:1001::/home/alice:/bin/sh\n", "[{0 1} {1001 1}]"},
		{"users:x:100:\nempty::5:", "[{100 1} {5 1}]"},
		{"+::::::\nroot:x\nroot:x:y:0\n#x:x:7:\nneg:x:-1:\n", "[]"},
	} {
		if got := fmt.Sprint(ParseIDs(strings.NewReader(test.text))); got != test.want {
			t.Errorf("ParseIDs(%q) = %s; want %s", test.text, got, test.want)
		}
	}
}

func TestSubordinate(t *testing.T) {
	ids := []SubID{
		{"bob", Range{1, RangeSize}},
		{"alice", Range{100, RangeSize - 2}},
		{"alice", Range{200000, RangeSize + 5}},
		{"1001", Range{500000, RangeSize - 1}},
	}
	for _, test := range []struct {
		name string
		uid  int
		want Range
	}{
		{"alice", 1000, Range{200000, RangeSize - 1}},
		{"alice", 1001, Range{200000, RangeSize - 1}},
		{"carol", 1001, Range{500000, RangeSize - 1}},
		{"", 1001, Range{500000, RangeSize - 1}},
		{"carol", 7, Range{}},
		{"", 0, Range{}},
	} {
		got, ok := Subordinate(ids, test.name, test.uid)
		if got != test.want || ok != (test.want != Range{}) {
			t.Errorf("Subordinate(%q, %d) = %+v, %v; want %+v", test.name, test.uid, got, ok, test.want)
		}
	}
}

func FuzzParseSubIDs(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		for _, id := range ParseSubIDs(strings.NewReader(text)) {
			line := fmt.Sprintf("%s:%d:%d", id.User, id.First, id.Count)
			if again := ParseSubIDs(strings.NewReader(line)); len(again) != 1 || again[0] != id {
				t.Errorf("ParseSubIDs(%q) = %+v; want %+v", line, again, id)
			}
		}
	})
}

func FuzzParseIDs(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		ids := ParseIDs(strings.NewReader(text))
		if len(ids) > strings.Count(text, "\n")+1 || slices.ContainsFunc(ids, func(r Range) bool { return r.Count != 1 }) {
			t.Errorf("ParseIDs(%q) = %v", text, ids)
		}
		if r, err := ChooseRange(ids); err == nil && !free(r, ids) {
			t.Errorf("ChooseRange(%v) = %+v, which is taken", ids, r)
		}
	})
}
