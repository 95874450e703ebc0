package main

import (
	"os/exec"
	"strings"
	"testing"

	"nixsd-native/internal/fetch"
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

// What is missing or damaged is told with the command that fetches it, which is for another
// machine only if this one is offline.
func TestVerdict(t *testing.T) {
	missing := verification{cache: fetch.CacheAt("/c"), missing: []fetch.Missing{{Name: "q.deb"}}}
	damaged := verification{cache: fetch.CacheAt("/c"), damaged: []string{"q.deb"}}
	for _, tt := range []struct {
		v          verification
		online     bool
		text, hint string
		code       int
	}{
		{missing, true, "not in the cache: q.deb", "download it: COMMAND", exitNetwork},
		{missing, false, "offline, and not in the cache: q.deb", "on a machine with network, run: COMMAND", exitNetwork},
		{damaged, true, "damaged in the cache: q.deb", "have what is damaged removed and fetched anew: COMMAND", exitVerify},
		{damaged, false, "damaged in the cache: q.deb", "on a machine with network, have what is damaged removed and fetched anew: COMMAND", exitVerify},
	} {
		err := tt.v.verdict("COMMAND", "", tt.online)
		if err == nil || err.Error() != tt.text || hints(err)[0] != tt.hint || exitCode(err) != tt.code {
			t.Errorf("verdict = %v, hints %q; want %q, %q first", err, hints(err), tt.text, tt.hint)
		}
	}
}

// Only who used sudo is told to use it.
func TestFetchLineSudo(t *testing.T) {
	for _, by := range []bool{true, false} {
		w := &workspace{
			app: &app{privileges: &monitorClient{hello: monitorReply{BySudo: by}}}, sources: &sourceFlags{},
			emulation: &emulationFlags{mode: emulationAuto}, nixos: &nixosFlags{},
		}
		if got := w.fetchLine(); strings.HasPrefix(got, "sudo ") != by {
			t.Errorf("fetchLine = %q; by sudo: %v", got, by)
		}
	}
}
