package nix

import (
	"strings"
	"testing"
)

func TestCheckOption(t *testing.T) {
	for _, c := range []struct{ name, value, says string }{
		{"timeout", "3600", ""}, {"max-silent-time", "600", ""}, {"extra-experimental-features", "ca-derivations", ""}, {"connect-timeout", "5", ""},
		{"sandbox", "false", "keeps builds apart"}, {"extra-sandbox-paths", "/etc", "keeps builds apart"}, {"post-build-hook", "/x", "keeps builds apart"},
		{"require-sigs", "false", "nobody trusted has signed"}, {"extra-trusted-public-keys", "k", "--trusted-public-key"}, {"builders", "@/etc/x", "--builder"},
		{"experimental-features", "", "extra-experimental-features"}, {"extra-platforms", "x", "--emulation"}, {"extra-extra-platforms", "x", "--emulation"},
		{"build-use-sandbox", "false", "say sandbox"}, {"extra-build-chroot-dirs", "/etc", "say extra-sandbox-paths"}, {"build-timeout", "1", "say timeout"},
		{"external-builders", "[]", "keeps builds apart"}, {"binary-caches", "http://x?trusted=1", "say substituters"},
		{"!include", "/etc/passwd", "no name of a setting"}, {"Timeout", "1", "no name of a setting"}, {"", "1", "no name of a setting"},
		{"timeout", "1\nsandbox = false", "does not fit"}, {"timeout", "1 # 2", "does not fit"},
	} {
		err := CheckOption(c.name, c.value)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("CheckOption(%q, %q) = %v; want %q", c.name, c.value, err, c.says)
		}
	}
}
