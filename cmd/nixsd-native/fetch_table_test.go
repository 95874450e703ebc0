package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// Rows with the shortest and longest that a table may hold, wide letters among them.
var tableRows = []inputRow{
	{Kind: "qemu", Name: "qemu-user_10.0.13+ds-0+deb13u1_amd64.deb", Files: 1, Size: 71089852, SHA256: strings.Repeat("c", 64), State: stateDownloaded, Seconds: 112.34},
	{Kind: "nix", Name: "日本.tar", Files: 1, SHA256: strings.Repeat("0", 64), State: stateMissing},
	{Kind: "nixpkgs", Name: "/home/me/nixpkgs\x1b[2J\n", State: stateFolder},
	{Kind: "packages", Name: "132 Debian packages", Files: 132, Size: 7, State: "1 missing, 2 damaged", Seconds: 0.04},
}

func TestInputTable(t *testing.T) {
	want := []string{
		"kind      name                                          size  sha256        state                 seconds",
		"qemu      qemu-user_10.0.13+ds-0+deb13u1_amd64.deb  67.8 MiB  cccccccccccc  downloaded              112.3",
		"nix       日本.tar                                         -  000000000000  missing",
		"nixpkgs   /home/me/nixpkgs                                 -  -             folder",
		"packages  132 Debian packages                            7 B  -             1 missing, 2 damaged      0.0",
	}
	if got := inputTable(tableRows); !slices.Equal(got, want) {
		t.Errorf("inputTable =\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Columns begin, or end, at one place in all lines, whatever is in them.
func TestAlign(t *testing.T) {
	lines := align([][]string{{"a", "1", "x"}, {"日本語", "22", ""}, {"", "", "long"}, {"ab", "333", "y"}}, map[int]bool{1: true})
	for i, line := range lines {
		if cells(line) > 6+2+3+2+4 || strings.TrimRight(line, " ") != line {
			t.Errorf("line %d %q is too wide, or ends in a space", i, line)
		}
	}
	if want := []string{"a         1  x", "日本語   22", "             long", "ab      333  y"}; !slices.Equal(lines, want) {
		t.Errorf("align = %q; want %q", lines, want)
	}
}

func TestLedger(t *testing.T) {
	var l ledger
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	l.moved("a.deb", at(5))
	l.moved("b.deb", at(6))
	l.moved("a.deb", at(9))
	const sum = "0123"
	if s, ok := l.of("/cache/"+sum+"-a.deb", sum); !ok || s.ended.Sub(s.begun) != 4*time.Second {
		t.Errorf("a.deb took %v, %v; want 4 s", s, ok)
	}
	if s, ok := l.of("/cache/"+sum+"-c.deb", sum); ok {
		t.Errorf("c.deb, which did not move, took %v", s)
	}
	a, _ := l.of("a.deb", sum)
	b, _ := l.of("b.deb", sum)
	if s := b.join(a); s != (span{at(5), at(9)}) {
		t.Errorf("together they took %v", s)
	}
}

func TestStateOf(t *testing.T) {
	for _, c := range []struct {
		files, missing, damaged int
		want                    string
	}{
		{1, 0, 0, "ok"}, {1, 1, 0, "missing"}, {1, 0, 1, "damaged"}, {9, 9, 0, "missing"}, {9, 0, 9, "damaged"},
		{9, 2, 0, "2 missing"}, {9, 0, 1, "1 damaged"}, {9, 2, 1, "2 missing, 1 damaged"},
	} {
		if got := stateOf(c.files, c.missing, c.damaged); got != c.want {
			t.Errorf("stateOf(%d, %d, %d) = %q; want %q", c.files, c.missing, c.damaged, got, c.want)
		}
	}
}
