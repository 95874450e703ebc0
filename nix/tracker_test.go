package nix

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// follow applies a log to a Tracker and returns what changed: its running builds and
// counts, and what the builders printed.
func follow(t *testing.T, log []byte) (*Tracker, []string) {
	t.Helper()
	var track Tracker
	var story []string
	tell := func(line string) {
		if len(story) == 0 || story[len(story)-1] != line {
			story = append(story, line)
		}
	}
	err := ReadLog(bytes.NewReader(log), func(e Event) {
		name := track.Apply(e)
		switch e.Kind {
		case LogLine:
			tell(fmt.Sprintf("%s> %s", name, e.Text))
		case Start, Stop, Progress:
			s := track.Status()
			names := []string{}
			for _, drv := range s.Running {
				names = append(names, DerivationName(drv))
			}
			tell(fmt.Sprintf("%d/%d -%d %v", s.Done, s.Expected, s.Failed, names))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return &track, story
}

// TestTrackerBuild shows how the build of a derivation and its one input goes.
func TestTrackerBuild(t *testing.T) {
	_, story := follow(t, golden(t, "build.log"))
	want := []string{
		"0/0 -0 []", "0/1 -0 []", "0/2 -0 []",
		"0/2 -0 [part-1.0]", "1/2 -0 [part-1.0]", "1/2 -0 []",
		"1/2 -0 [whole-1.0]", "whole-1.0> plain", "whole-1.0> red after", "whole-1.0> \ttab end", "whole-1.0> no line break",
		"2/2 -0 [whole-1.0]", "2/2 -0 []",
	}
	if !slices.Equal(story, want) {
		t.Errorf("the build went\n%q; want\n%q", story, want)
	}
}

// A remote builder's Nix tells of the same build, and counts, too, which is not added.
func TestTrackerRemote(t *testing.T) {
	const drv = "/nix/store/rbz2mbvf22551lr041c4d96s8j9spw9f-part-1.0.drv"
	log := []string{ // as Nix 2.26 with a builder of 2.8 has it
		`{"action":"start","fields":[],"id":1,"level":0,"parent":0,"text":"","type":102}`,
		`{"action":"start","fields":[],"id":2,"level":0,"parent":0,"text":"","type":104}`,
		`{"action":"start","fields":[],"id":3,"level":0,"parent":0,"text":"","type":103}`,
		`{"action":"start","fields":["` + drv + `","ssh-ng://b",1,1],"id":4,"level":3,"parent":0,"text":"","type":105}`,
		`{"action":"result","fields":[0,1,1,0],"id":2,"type":105}`,
		`{"action":"start","id":5,"level":3,"parent":1,"text":"copying 18 paths","type":103}`,
		`{"action":"result","fields":[18,18,0,0],"id":5,"type":105}`,
		`{"action":"start","id":6,"level":0,"parent":1,"text":"","type":104}`,
		`{"action":"result","fields":[1,1,0,0],"id":6,"type":105}`,
		`{"action":"start","fields":["` + drv + `","",1,1],"id":7,"level":3,"parent":1,"text":"","type":105}`,
		`{"action":"result","fields":["hello"],"id":7,"type":101}`,
		`{"action":"stop","id":7}`,
		`{"action":"stop","id":4}`,
		`{"action":"result","fields":[1,1,0,0],"id":2,"type":105}`,
	}
	track, story := follow(t, []byte("@nix "+strings.Join(log, "\n@nix ")+"\n"))
	want := []string{"0/0 -0 []", "0/0 -0 [part-1.0]", "0/1 -0 [part-1.0]", "part-1.0> hello", "0/1 -0 [part-1.0]", "0/1 -0 []", "1/1 -0 []"}
	if !slices.Equal(story, want) || track.Status().Copied != 0 {
		t.Errorf("the build went\n%q, with %d paths copied; want\n%q", story, track.Status().Copied, want)
	}
}

// TestTrackerFailures shows that builds that ran beside each other are told apart,
// and failures are counted.
func TestTrackerFailures(t *testing.T) {
	track, story := follow(t, golden(t, "fail-keep-going.log"))
	for _, want := range []string{
		"0/3 -0 [also-broken-1.0 broken-1.0]", "also-broken-1.0> too bad", "0/2 -1 [broken-1.0]", "broken-1.0> line 30",
	} {
		if !slices.Contains(story, want) {
			t.Errorf("the build went %q; want %q in it", story, want)
		}
	}
	if s := track.Status(); s.Failed != 2 || s.Running != nil {
		t.Errorf("Status = %+v; want 2 failed and none running", s)
	}
}

// TestTrackerImports shows that two builds, one after the other during an evaluation,
// are counted together.
func TestTrackerImports(t *testing.T) {
	_, story := follow(t, golden(t, "import.log"))
	want := []string{
		"0/0 -0 []", "0/1 -0 []", "0/1 -0 [imported-1.0]", "1/1 -0 [imported-1.0]", "1/1 -0 []",
		"1/2 -0 []", "1/2 -0 [imported-2.0]", "2/2 -0 [imported-2.0]", "2/2 -0 []",
	}
	if !slices.Equal(story, want) {
		t.Errorf("the evaluation went\n%q; want\n%q", story, want)
	}
}

// TestTrackerFetch shows that the bytes of all transfers are added up, also after
// they ended.
func TestTrackerFetch(t *testing.T) {
	var track Tracker
	for _, line := range []string{
		`{"action":"start","id":1,"type":101,"fields":["https://a.test/nix-cache-info"]}`,
		`{"action":"result","id":1,"type":105,"fields":[10,10,0,0]}`,
		`{"action":"stop","id":1}`,
		`{"action":"start","id":2,"type":101,"fields":["https://a.test/nar/x.nar.xz"]}`,
		`{"action":"result","id":2,"type":105,"fields":[5,100,0,0]}`,
		`{"action":"result","id":2,"type":105,"fields":[50,100,0,0]}`,
		`{"action":"start","id":3,"type":100,"fields":["/nix/store/x"]}`,
		`{"action":"result","id":3,"type":105,"fields":[7,700,0,0]}`, // unpacked, not fetched
		`{"action":"start","id":4,"type":103}`,
		`{"action":"result","id":4,"type":105,"fields":[2,4,0,1]}`,
		`{"action":"stop","id":4}`,
	} {
		e, ok := ParseEvent([]byte("@nix " + line))
		if !ok {
			t.Fatalf("ParseEvent(%q) tells nothing", line)
		}
		track.Apply(e)
	}
	if s := track.Status(); s.Fetched != 60 || s.Fetch != 110 || s.Copied != 2 {
		t.Errorf("Status = %+v; want 60 of 110 bytes and 2 paths", s)
	}
}

// TestTrackerTotals shows what is known when the first of several paths comes: how many
// there are, and their bytes; what asking caches took is not among them. A transfer that is
// broken off expects no more.
func TestTrackerTotals(t *testing.T) {
	var track Tracker
	for _, step := range []struct {
		line                           string
		copied, paths, fetched, expect int64
	}{
		{`{"action":"start","id":1,"type":109,"parent":0,"fields":["/nix/store/x","https://a.test"]}`, 0, 0, 0, 0},
		{`{"action":"start","id":2,"type":101,"parent":1,"fields":["https://a.test/x.narinfo"]}`, 0, 0, 0, 0},
		{`{"action":"result","id":2,"type":105,"fields":[400,400,0,0]}`, 0, 0, 0, 0},
		{`{"action":"start","id":3,"type":102,"parent":0}`, 0, 0, 0, 0},
		{`{"action":"start","id":4,"type":103,"parent":0}`, 0, 0, 0, 0},
		{`{"action":"result","id":4,"type":105,"fields":[0,3,0,0]}`, 0, 3, 0, 0},
		{`{"action":"result","id":3,"type":106,"fields":[101,1000]}`, 0, 3, 0, 0},
		{`{"action":"result","id":3,"type":106,"fields":[100,7000]}`, 0, 3, 0, 7000}, // no download yet: it may be a folder
		{`{"action":"start","id":5,"type":108,"parent":0,"fields":["/nix/store/x","https://a.test"]}`, 0, 3, 0, 7000},
		{`{"action":"start","id":6,"type":100,"parent":5,"fields":["/nix/store/x"]}`, 0, 3, 0, 7000},
		{`{"action":"result","id":6,"type":105,"fields":[50,700,0,0]}`, 0, 3, 50, 7000},
		{`{"action":"start","id":7,"type":101,"parent":6,"fields":["https://a.test/x.nar"]}`, 0, 3, 50, 7000},
		{`{"action":"result","id":7,"type":105,"fields":[20,100,0,0]}`, 0, 3, 20, 1000},
		{`{"action":"result","id":7,"type":105,"fields":[30,2000,0,0]}`, 0, 3, 30, 2000},
		{`{"action":"stop","id":7}`, 0, 3, 30, 1000},
		{`{"action":"result","id":4,"type":105,"fields":[3,3,0,0]}`, 3, 3, 30, 30},
	} {
		e, _ := ParseEvent([]byte("@nix " + step.line))
		track.Apply(e)
		s := track.Status()
		if s.Copied != step.copied || s.Copy != step.paths || s.Fetched != step.fetched || s.Fetch != step.expect {
			t.Errorf("Status after %s = %+v; want %d of %d paths, %d of %d bytes", step.line, s, step.copied, step.paths, step.fetched, step.expect)
		}
	}
}

// TestTrackerFolder shows a real fetch from a cache that is a folder: nothing is
// downloaded.
func TestTrackerFolder(t *testing.T) {
	track, _ := follow(t, golden(t, "fetch.log"))
	if s := track.Status(); s.Copied != 1 || s.Copy != 1 || s.Fetch != s.Fetched {
		t.Errorf("Status = %+v; want one of one path, and no bytes missing", s)
	}
}

// TestFailure shows what is made of the errors of real runs.
func TestFailure(t *testing.T) {
	store := "/nix/store/"
	tests := []struct {
		log, text, derivation, place string
		logLines                     int
	}{
		{"fail", "the build of broken-1.0 failed: builder for '" + store + "q2xbhd3a85zk7nnr8qmhmsr2kn757k8r-broken-1.0.drv' failed with exit code 3",
			store + "q2xbhd3a85zk7nnr8qmhmsr2kn757k8r-broken-1.0.drv", "", 30},
		{"fail-keep-going", "the build of also-broken-1.0 failed: builder for '" + store + "y4jrx2iz1mzdx8pj0nk57xv9cc4jns9n-also-broken-1.0.drv' failed with exit code 4",
			store + "y4jrx2iz1mzdx8pj0nk57xv9cc4jns9n-also-broken-1.0.drv", "", 1},
		{"fail-silent", "the build of silent-1.0 failed: builder for '" + store + "1ibcsyqf0l8h7k2bywvnlnbby6lkd7bd-silent-1.0.drv' failed with exit code 1",
			store + "1ibcsyqf0l8h7k2bywvnlnbby6lkd7bd-silent-1.0.drv", "", 0},
		{"fail-forged", "the build of forger-1.0 failed: builder for '" + store + "6r620x7112x0aw3b64zm3ml8sw8m6s94-forger-1.0.drv' failed with exit code 1",
			store + "6r620x7112x0aw3b64zm3ml8sw8m6s94-forger-1.0.drv", "", 0},
		{"fail-system", "a 'riscv64-linux' with features {} is required to build '" + store + "q6wb7cm6qlsrvl6v828z0v1djw830i9j-elsewhere-1.0.drv', " +
			"but I am a 'x86_64-linux' with features {benchmark, big-parallel, nixos-test, uid-range}", "", "", 0},
		{"trace", "nothing found", "", "", 0}, // after builtins.trace, whose text has the level of errors
		{"throw", "port 70000 is too large", "", "", 0},
		{"throw-trace", "port 70000 is too large", "", "", 0},
		{"undefined", "undefined variable 'pkgs' at /root/w/undefined.nix:3:7", "", "/root/w/undefined.nix:3:7", 0},
		{"syntax", "syntax error, unexpected '=', expecting ';' at /root/w/syntax.nix:3:23", "", "/root/w/syntax.nix:3:23", 0},
		{"missing", "path '/root/w/nowhere.nix' does not exist", "", "", 0},
		{"no-attribute", "attribute 'hole' in selection path 'hole' not found", "", "", 0},
		{"build", "nix ended with status 1 and said no more", "", "", 0},
	}
	for _, test := range tests {
		track, _ := follow(t, golden(t, test.log+".log"))
		e := track.Failure(1)
		if e.Error() != test.text || e.Derivation != test.derivation || e.Place != test.place || len(e.Log) != test.logLines {
			t.Errorf("%s: Failure = %v, derivation %q, place %q, %d lines; want %s, %q, %q, %d",
				test.log, e, e.Derivation, e.Place, len(e.Log), test.text, test.derivation, test.place, test.logLines)
		}
		if strings.ContainsAny(e.Output+e.Summary, "\x1b\r") || strings.Contains(e.Summary, "\n") || e.Status != 1 {
			t.Errorf("%s: Failure = %+v; want clean text and status 1", test.log, e)
		}
	}
}

// TestFailureOtherwise shows what is made of errors in other forms: those of newer
// versions, by what src/libstore/build/derivation-building-goal.cc has, and those that
// Nix prints without more than the text.
func TestFailureOtherwise(t *testing.T) {
	const drv = "/nix/store/q2xbhd3a85zk7nnr8qmhmsr2kn757k8r-broken-1.0.drv"
	tests := []struct {
		messages         []string // each JSON
		text, derivation string
	}{
		{[]string{
			`{"action":"msg","level":0,"raw_msg":"x","msg":"error: Cannot build '` + drv + `'.\n       Reason: \u001b[31mbuilder failed with exit code 3\u001b[0m.\n       Last 1 log lines:\n       > error: too bad"}`,
			`{"action":"msg","level":0,"raw_msg":"x","msg":"error: Cannot build '/nix/store/0slalz8ask1n456x7i0w5vc8590mg8ls-needs-broken-1.0.drv'.\n       Reason: 1 dependency failed."}`,
		}, "the build of broken-1.0 failed: builder failed with exit code 3", drv},
		{[]string{`{"action":"msg","level":0,"msg":"trace: x"}`, `{"action":"msg","level":0,"msg":"error: out of memory"}`}, "out of memory", ""},
		{[]string{`{"action":"msg","level":0,"msg":"\u001b[31;1merror:\u001b[0m interrupted by the user"}`}, "interrupted by the user", ""},
		{[]string{`{"action":"msg","level":0,"msg":"trace: error: x"}`}, "nix ended with status 1 and said no more", ""},
		{[]string{`{"action":"msg","level":0,"msg":"error: builder for '` + drv + `' failed due to signal 9 (Killed)"}`},
			"the build of broken-1.0 failed: builder for '" + drv + "' failed due to signal 9 (Killed)", drv},
		{[]string{`{"action":"msg","level":0,"msg":"error: Cannot build '` + drv + `'.\n       Reason: builder failed with exit code 137."}`},
			"the build of broken-1.0 failed: builder failed with exit code 137", drv},
	}
	track, _ := follow(t, []byte("error: setting 'timeout' has invalid value 'abc'\nTry 'nix-instantiate --help' for more information.\n"))
	if e := track.Failure(1); e.Error() != "setting 'timeout' has invalid value 'abc'" {
		t.Errorf("Failure after a line without JSON = %v", e)
	}
	for _, test := range tests {
		track, _ := follow(t, []byte("@nix "+strings.Join(test.messages, "\n@nix ")))
		e := track.Failure(1)
		if e.Error() != test.text || e.Derivation != test.derivation {
			t.Errorf("Failure after %s = %v, derivation %q; want %s, %q", test.messages, e, e.Derivation, test.text, test.derivation)
		}
		memory := strings.Contains(test.text, "memory") || strings.Contains(test.text, "signal 9") || strings.Contains(test.text, "137")
		if memory != strings.Contains(strings.Join(e.Hints(), " "), "memory") {
			t.Errorf("Failure after %s has the hints %q", test.messages, e.Hints())
		}
	}
}

// TestFailureLog shows that of a failed builder's many lines the last are kept.
func TestFailureLog(t *testing.T) {
	track, _ := follow(t, golden(t, "fail.log"))
	e := track.Failure(100)
	if len(e.Log) != 30 || e.Log[0] != "line 1" || e.Log[29] != "line 30" {
		t.Errorf("Log = %q; want all 30 lines", e.Log)
	}
	if last := e.LastLines(); len(last) != lastUnknown || last[0] != "line 6" {
		t.Errorf("LastLines of what is not known = %q; want lines 6 to 30", last)
	}
	e.Log[3] = "Killed signal terminated program cc1plus"
	if last := e.LastLines(); len(last) != lastKnown || last[0] != "line 21" {
		t.Errorf("LastLines of what is known = %q; want lines 21 to 30", last)
	}
	var many Tracker
	many.Apply(Event{Kind: Start, Type: BuildOne, ID: 1, Path: e.Derivation})
	for i := range 3 * tailLines {
		many.Apply(Event{Kind: LogLine, ID: 1, Text: fmt.Sprint(i)})
	}
	if tail := many.builds[1].tail; len(tail) != tailLines || tail[tailLines-1] != fmt.Sprint(3*tailLines-1) {
		t.Errorf("of %d lines %d are kept; want the last %d", 3*tailLines, len(tail), tailLines)
	}
	if !strings.Contains(e.Output, "needs-broken-1.0.drv' failed to build") {
		t.Errorf("Output = %q; want the second error too", e.Output)
	}
}

// TestReadLogCutsLines shows that a line without end takes bounded memory and does
// not hide the next.
func TestReadLogCutsLines(t *testing.T) {
	for _, length := range []int{MaxLine - 1, MaxLine, MaxLine + 1, 3*MaxLine + 100} {
		log := io.MultiReader(strings.NewReader(strings.Repeat("x", length)), strings.NewReader("\r\nnext\n\nlast"))
		var got []int
		if err := ReadLog(log, func(e Event) { got = append(got, len(e.Text)) }); err != nil {
			t.Fatal(err)
		}
		if len(got) != 3 || got[0] < min(length, MaxLine-64<<10) || got[0] > MaxLine || got[1] != 4 || got[2] != 4 {
			t.Errorf("ReadLog of a line of %d bytes: lines of %d", length, got)
		}
	}
}

func TestReadLogFails(t *testing.T) {
	broken := errors.New("broken")
	var got []string
	log := io.MultiReader(strings.NewReader("one\ntwo"), iotest.ErrReader(broken))
	err := ReadLog(log, func(e Event) { got = append(got, e.Text) })
	if !errors.Is(err, broken) || !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("ReadLog = %v after %q; want %v after one and two", err, got, broken)
	}
}

func TestDerivationName(t *testing.T) {
	hash := strings.Repeat("0", 32)
	for drv, want := range map[string]string{
		"/nix/store/" + hash + "-linux-6.6.1.drv": "linux-6.6.1",
		"/nix/store/" + hash + "-linux-6.6.1":     "linux-6.6.1",
		hash + "-x.drv":                           "x",
		"/nix/store/" + hash + "-":                hash + "-",
		"short-name.drv":                          "short-name",
	} {
		if got := DerivationName(drv); got != want {
			t.Errorf("DerivationName(%q) = %q; want %q", drv, got, want)
		}
	}
}
