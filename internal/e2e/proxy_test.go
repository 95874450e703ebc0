package e2e

import (
	"bytes"
	"encoding/base64"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nixsd-native/internal/upstream"
	"nixsd-native/nix"
)

// Logins that must not be seen anywhere: of the proxy, and of a binary cache.
const (
	proxyLogin = "alice:S3kr1t/p@ss"
	cacheLogin = "bob:T0p-s3cret"
)

// renamed has everything of the server's at names that only a proxy knows, the Nix
// tarball by http.
func (n nixos) renamed(args []string) []string {
	names := strings.NewReplacer(
		n.ReleasesURL(), "http://releases.nixsd.test/releases",
		n.ChannelsURL(), "https://channels.nixsd.test/channels",
		n.CacheURL(), "https://"+cacheLogin+"@cache.nixsd.test/cache",
	)
	all := slices.Clone(args)
	for i := range all {
		all[i] = names.Replace(all[i])
	}
	return all
}

// behind is the environment of somebody who reaches nothing but a proxy. The variables
// are those that other programs have; what the tests themselves run with is taken back.
func (n nixos) behind(proxy string) []string {
	env := []string{"HTTP_PROXY=" + proxy, "https_proxy=" + proxy, "CURL_CA_BUNDLE=" + n.CAFile()}
	for _, name := range []string{"http_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY", "SSL_CERT_FILE", "NIX_SSL_CERT_FILE"} {
		env = append(env, name+"=")
	}
	return env
}

// All that a build needs, also what Nix fetches in the sandbox, comes through a proxy,
// from names that nobody else can resolve; of two mirrors the second one has the channel.
// No login is seen or kept anywhere.
func TestProxy(t *testing.T) {
	check := mustStay(t)
	n := newNixOS(t)
	key := n.servedCache(t)
	proxy := upstream.StartProxy(t, n.Server, proxyLogin)
	packages, err := filepath.Glob(filepath.Join(n.cache, "*.deb")) // which the demo's channel reads from there
	n, dir := n.fresh(t, "proxy")
	for _, file := range packages {
		if err == nil && os.Link(file, filepath.Join(n.cache, filepath.Base(file))) != nil {
			_, err = os.Stat(filepath.Join(n.cache, filepath.Base(file))) // the emulator's is there
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	n.Break("/cache/*", wantsLogin)
	n.Break("/cache/nar/*", wantsLogin)
	n.write(t, "upstream-proxy/sd-card.nix", sdCard(t))
	args := n.renamed(n.build(t, "--trusted-public-key", key))
	j := n.job(dir, append(args, "--channel-mirror", "https://channels.nixsd.test/none", "-v"))
	i := slices.Index(j.args, "--channel-mirror")
	j.args[i+1], j.args[len(j.args)-2] = j.args[len(j.args)-2], j.args[i+1]
	j.env = n.behind(proxy.URL(proxyLogin))
	r := must(t, j)
	for _, name := range r.built() {
		if slices.Contains(inCache, name) {
			t.Errorf("%s was built; the cache has it", name)
		}
	}
	asked := strings.Join(proxy.Requests(), "\n")
	for _, host := range []string{"GET http://releases.nixsd.test/releases/nix/", "CONNECT channels.nixsd.test:443", "CONNECT cache.nixsd.test:443"} {
		if !strings.Contains(asked, host) {
			t.Errorf("nothing went through the proxy as %s:\n%s", host, asked)
		}
	}
	if n.asked("GET /none/") == 0 || n.asked("GET /channels/") == 0 || n.asked("GET /cache/nar/") < len(inCache) {
		t.Errorf("asked %q; want both mirrors and NARs", n.Requests())
	}
	n.checkNoLogins(t, r, dir)
	l := lockIn(t, dir)
	if nixURL := l.Nix[nativeArch()].URL; !strings.HasPrefix(l.Nixpkgs.URL, "https://channels.nixsd.test/releases/") || !strings.HasPrefix(nixURL, "http://releases.nixsd.test/") {
		t.Errorf("the lock has %+v", l)
	}
	t.Run("no login", func(t *testing.T) { n.proxyRefuses(t, proxy.URL("")) })
	t.Run("wrong login", func(t *testing.T) { n.proxyRefuses(t, proxy.URL(proxyLogin+"-not")) })
	check(t)
}

// wantsLogin is a binary cache that is not for everybody.
func wantsLogin(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if name, password, _ := r.BasicAuth(); name+":"+password != cacheLogin {
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	next.ServeHTTP(w, r)
}

// proxyRefuses runs a fetch behind a proxy that wants another login.
func (n nixos) proxyRefuses(t *testing.T, proxy string) {
	n, dir := n.fresh(t, "refused")
	j := n.job(dir, n.renamed(n.fetch()))
	j.env = n.behind(proxy)
	r := run(t, j)
	r.mustBeClear(t, "refused", exitNetwork, "the proxy answers 407 Proxy Authentication Required")
	if !strings.Contains(r.errs, "hint: the proxy wants a name and password") {
		t.Errorf("no hint says so:\n%s", r.errs)
	}
	n.checkNoLogins(t, r, dir)
	mustNotLock(t, dir)
}

// checkNoLogins looks for logins in all that a run has printed and written.
func (n nixos) checkNoLogins(t *testing.T, r result, dir string) {
	t.Helper()
	var secrets [][]byte
	for _, login := range []string{proxyLogin, cacheLogin} {
		_, password, _ := strings.Cut(login, ":")
		secrets = append(secrets, []byte(password), []byte(base64.StdEncoding.EncodeToString([]byte(login))))
	}
	secrets = append(secrets, []byte("S3kr1t%"))
	look := func(where string, data []byte) {
		for _, secret := range secrets {
			if i := bytes.Index(data, secret); i >= 0 {
				t.Errorf("%s has a login: %q", where, data[max(i-60, 0):i+len(secret)])
			}
		}
	}
	look("standard output", []byte(r.out))
	look("standard error", []byte(r.errs))
	seen := 0
	for _, top := range []string{dir, n.state, n.cache} {
		filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || strings.HasSuffix(path, ".img") {
				return nil
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Error(err)
			}
			look(path, data)
			seen++
			return nil
		})
	}
	if seen == 0 {
		t.Errorf("nothing was written to %s, %s and %s", dir, n.state, n.cache)
	}
}

// A file of authorities that cannot be used is told with its variable.
func TestBadCertificates(t *testing.T) {
	check := mustStay(t)
	n := newNixOS(t)
	none := filepath.Join(n.home, "none.pem")
	for variable, file := range map[string]string{"CURL_CA_BUNDLE": none, "SSL_CERT_FILE": n.write(t, "empty.pem", "no certificate\n")} {
		n, dir := n.fresh(t, "bad-certificates")
		j := n.job(dir, n.fetch())
		j.env = append(n.behind(nobody), variable+"="+file)
		run(t, j).mustBeClear(t, variable, exitUsage, variable+"="+file+": ")
		if _, err := os.Stat(filepath.Join(dir, nix.LockName)); err == nil {
			t.Error("there is a lock")
		}
	}
	check(t)
}
