package nix

import (
	"slices"
	"strings"
	"testing"
)

// TestConfText shows what follows from each field, and that the text is one setting a
// line, in order.
func TestConfText(t *testing.T) {
	full := Conf{
		ManyUsers: true, NoSandbox: true, ExtraPlatforms: []string{"aarch64-linux", "armv7l-linux"}, Shell: "/nix/store/x/bin/busybox",
		Substituters: []string{"https://a.test", "file:///b?trusted=1"}, TrustedKeys: []string{"a-1:AA==", "b-1:BB=="}, Cores: 3, Jobs: 2,
	}
	tests := []struct {
		name string
		conf Conf
		want []string
	}{
		{"one user", Conf{}, []string{
			"build-users-group = ", "require-drop-supplementary-groups = false", "sandbox = true", "sandbox-fallback = false", "filter-syscalls = true",
			"extra-platforms = ", "substituters = ", "trusted-public-keys = ", "cores = 0", "max-jobs = auto", "build-dir = /nix/var/nix/builds",
		}},
		{"many users", Conf{ManyUsers: true}, []string{"build-users-group = nixbld", "require-drop-supplementary-groups = true", "sandbox = true"}},
		{"all", full, []string{
			"sandbox = false", "sandbox-fallback = false", "extra-platforms = aarch64-linux armv7l-linux", "sandbox-paths = /bin/sh=/nix/store/x/bin/busybox",
			"substituters = https://a.test file:///b?trusted=1", "trusted-public-keys = a-1:AA== b-1:BB==", "cores = 3", "max-jobs = 2",
		}},
		{"options win", Conf{Cores: 3, Options: map[string]string{"cores": "7", "aaa": "a = b", "zzz": ""}}, []string{"aaa = a = b", "cores = 7", "zzz = "}},
	}
	for _, test := range tests {
		text, err := test.conf.Text()
		if err != nil {
			t.Errorf("%s: Text fails: %v", test.name, err)
			continue
		}
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		for _, want := range test.want {
			if !slices.Contains(lines, want) {
				t.Errorf("%s: Text = %s; want a line %q", test.name, text, want)
			}
		}
		var names []string
		for _, line := range lines {
			name, _, ok := strings.Cut(line, " = ")
			if names = append(names, name); !ok || strings.Contains(name, " ") {
				t.Errorf("%s: Text has the line %q", test.name, line)
			}
		}
		if !slices.IsSorted(names) || len(slices.Compact(names)) != len(names) {
			t.Errorf("%s: Text has the settings %q; want them in order and once each", test.name, names)
		}
	}
	if text, _ := (Conf{}).Text(); strings.Contains(text, "sandbox-paths") {
		t.Errorf("Text without a shell = %s; want no sandbox-paths", text)
	}
}

// TestConfTextRefuses shows that neither a name nor a value can bring in a line of
// its own.
func TestConfTextRefuses(t *testing.T) {
	evil := "x\nsandbox = false"
	tests := map[string]Conf{
		"substituter":    {Substituters: []string{"https://a.test", evil}},
		"key":            {TrustedKeys: []string{evil}},
		"platform":       {ExtraPlatforms: []string{evil}},
		"shell":          {Shell: evil},
		"value":          {Options: map[string]string{"a": evil}},
		"return":         {Options: map[string]string{"a": "x\rsandbox = false"}},
		"comment behind": {Options: map[string]string{"a": "https://a.test/#b"}}, // see testdata/golden/conf-comment.txt
		"NUL":            {Options: map[string]string{"a": "x\x00"}},
		"name":           {Options: map[string]string{evil: "x"}},
		"no name":        {Options: map[string]string{"": "x"}},
		"two words":      {Options: map[string]string{"include /x": ""}},
		"tab":            {Options: map[string]string{"a\tb": ""}},
		"comment":        {Options: map[string]string{"#a": ""}},
		"equals sign":    {Options: map[string]string{"a=b": ""}},
		"carriage in it": {Options: map[string]string{"a\r": ""}},
	}
	for name, conf := range tests {
		if got, err := conf.Text(); err == nil || got != "" {
			t.Errorf("%s: Text = %q, %v; want an error", name, got, err)
		}
	}
}

func TestAccounts(t *testing.T) {
	passwd, group := Accounts(false)
	if want := "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/var/empty:/bin/false\n"; passwd != want {
		t.Errorf("Accounts(false) = %q; want %q", passwd, want)
	}
	if want := "root:x:0:\nnogroup:x:65534:\n"; group != want {
		t.Errorf("Accounts(false) = …, %q; want %q", group, want)
	}

	passwd, group = Accounts(true)
	lines := strings.Split(strings.TrimSuffix(passwd, "\n"), "\n")
	names, ids := map[string]bool{}, map[string]bool{}
	var members []string
	for _, line := range lines {
		f := strings.Split(line, ":")
		if len(f) != 7 || names[f[0]] || ids[f[2]] {
			t.Fatalf("Accounts(true): line %q is not like passwd(5), or a name or id occurs twice", line)
		}
		names[f[0]], ids[f[2]] = true, true
		if f[3] == "30000" {
			members = append(members, f[0])
		}
	}
	if len(members) != 32 || !ids["30001"] || !ids["30032"] {
		t.Errorf("Accounts(true): build users %q; want 32 from uid 30001 on", members)
	}
	if want := "\nnixbld:x:30000:" + strings.Join(members, ",") + "\n"; !strings.Contains(group, want) {
		t.Errorf("Accounts(true) = …, %q; want %q in it", group, want)
	}
}
