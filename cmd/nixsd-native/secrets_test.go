package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestLoginsIn(t *testing.T) {
	for _, tt := range []struct {
		arg  string
		want []string
	}{
		{"--substituter", nil},
		{"https://cache.test/a@b", nil},
		{"https://u:p@cache.test/a@b", []string{"u:p"}},
		{"--substituter=https://u:p@cache.test", []string{"u:p"}},
		{"git+https://token@host.test/x", []string{"token"}},
		{"ssh-ng://builder@host.test aarch64-linux", nil},
		{"s3://u:p@bucket", []string{"u:p"}},
		{"http://a:b@one.test http://c:d@two.test", []string{"a:b", "c:d"}},
		{"http://u:p@q@host.test/", []string{"u:p@q"}},
		{"http://u:p/q@host.test/", []string{"u:p/q"}},
		{"http://u@host.test:x y@z", []string{"u"}},
		{"http://@host.test", nil},
	} {
		if got := loginsIn(tt.arg); !slices.Equal(got, tt.want) {
			t.Errorf("loginsIn(%q) = %q; want %q", tt.arg, got, tt.want)
		}
	}
}

// Whatever form a login has in what is printed, it is not seen; everything else is.
func TestSecretsHidden(t *testing.T) {
	const password = `S3/kr"1t<&>ü`
	env := environment{
		"http_proxy":  "http://alice:" + url.QueryEscape(password) + "@proxy.test:3128",
		"HTTPS_PROXY": "bob:pw@proxy.test:3128", // no scheme
		"no_proxy":    "kept@home.test",
	}
	args := []string{"build", "--substituter", "https://ghp_0123456789@cache.test/x", "--debian-mirror=http://carol:swordfish@mirror.test/debian"}
	var b bytes.Buffer
	w := findSecrets(env, args).hide(&b)
	inJSON, _ := json.Marshal("alice:" + password)
	for _, text := range []string{
		env["http_proxy"], env["HTTPS_PROXY"], args[2], args[3], password, string(inJSON),
		url.UserPassword("alice", password).String(), url.PathEscape(password), percentDigits.ReplaceAllStringFunc(url.QueryEscape(password), strings.ToLower),
		"Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("alice:"+password)),
		fmt.Sprintf("%q", "alice:"+password),
	} {
		b.Reset()
		if n, err := fmt.Fprintf(w, "before %s after\n", text); err != nil || n != len(text)+len("before  after\n") {
			t.Errorf("Write = %d, %v", n, err)
		}
		got := b.String()
		if !strings.HasPrefix(got, "before ") || !strings.HasSuffix(got, " after\n") || !strings.Contains(got, hidden) {
			t.Errorf("of %q there is %q; want the secret hidden and the rest kept", text, got)
		}
		for _, secret := range []string{"kr", "bob:pw", "ghp_", "swordfish"} {
			if strings.Contains(got, secret) {
				t.Errorf("of %q there is %q", text, got)
			}
		}
	}
	b.Reset()
	const kept = `{"type":"phase","phase":"build"} kept@home.test alice bob pw swordfish.img`
	if fmt.Fprint(w, kept); b.String() != kept {
		t.Errorf("%q became %q; want it as it was", kept, b.String())
	}
}

// Without a login there is nothing between the program and its streams.
func TestNoSecrets(t *testing.T) {
	var b bytes.Buffer
	if w := findSecrets(environment{"http_proxy": "http://proxy.test:3128"}, []string{"build", "https://host.test/a@b"}).hide(&b); w != &b {
		t.Errorf("hide = %T; want the writer itself", w)
	}
}

func TestWithoutLogin(t *testing.T) {
	for in, want := range map[string]string{
		"https://u:p@host.test/a?b=c": "https://host.test/a?b=c",
		"https://u@host.test":         "https://host.test",
		"https://host.test/a@b":       "https://host.test/a@b",
		"/home/a@b/nix.tar.xz":        "/home/a@b/nix.tar.xz",
		"26.05":                       "26.05",
		"":                            "",
	} {
		if got := withoutLogin(in); got != want {
			t.Errorf("withoutLogin(%q) = %q; want %q", in, got, want)
		}
	}
}

// A lock has no logins, so a flag's is used for the host that it is about, and no other.
func TestWithLogin(t *testing.T) {
	w := &workspace{nixos: &nixosFlags{tarball: "https://u:p@host.test/nix.tar.xz"}, sources: &sourceFlags{}}
	in := []string{"https://host.test/nix.tar.xz", "http://host.test/x", "https://other.test/nix.tar.xz", "https://me:x@host.test/y"}
	want := slices.Clone(in)
	want[0] = w.nixos.tarball
	if got := w.withLogin(in); !slices.Equal(got, want) {
		t.Errorf("withLogin(%q) = %q; want %q", in, got, want)
	}
	if asked := w.nixos.asked(w.sources)["nix"]; asked != in[0] {
		t.Errorf("the lock would have %q; want %q", asked, in[0])
	}
}
