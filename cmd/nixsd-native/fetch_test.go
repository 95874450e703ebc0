package main

import (
	"os/exec"
	"strings"
	"testing"

	"nixsd-native/internal/testenv"
)

// quotedTable has what a command line may hold, and how it is shown.
var quotedTable = []struct{ in, want string }{
	{"", "''"},
	{"plain", "plain"},
	{"/var/cache/nixsd-native", "/var/cache/nixsd-native"},
	{"http://a.test:3142/debian", "http://a.test:3142/debian"},
	{"qemu_1%3a10.0+ds-1~rc1.deb", "'qemu_1%3a10.0+ds-1~rc1.deb'"},
	{"user@host", "user@host"},
	{"a=b", "a=b"},
	{"grün", "grün"},
	{"two words", "'two words'"},
	{" ", "' '"},
	{"~/x", "'~/x'"},
	{"$HOME", "'$HOME'"},
	{"`id`", "'`id`'"},
	{"a;b", "'a;b'"},
	{"a&b", "'a&b'"},
	{"*", "'*'"},
	{"[a]?", "'[a]?'"},
	{"{a,b}", "'{a,b}'"},
	{"#x", "'#x'"},
	{"!x", "'!x'"},
	{"it's", `'it'\''s'`},
	{"'", `''\'''`},
	{`a"b\c`, `'a"b\c'`},
	{"a\nb\tc", "'a\nb\tc'"},
	{"\xff", "'\xff'"},
}

func TestQuoted(t *testing.T) {
	for _, tt := range quotedTable {
		if got := quoted(tt.in); got != tt.want {
			t.Errorf("quoted(%q) = %s; want %s", tt.in, got, tt.want)
		}
	}
}

// A shell takes what quoted returns as the one word that it was.
func TestQuotedInShell(t *testing.T) {
	shell := testenv.NeedProgram(t, "sh")
	var script, want strings.Builder
	for _, tt := range quotedTable {
		script.WriteString("printf '<%s>' " + quoted(tt.in) + "\n")
		want.WriteString("<" + tt.in + ">")
	}
	out, err := exec.Command(shell, "-c", script.String()).Output()
	if err != nil || string(out) != want.String() {
		t.Errorf("sh prints %q, %v; want %q", out, err, want.String())
	}
}
