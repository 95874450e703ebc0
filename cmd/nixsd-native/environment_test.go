package main

import (
	"slices"
	"strings"
	"testing"

	"nixsd-native/internal/fetch"
)

func TestEnvironmentList(t *testing.T) {
	e := environment{"A": "1", "EMPTY": "", "LINES": "a\nb=c"}
	for _, tt := range []struct{ names, want []string }{
		{nil, nil},
		{[]string{"NONE"}, nil},
		{[]string{"LINES", "EMPTY", "NONE", "A"}, []string{"LINES=a\nb=c", "EMPTY=", "A=1"}},
	} {
		if got := e.list(tt.names); !slices.Equal(got, tt.want) {
			t.Errorf("list(%q) = %q; want %q", tt.names, got, tt.want)
		}
	}
}

func TestEnvironmentFirst(t *testing.T) {
	e := environment{"A": "1", "B": "2", "EMPTY": ""}
	for _, tt := range []struct {
		names []string
		want  string
	}{
		{nil, ""},
		{[]string{"NONE", "EMPTY"}, ""},
		{[]string{"EMPTY", "B", "A"}, "2"},
		{[]string{"A", "B"}, "1"},
	} {
		if got := e.first(tt.names...); got != tt.want {
			t.Errorf("first(%q) = %q; want %q", tt.names, got, tt.want)
		}
	}
}

func TestHostEnvironment(t *testing.T) {
	t.Setenv("NIXSD_TEST_EQUALS", "a=b=c")
	t.Setenv("NIXSD_TEST_EMPTY", "")
	e := hostEnvironment()
	empty, ok := e["NIXSD_TEST_EMPTY"]
	if got := e["NIXSD_TEST_EQUALS"]; got != "a=b=c" || empty != "" || !ok {
		t.Errorf("hostEnvironment() has %q and %q, %v; want what is set", got, empty, ok)
	}
}

// The small names win, as curl has it.
func TestProxies(t *testing.T) {
	const one, two, three = "http://one.test:3128", "http://two.test:3128", "socks5://three.test:1080"
	for _, tt := range []struct {
		env  environment
		want fetch.Proxies
	}{
		{environment{}, fetch.Proxies{}},
		{environment{"http_proxy": one, "https_proxy": two, "no_proxy": ".test"}, fetch.Proxies{HTTP: one, HTTPS: two, No: ".test"}},
		{environment{"HTTP_PROXY": one, "HTTPS_PROXY": two, "NO_PROXY": "*"}, fetch.Proxies{HTTP: one, HTTPS: two, No: "*"}},
		{environment{"https_proxy": one, "HTTPS_PROXY": two, "no_proxy": "a", "NO_PROXY": "b"}, fetch.Proxies{HTTPS: one, No: "a"}},
		{environment{"all_proxy": three}, fetch.Proxies{HTTP: three, HTTPS: three}},
		{environment{"ALL_PROXY": three, "http_proxy": one}, fetch.Proxies{HTTP: one, HTTPS: three}},
		{environment{"HTTP_PROXY": one, "ALL_PROXY": three}, fetch.Proxies{HTTP: one, HTTPS: three}},
		{environment{"HTTP_PROXY": one, "http_proxy": two}, fetch.Proxies{HTTP: two}},
		{environment{"http_proxy": "", "all_proxy": "", "ALL_PROXY": three}, fetch.Proxies{HTTP: three, HTTPS: three}},
		{environment{"ftp_proxy": one}, fetch.Proxies{}},
	} {
		if got := tt.env.proxies(); got != tt.want {
			t.Errorf("proxies of %q = %+v; want %+v", tt.env, got, tt.want)
		}
	}
}

