package fetch

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// A login in a URL is shown in no form of it, and what is shown stays as it is.
func FuzzRedactURL(f *testing.F) {
	f.Add("https", "joe", "pass:word/1", "host.test:8443", "/a@b?q=1")
	f.Add("http", "", "token", "[::1]", "")
	f.Fuzz(func(t *testing.T, scheme, name, password, host, path string) {
		login := url.UserPassword(name, password).String()
		s := scheme + "://" + login + "@" + host + path
		if len(login) < 4 || strings.ContainsAny(scheme, ":/?#@\"") {
			return
		}
		if u, err := url.Parse(s); err != nil || u.Host == "" {
			return // TestRedactURL has what does not parse
		}
		rest := scheme + host + path
		for what, shown := range map[string]string{
			"redactURL": redactURL(s), "hostOf": hostOf(s),
			"an error": redacted{&url.Error{Op: "Get", URL: s, Err: errors.New("refused")}}.Error(),
		} {
			if strings.Contains(shown, login) && !strings.Contains(rest, login) {
				t.Errorf("%s of %q shows %q", what, s, shown)
			}
		}
		if once := redactURL(s); redactURL(once) != once {
			t.Errorf("redactURL(%q) = %q, and of that %q", s, once, redactURL(once))
		}
	})
}

// An address of a proxy is taken as one or named as bad, and its login is not shown.
func FuzzProxies(f *testing.F) {
	f.Add("http://u:p@proxy.test:3128", "https://host.test/")
	f.Add("proxy.test", "http://localhost/")
	f.Add("ftp://x", "http://host.test/")
	f.Fuzz(func(t *testing.T, address, target string) {
		u, err := url.Parse(target)
		if err != nil || u.Host == "" {
			return
		}
		p := Proxies{HTTP: address, HTTPS: address}
		proxy, err := p.chooser()(u)
		if bad := p.Validate(); bad != nil && proxy != nil {
			t.Errorf("%q, of which Validate says %v, is used for %s", address, bad, target)
		}
		if err != nil && strings.Contains(fmt.Sprint(err), "@") && !strings.Contains(fmt.Sprint(err), hidden) {
			t.Errorf("the error of %q shows it: %v", address, err)
		}
	})
}
