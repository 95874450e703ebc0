package debian

import (
	"os"
	"strings"
	"testing"
)

func TestCompareVersions(t *testing.T) {
	golden, err := os.ReadFile("testdata/versions.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"<<": -1, "=": 0, ">>": 1}
	pairs := 0
	for line := range strings.Lines(string(golden)) {
		f := strings.Fields(line)
		if len(f) != 3 {
			t.Fatalf("golden line %q", line)
		}
		pairs++
		if got := CompareVersions(f[0], f[2]); got != want[f[1]] {
			t.Errorf("CompareVersions(%q, %q) = %d; want %d", f[0], f[2], got, want[f[1]])
		}
		if got := CompareVersions(f[2], f[0]); got != -want[f[1]] {
			t.Errorf("CompareVersions(%q, %q) = %d; want %d", f[2], f[0], got, -want[f[1]])
		}
	}
	if pairs < 800 {
		t.Errorf("only %d golden pairs", pairs)
	}
}

func TestCompareVersionsSymbols(t *testing.T) {
	// Not valid version numbers, but nothing may panic or contradict itself.
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "0", 0},
		{"", "~", 1},
		{":", "", 0},
		{"-", "", 0},
		{"1:", "2", 1},
		{"1-", "1", 0},
		{"1_", "1a", 1},
	}
	for _, test := range tests {
		if got := CompareVersions(test.a, test.b); got != test.want {
			t.Errorf("CompareVersions(%q, %q) = %d; want %d", test.a, test.b, got, test.want)
		}
	}
}

func FuzzCompareVersions(f *testing.F) {
	f.Add("1:2.26.3+dfsg-1", "2.26.3~rc1", "0")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		ab, bc, ac := CompareVersions(a, b), CompareVersions(b, c), CompareVersions(a, c)
		if back := CompareVersions(b, a); back != -ab {
			t.Errorf("CompareVersions(%q, %q) = %d, but the other way round %d", a, b, ab, back)
		}
		if ab <= 0 && bc <= 0 && ac > 0 {
			t.Errorf("%q <= %q <= %q, but CompareVersions(first, last) = %d", a, b, c, ac)
		}
		if self := CompareVersions(a, a); self != 0 {
			t.Errorf("CompareVersions(%q, itself) = %d", a, self)
		}
	})
}
