package monitor

import (
	"slices"
	"strings"
	"testing"
)

func TestCaller(t *testing.T) {
	for _, tt := range []struct {
		sudoUID, sudoGID string
		uid, gid         int
		ok               bool
	}{
		{"1000", "1000", 1000, 1000, true},
		{"1", "100", 1, 100, true},
		{"1000", "0", 1000, 0, true}, // a user of root's group is not root
		{"4294967294", "4294967294", 4294967294, 4294967294, true},
		{"01000", "1000", 1000, 1000, true},

		{"", "", 0, 0, false},
		{"1000", "", 0, 0, false},
		{"", "1000", 0, 0, false},
		{"0", "0", 0, 0, false},
		{"0", "1000", 0, 0, false},
		{"00", "1000", 0, 0, false},
		{"4294967295", "1000", 0, 0, false}, // (uid_t)-1 is "no change"
		{"1000", "4294967295", 0, 0, false},
		{"4294967296", "1000", 0, 0, false}, // root's, if cut to 32 bits
		{"-1", "1000", 0, 0, false},
		{"+1000", "1000", 0, 0, false},
		{" 1000", "1000", 0, 0, false},
		{"1000\n", "1000", 0, 0, false},
		{"0x3e8", "1000", 0, 0, false},
		{"1_000", "1000", 0, 0, false},
		{"alice", "users", 0, 0, false},
		{strings.Repeat("9", 4000), "1000", 0, 0, false},
	} {
		uid, gid, ok := Caller(tt.sudoUID, tt.sudoGID)
		if uid != tt.uid || gid != tt.gid || ok != tt.ok {
			t.Errorf("Caller(%q, %q) = %d, %d, %v; want %d, %d, %v", tt.sudoUID, tt.sudoGID, uid, gid, ok, tt.uid, tt.gid, tt.ok)
		}
	}
}

// No text makes an identity that is root, or none.
func FuzzCaller(f *testing.F) {
	f.Add("1000", "1000")
	f.Fuzz(func(t *testing.T, sudoUID, sudoGID string) {
		uid, gid, ok := Caller(sudoUID, sudoGID)
		if ok && (uid < 1 || uid > maxID || gid < 0 || gid > maxID) || !ok && (uid != 0 || gid != 0) {
			t.Errorf("Caller(%q, %q) = %d, %d, %v", sudoUID, sudoGID, uid, gid, ok)
		}
	})
}

func TestBusyError(t *testing.T) {
	err := &BusyError{"/var/lib/nixsd-native/lock"}
	if got, want := err.Error(), "a build is using /var/lib/nixsd-native"; got != want {
		t.Errorf("Error() = %q; want %q", got, want)
	}
	if got := err.Hints(); len(got) == 0 || slices.Contains(got, "") {
		t.Errorf("Hints() = %q; want what to do", got)
	}
}
