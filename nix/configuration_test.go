package nix

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// update writes what we make anew, for testdata/recipes/record.sh.
var update = flag.Bool("update", false, "write testdata/recipes/*.nix that the tests make")

// quoted are texts that String must keep.
var quoted = []string{
	"", "plain", "two words", `back\slash`, `\`, `"`, `""`, "''", `''${x}''`,
	"$", "$$", "${x}", "$${x}", `\${x}`, "${builtins.abort \"evaluated\"}", "x$", "$ {x}",
	"line\nbreak", "carriage\r\nreturn", "\r", "tab\tulator", `\n is no line break`,
	"ünïcödé 日本語 😀", "\u2028", "# no comment", "/* none */", "\"; system = \"", "/home/some one's \"${folder}\"/sd-card.nix",
}

// sampleKeys are lines of authorized_keys whose comments must not become code.
var sampleKeys = []string{
	"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJl3dIeudNqd0DPMRD6OIh65tjkxFNOtwGcWB2gCgPhk me@home",
	`ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJl3dIeudNqd0DPMRD6OIh65tjkxFNOtwGcWB2gCgPhk "${builtins.abort "evaluated"}" \`,
}

// sampleModules are paths of modules, the first as a user may have named it.
var sampleModules = []string{"/inputs/some one's \"${folder}\"/sd-card.nix", "/etc/nixsd/assembly.nix"}

// TestNixReads shows that Nix read, in expressions that are ours, the very texts that
// were put in.
func TestNixReads(t *testing.T) {
	list := "[\n"
	for _, s := range quoted {
		list += "  " + String(s) + "\n"
	}
	tests := []struct {
		name, expression string
		want             []string
	}{
		{"strings", list + "]\n", quoted},
		{"login-keys", LoginKeys(sampleKeys), sampleKeys},
		{"wrapper", Wrapper(sampleModules...), sampleModules},
	}
	for _, test := range tests {
		file := filepath.Join("testdata/recipes", test.name+".nix")
		if *update {
			if err := os.WriteFile(file, []byte(test.expression), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		read, err := os.ReadFile(file)
		if err != nil || string(read) != test.expression {
			t.Errorf("%s: we make\n%s, Nix was given\n%s, %v; see testdata/README.md to record it anew", test.name, test.expression, read, err)
		}
		var got []string
		if err := json.Unmarshal(golden(t, test.name+".json"), &got); err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: Nix read %q, %v; want %q", test.name, got, err, test.want)
		}
	}
}

// TestLoginKeysForUsers shows that ordinary users get the keys, too, by a module that
// adds an option to what the others declare.
func TestLoginKeysForUsers(t *testing.T) {
	got := LoginKeys([]string{`a "key"`})
	for _, want := range []string{
		`keys = [ "a \"key\"" ];`, "options.users.users = lib.mkOption", "lib.mkIf config.isNormalUser keys",
		"config.users.users.root.openssh.authorizedKeys.keys = keys;",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("LoginKeys = %s; want %q in it", got, want)
		}
	}
}
