package main

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cheggaaa/pb/v3"
)

func TestSizeOf(t *testing.T) {
	for _, tt := range []struct {
		done, total int64
		want        string
	}{
		{0, 0, "0 B"},
		{1023, 0, "1023 B"},
		{1024, 0, "1.0 KiB"},
		{1048524, 0, "1023.9 KiB"},
		{1048525, 0, "1.0 MiB"},
		{71 << 20, 0, "71.0 MiB"},
		{1 << 40, 0, "1.0 TiB"},
		{1 << 60, 0, "1048576.0 TiB"},
		{5, 900, "5 of 900 B"},
		{12_897_485, 71_094_272, "12.3 of 67.8 MiB"},
		{1 << 10, 3 << 30, "0.0 of 3.0 GiB"},
	} {
		if got := sizeOf(tt.done, tt.total); got != tt.want {
			t.Errorf("sizeOf(%d, %d) = %q; want %q", tt.done, tt.total, got, tt.want)
		}
	}
}

func TestDurations(t *testing.T) {
	for _, tt := range []struct {
		in                     string
		words, whole, clockStr string
	}{
		{"-3s", "0.0 s", "0 s", "0:00"},
		{"0s", "0.0 s", "0 s", "0:00"},
		{"810ms", "0.8 s", "1 s", "0:00"},
		{"9.94s", "9.9 s", "10 s", "0:09"},
		{"9.95s", "10 s", "10 s", "0:09"},
		{"42s", "42 s", "42 s", "0:42"},
		{"59.6s", "1 min 0 s", "1 min 0 s", "0:59"},
		{"3m5s", "3 min 5 s", "3 min 5 s", "3:05"},
		{"59m59.9s", "1 h 0 min", "1 h 0 min", "59:59"},
		{"1h2m3s", "1 h 2 min", "1 h 2 min", "1:02:03"},
		{"50h", "50 h 0 min", "50 h 0 min", "50:00:00"},
	} {
		d, err := time.ParseDuration(tt.in)
		if err != nil {
			t.Fatal(err)
		}
		if got := duration(d); got != tt.words {
			t.Errorf("duration(%s) = %q; want %q", d, got, tt.words)
		}
		if got := wholeSeconds(d); got != tt.whole {
			t.Errorf("wholeSeconds(%s) = %q; want %q", d, got, tt.whole)
		}
		if got := clock(d); got != tt.clockStr {
			t.Errorf("clock(%s) = %q; want %q", d, got, tt.clockStr)
		}
	}
}

func TestShorten(t *testing.T) {
	for _, tt := range []struct {
		in   string
		w    int
		want string
	}{
		{"short", 5, "short"},
		{"shorter", 5, "short"},
		{"qemu-user_10.0.13+ds-0+deb13u1_amd64.deb", 22, "qemu-user_.._amd64.deb"},
		{"漢字漢字漢字漢字", 9, "漢字..字"},
		{"漢字", 3, "漢"},
		{"x", 0, ""},
		{"", 4, ""},
	} {
		got := shorten(tt.in, tt.w)
		if got != tt.want || pb.CellCount(got) > tt.w {
			t.Errorf("shorten(%q, %d) = %q; want %q", tt.in, tt.w, got, tt.want)
		}
	}
}

func TestClean(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"plain", "plain"},
		{"two\nlines\n\n", "two\nlines"},
		{"a\tb", "a\tb"},
		{"\x1b[1;31mred\x1b[0m", "red"},
		{"\x1b]0;title\x07text", "text"},
		{"\x1b]8;;https://example.org\x1b\\link\x1b]8;;\x1b\\", "link"},
		{"\x1b]unclosed\nnext", "\nnext"},
		{"\x1bPq#0\x1b\\x", "x"},
		{"\x1b(Bx\x1b7\x1bMy\x1b", "xy"},
		{"\u009b31mx", "31mx"},
		{"\x9bx", "\ufffdx"},
		{" 10%\r 20%\r100%\r\n", "100%"},
		{"bell\a\b\x00\x7f", "bell"},
		{"abc\u202etxt\u200b\u2028", "abctxt"},
	} {
		if got := clean(tt.in); got != tt.want {
			t.Errorf("clean(%q) = %q; want %q", tt.in, got, tt.want)
		}
	}
	if got, want := cleanWord(" a\n b\t\x1b[Kc "), "a b c"; got != want {
		t.Errorf("cleanWord = %q; want %q", got, want)
	}
}

func FuzzClean(f *testing.F) {
	f.Add("\x1b[1mx\r\n\x1b]0;t\x07\u009b\xff\u2028")
	f.Add("a\rb\n\x1bP\x1b\\")
	f.Fuzz(func(t *testing.T, s string) {
		got := clean(s)
		for _, r := range got {
			if r != '\n' && r != '\t' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
				t.Fatalf("clean(%q) = %q; it has %q", s, got, r)
			}
		}
		if !utf8.ValidString(got) || clean(got) != got {
			t.Fatalf("clean(%q) = %q; want valid UTF-8 that stays as it is", s, got)
		}
		if w := cleanWord(s); strings.ContainsAny(w, "\n\t") || pb.CellCount(shorten(w, 9)) > 9 {
			t.Fatalf("cleanWord(%q) = %q, shortened %q", s, w, shorten(w, 9))
		}
	})
}
