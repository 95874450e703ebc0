package debian

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestParseDepends(t *testing.T) {
	tests := []struct {
		in, want string
	}{
		{"", ""},
		{"libc6", "libc6"},
		{"libc6 (>= 2.38), libgcc-s1 (>= 3.0)", "libc6 (>= 2.38), libgcc-s1 (>= 3.0)"},
		{"libc6(>=2.38)", "libc6 (>= 2.38)"},
		{"a  (  =  1:2~3-4  )", "a (= 1:2~3-4)"},
		{"debconf (>= 0.5) | debconf-2.0", "debconf (>= 0.5) | debconf-2.0"},
		{"a|b|c,d", "a | b | c, d"},
		{"a,\nb,\n c", "a, b, c"},
		{"python3:any (<< 3.14), gcc:native, libx:arm64", "python3:any (<< 3.14), gcc:native, libx:arm64"},
		{"a (<= 1), b (>> 2), c (<< 3), d (>= 4), e (= 5)", "a (<= 1), b (>> 2), c (<< 3), d (>= 4), e (= 5)"},
		{"a (< 1), b (> 2)", "a (<= 1), b (>= 2)"},
		{"a, , b,", "a, b"},
	}
	for _, test := range tests {
		groups, err := parseDepends(test.in)
		var s []string
		for _, g := range groups {
			s = append(s, g.String())
		}
		if got := strings.Join(s, ", "); err != nil || got != test.want {
			t.Errorf("parseDepends(%q) = %q, %v; want %q", test.in, got, err, test.want)
		}
	}
}

func TestParseDependsMalformed(t *testing.T) {
	for _, in := range []string{
		"a |", "| a", "a b", "(>= 1)", "a (1)", "a (>=)", "a (>= 1", "a >= 1)", "a (>= 1) x", "a (=> 1)", "a (== 1)",
		"a (>= 1 2)", "a (>= 1/2)", "a:", ":any", "a:b:c", "../a", "a [amd64]", "a <!nocheck>", "a\x00", "${shlibs:Depends}",
	} {
		groups, err := parseDepends(in)
		var malformed *FormatError
		if !errors.As(err, &malformed) {
			t.Errorf("parseDepends(%q) = %v, %v; want a *FormatError", in, groups, err)
		}
	}
}

func TestRelationAdmits(t *testing.T) {
	tests := []struct {
		op                  string
		older, same, newer_ bool // whether versions 1, 2 and 3 satisfy (op 2)
	}{
		{"<<", true, false, false},
		{"<=", true, true, false},
		{"=", false, true, false},
		{">=", false, true, true},
		{">>", false, false, true},
		{"", true, true, true},
	}
	for _, test := range tests {
		r := relation{name: "a", op: test.op, version: "2"}
		got := fmt.Sprint(r.admits("1"), r.admits("2"), r.admits("3"))
		if want := fmt.Sprint(test.older, test.same, test.newer_); got != want {
			t.Errorf("(%s 2) admits 1, 2, 3: %s; want %s", test.op, got, want)
		}
	}
}

func FuzzParseDepends(f *testing.F) {
	f.Add("libc6 (>= 2.38), python3:any (<< 3.14) | python3-old, debconf")
	f.Fuzz(func(t *testing.T, in string) {
		groups, err := parseDepends(in)
		if err != nil {
			return
		}
		var s []string
		for _, g := range groups {
			s = append(s, g.String())
		}
		out := strings.Join(s, ", ")
		again, err := parseDepends(out)
		if err != nil || fmt.Sprint(again) != fmt.Sprint(groups) {
			t.Errorf("parseDepends(%q) = %v, written %q, read %v, %v", in, groups, out, again, err)
		}
	})
}
