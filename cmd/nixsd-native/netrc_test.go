package main

import (
	"slices"
	"testing"

	"nixsd-native/nix"
)

func TestNetrcLine(t *testing.T) {
	for _, tt := range []struct {
		in, want string
		bad      bool
	}{
		{"https://cache.test/x", "", false},
		{"https://joe:pa%40ss@cache.test:8443/x", "machine cache.test login joe password pa@ss\n", false},
		{"https://token@cache.test", "", true},
		{"https://joe:@cache.test", "", true},
		{"https://joe:a%20b@cache.test", "", true},
		{"https://joe:a%0amachine@cache.test", "", true},
		{"https://joe:%23a@cache.test", "", true},
	} {
		if got, err := netrcLine(tt.in); got != tt.want || (err != nil) != tt.bad {
			t.Errorf("netrcLine(%q) = %q, %v; want %q, error %t", tt.in, got, err, tt.want, tt.bad)
		}
	}
}

// Nix gets the logins by a file and the URLs without them; a setting of the user's stays.
func TestHideLogins(t *testing.T) {
	given := []string{"https://joe:pw@one.test", "https://two.test?priority=1"}
	w := workspace{netrc: (&cacheFlags{substituters: given}).netrc()}
	conf := nix.Conf{Substituters: given, Options: map[string]string{"cores": "1"}}
	w.hideLogins(&conf)
	if want := []string{"https://one.test", given[1]}; !slices.Equal(conf.Substituters, want) || conf.Options["netrc-file"] != insideNetrc || conf.Options["cores"] != "1" {
		t.Errorf("conf = %+v; want substituters %q", conf, want)
	}
	if given[0] != "https://joe:pw@one.test" || w.netrc != "machine one.test login joe password pw\n" {
		t.Errorf("given %q, netrc %q", given, w.netrc)
	}
}