// A CGI's client sets HTTP_PROXY by a header "Proxy", so it is not believed there.
func TestProxyOfCGI(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://evil.test")
	if e := hostEnvironment(); e["HTTP_PROXY"] == "" {
		t.Error("HTTP_PROXY is gone")
	}
	t.Setenv("REQUEST_METHOD", "GET")
	if e := hostEnvironment(); e["HTTP_PROXY"] != "" {
		t.Error("HTTP_PROXY is believed in a CGI's environment")
	}
}

// Nix's curl knows http_proxy in small letters only.
func TestProxiesInside(t *testing.T) {
	for _, tt := range []struct {
		env  environment
		want []string
	}{
		{environment{}, nil},
		{environment{"HTTP_PROXY": "a", "no_proxy": "b"}, []string{"no_proxy=b", "HTTP_PROXY=a", "http_proxy=a"}},
		{environment{"HTTP_PROXY": "a", "http_proxy": "b"}, []string{"http_proxy=b", "HTTP_PROXY=a"}},
		{environment{"HTTP_PROXY": "a", "http_proxy": "", "no_proxy": ""}, []string{"HTTP_PROXY=a", "http_proxy=a"}},
		{environment{"https_proxy": "a", "ALL_PROXY": "b"}, []string{"https_proxy=a", "ALL_PROXY=b"}},
	} {
		if got := tt.env.inside(); !slices.Equal(got, tt.want) {
			t.Errorf("inside of %q = %q; want %q", tt.env, got, tt.want)
		}
	}
}

func TestDirs(t *testing.T) {
	for _, tt := range []struct {
		env          environment
		root         bool
		state, cache string
	}{
		{environment{"HOME": "/root", "XDG_STATE_HOME": "/s", "XDG_CACHE_HOME": "/c"}, true, "/var/lib/nixsd-native", "/var/cache/nixsd-native"},
		{environment{}, true, "/var/lib/nixsd-native", "/var/cache/nixsd-native"},
		{environment{"HOME": "/home/a"}, false, "/home/a/.local/state/nixsd-native", "/home/a/.cache/nixsd-native"},
		{environment{"HOME": "/home/a", "XDG_STATE_HOME": "/s/", "XDG_CACHE_HOME": "/c"}, false, "/s/nixsd-native", "/c/nixsd-native"},
		{environment{"HOME": "/home/a", "XDG_STATE_HOME": "s", "XDG_CACHE_HOME": "./c"}, false, "/home/a/.local/state/nixsd-native", "/home/a/.cache/nixsd-native"},
		{environment{"HOME": "/home/a", "XDG_STATE_HOME": "", "XDG_CACHE_HOME": "/c/../d"}, false, "/home/a/.local/state/nixsd-native", "/d/nixsd-native"},
		{environment{"XDG_CACHE_HOME": "/c"}, false, "", "/c/nixsd-native"},
		{environment{"HOME": "home"}, false, "", ""},
		{environment{}, false, "", ""},
	} {
		if state, cache := tt.env.dirs(tt.root); state != tt.state || cache != tt.cache {
			t.Errorf("dirs(%v) of %q = %q, %q; want %q, %q", tt.root, tt.env, state, cache, tt.state, tt.cache)
		}
	}
}

// The worker gets proxies, certificates, terminal and language, and nothing that
// changes how programs are loaded or found.
func TestPassedOn(t *testing.T) {
	for _, name := range slices.Concat(proxyVariables, certificateVariables, []string{"TERM", "LANG", "NO_COLOR"}) {
		if !slices.Contains(passedOn, name) {
			t.Errorf("passedOn lacks %s", name)
		}
	}
	for _, name := range passedOn {
		for _, never := range []string{"LD_", "GO", "PATH", "HOME", "SUDO", "XDG_", "NIX_PATH", "TMPDIR"} {
			if strings.HasPrefix(name, never) {
				t.Errorf("passedOn has %s", name)
			}
		}
	}
	if len(slices.Compact(slices.Sorted(slices.Values(passedOn)))) != len(passedOn) {
		t.Errorf("passedOn = %q; want each once", passedOn)
	}
}
