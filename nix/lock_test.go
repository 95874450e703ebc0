package nix

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

func sampleLock() Lock {
	hash := strings.Repeat("ab", 32)
	return Lock{
		Nixpkgs: LockedNixpkgs{
			LockedTarball: LockedTarball{"https://r.test/nixos/26.05/nixos-26.05.1.0123456789ab/nixexprs.tar.xz", hash},
			Channel:       "nixos-26.05", Revision: strings.Repeat("0123456789", 4), Date: "2026-11-23",
		},
		Nix: map[string]LockedTarball{
			"x86_64-linux":  {"https://r.test/nix-2.35.2-x86_64-linux.tar.xz", hash},
			"aarch64-linux": {"https://r.test/nix-2.35.2-aarch64-linux.tar.xz", hash},
		},
		QEMU: LockedDeb{"qemu-user_1_amd64.deb", "1", hash, ""},
	}
}

func TestLockRoundTrip(t *testing.T) {
	text, err := sampleLock().Text()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadLock(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	again, err := got.Text()
	if err != nil || !bytes.Equal(again, text) {
		t.Errorf("written again it is\n%s, %v; want\n%s", again, err, text)
	}
}

func TestReadLockRefuses(t *testing.T) {
	good, err := sampleLock().Text()
	if err != nil {
		t.Fatal(err)
	}
	change := func(old, new string) string {
		if !strings.Contains(string(good), old) {
			t.Fatalf("the sample has no %q", old)
		}
		return strings.Replace(string(good), old, new, 1)
	}
	tests := []struct {
		name, text, want string
		newer            bool
	}{
		{"empty", "", "no JSON", false},
		{"text", "hello", "no JSON", false},
		{"truncated", string(good[:len(good)/2]), "no JSON", false},
		{"edited", change("26.05.1", "26.05.2"), "changed by hand", false},
		{"edited date", change("2026-11-23", "2026-11-24"), "changed by hand", false},
		{"newer", change(`"version": 1`, `"version": 2`), "newer nixsd-native", true},
		{"unknown field", change(`"version": 1`, `"version": 1, "flakes": true`), "damaged", false},
		{"no hash", change(`"sha256": "abab`, `"sha256": "xxab`), "incomplete", false},
		{"other JSON", `{"version": 1}`, "incomplete", false},
		{"large", strings.Repeat(" ", maxLock+1), "too large", false},
	}
	for _, test := range tests {
		_, err := ReadLock(strings.NewReader(test.text))
		var le *LockError
		if !errors.As(err, &le) || !strings.Contains(err.Error(), test.want) || le.Newer != test.newer || len(le.Hints()) == 0 {
			t.Errorf("%s: ReadLock = %v; want …%s…", test.name, err, test.want)
		}
	}
}

func TestLockChanges(t *testing.T) {
	old, l := sampleLock(), sampleLock()
	if got := l.Changes(old); len(got) != 0 {
		t.Errorf("Changes of the same = %q", got)
	}
	l.Nixpkgs.Revision, l.Nixpkgs.Date = strings.Repeat("f", 40), "2026-12-24"
	l.QEMU.Version = "2"
	want := []string{"nixpkgs: 012345678901 (2026-11-23) → ffffffffffff (2026-12-24)", "qemu: 1 → 2"}
	if got := l.Changes(old); !slices.Equal(got, want) {
		t.Errorf("Changes = %q; want %q", got, want)
	}
}

func FuzzReadLock(f *testing.F) {
	good, err := sampleLock().Text()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := ReadLock(bytes.NewReader(data))
		if err != nil {
			return
		}
		text, err := l.Text()
		if err != nil {
			t.Fatalf("a lock that was read cannot be written: %v", err)
		}
		if _, err := ReadLock(bytes.NewReader(text)); err != nil {
			t.Fatalf("a lock that was written cannot be read: %v", err)
		}
	})
}
