package shell

import (
	"os/exec"
	"strings"
	"testing"

	"nixsd-native/internal/testenv"
)

// words has what a command line may hold, and how it is shown.
var words = []struct{ in, want string }{
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

func TestWord(t *testing.T) {
	for _, tt := range words {
		if got := Word(tt.in); got != tt.want {
			t.Errorf("Word(%q) = %s; want %s", tt.in, got, tt.want)
		}
	}
}

// A shell takes what Word returns as the one word that it was.
func TestWordInShell(t *testing.T) {
	program := testenv.NeedProgram(t, "sh")
	var script, want strings.Builder
	for _, tt := range words {
		script.WriteString("printf '<%s>' " + Word(tt.in) + "\n")
		want.WriteString("<" + tt.in + ">")
	}
	out, err := exec.Command(program, "-c", script.String()).Output()
	if err != nil || string(out) != want.String() {
		t.Errorf("sh prints %q, %v; want %q", out, err, want.String())
	}
}

// A file whose name begins like a flag is not taken for one.
func TestPath(t *testing.T) {
	for in, want := range map[string]string{"-z.nix": "./-z.nix", "- a": "'./- a'", "a-b": "a-b", "/-": "/-"} {
		if got := Path(in); got != want {
			t.Errorf("Path(%q) = %s; want %s", in, got, want)
		}
	}
}
