package upstream

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// What is asked for by a name that only the proxy knows comes from the server; who does
// not log in, and other hosts, get nothing.
func TestProxy(t *testing.T) {
	s, c := start(t)
	p := StartProxy(t, s, "joe:pa/ss")
	through := func(login string) *http.Client {
		u, err := url.Parse(p.URL(login))
		if err != nil {
			t.Fatal(err)
		}
		tr := c.Transport.(*http.Transport).Clone()
		tr.Proxy = http.ProxyURL(u)
		t.Cleanup(tr.CloseIdleConnections)
		return &http.Client{Transport: tr, CheckRedirect: c.CheckRedirect}
	}
	in := through("joe:pa/ss")
	const file = "channels.nixsd.test/channels/nixos-26.05/git-revision"
	want(t, in, "https://"+file, 302, "", "Location: https://channels.nixsd.test/releases/nixos/26.05/nixos-26.05.1000."+FirstRevision[:12]+"/git-revision")
	want(t, in, "http://cache.nixsd.test/cache/nix-cache-info", 200, "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n")
	want(t, in, "http://elsewhere.test/", 502, "no such host\n")
	want(t, through("joe:wrong"), "http://"+file, 407, "who are you?\n")
	if _, err := through("").Get("https://" + file); err == nil || !strings.Contains(err.Error(), "Proxy Authentication Required") {
		t.Errorf("without a login: %v", err)
	}
	if got, want := p.Requests(), []string{"CONNECT channels.nixsd.test:443", "GET http://cache.nixsd.test/cache/nix-cache-info"}; !slices.Equal(got, want) {
		t.Errorf("the proxy has passed on %q; want %q", got, want)
	}
}
