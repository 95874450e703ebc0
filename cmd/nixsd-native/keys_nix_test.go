package main

import "testing"

// Nix's escapes neither end a string nor make a key another.
func TestPlaceholderKeyBehindEscapes(t *testing.T) {
	const placeholder = "\n\"ssh-ed25519 AAAA…\"; y = ''x'';"
	for _, tt := range []struct {
		in   string
		want int
	}{
		{"x = '' echo ''${HOME} '';" + placeholder, 2},
		{"x = '' it'''s ''\\n '';" + placeholder, 2},
		{"x = '' ''$ '';" + placeholder, 2},
		{"x = ''it's a 'word' '';" + placeholder, 2},
		{"x = '''';" + placeholder, 2},
		{"x = ''a''' '';" + placeholder, 2},
		{"x = '' \"ssh-ed25519 AAAA…\" ''${x} \"ssh-ed25519 AAAA…\" '';", 0}, // of a script
		{`"` + keyEd25519 + `\n"`, 0},
		{`"` + keyEd25519 + `\tme"`, 0},
		{`"ssh-ed25519 AAAA…\n"`, 1},
	} {
		if got := placeholderKey([]byte(tt.in)); got != tt.want {
			t.Errorf("placeholderKey(%q) = %d; want %d", tt.in, got, tt.want)
		}
	}
}
