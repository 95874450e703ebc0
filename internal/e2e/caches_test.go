package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"nixsd-native/internal/upstream"
)

// A binaryCache is what nix copy made of a part of the user's store.
type binaryCache struct {
	dir string
	key string // NAME:BASE64, of its signatures
}

var cached fixture[binaryCache]

// inCache are the derivations, by name, whose results are in the binary cache: the
// packages, and none of what a configuration changes.
var inCache = []string{"busybox", "filesystem-tools", "linux", "openssh"}

// Made within the shell: the key's secret half and the cache go to /nix/var, which the
// host sees. 32 characters before the name tell linux from x86_64-linux.
const makeCache = `set -e
cd /nix/var
nix key generate-secret --key-name e2e-1 > e2e.sec
nix key convert-secret-to-public < e2e.sec
hash=$(printf '?%.0s' $(seq 32))
for name; do paths="$paths $(echo /nix/store/$hash-$name)"; done
nix copy --to 'file:///nix/var/e2e-cache?secret-key=/nix/var/e2e.sec&compression=xz&compression-level=1' $paths
rm e2e.sec`

// servedCache has the server serve the binary cache, and returns its key.
func (n nixos) servedCache(t *testing.T) (key string) {
	t.Helper()
	p, _ := builds(t)
	c := cached.get(t, func() (binaryCache, string, error) {
		r := run(t, job{as: n.caller, args: append(p.with("shell", "--demo", "-q", "--offline", "--", "sh", "-c", makeCache, "sh"), inCache...)})
		if r.status != 0 {
			t.Fatalf("nix copy = %d\n%s", r.status, r.errs)
		}
		made, dir := filepath.Join(p.state, "root/nix/var/e2e-cache"), filepath.Join(lab(), "binary-cache")
		copyTree(t, made, dir, n.uid)
		return binaryCache{dir, strings.TrimSpace(r.out)}, "", os.RemoveAll(made)
	})
	n.ServeCache(c.dir)
	return c.key
}

// alone is the environment of somebody who reaches this machine only, so that no test
// depends on the real cache.nixos.org. The file that hosts with a Nix of their own name
// knows other authorities.
func (n nixos) alone(t *testing.T) []string {
	return []string{
		"https_proxy=" + nobody, "HTTPS_PROXY=" + nobody, "no_proxy=127.0.0.1", "NO_PROXY=127.0.0.1",
		"NIX_SSL_CERT_FILE=" + n.otherAuthorities(t), "SSL_CERT_FILE=" + n.CAFile(),
	}
}

// otherAuthorities is a file of certificates, none of them the server's.
func (n nixos) otherAuthorities(t *testing.T) string {
	t.Helper()
	ca, err := upstream.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	return n.write(t, "certificates/ca.pem", string(ca))
}

// nobody is where nobody listens.
const nobody = "http://127.0.0.1:1"

// said reports whether an event of a kind has a text.
func (r result) said(kind, text string) bool {
	return slices.ContainsFunc(r.events, func(e event) bool { return e.Type == kind && strings.Contains(e.Text, text) })
}

// What a cache has is fetched and not built, what it fails to deliver is built, and the
// image is the same.
func TestCache(t *testing.T) {
	check := mustStay(t)
	n := newNixOS(t)
	key := n.servedCache(t)
	n.state = filepath.Join(n.home, "cache-state")
	dir := filepath.Dir(n.write(t, "cache/sd-card.nix", sdCard(t)))
	const lost = "filesystem-tools"
	n.Break(narOf(t, lost), upstream.NotFound())
	j := n.job(dir, n.build(t, "--trusted-public-key", key))
	j.env = n.alone(t)
	r := must(t, j)
	if want := manifestIn(t, filepath.Join(n.home, "first")); manifestIn(t, filepath.Join(dir, "out")).SHA256 != want.SHA256 {
		t.Error("with the cache the image is another one than without")
	}
	for _, name := range r.built() {
		if slices.Contains(inCache, name) && name != lost {
			t.Errorf("%s was built; the cache has it", name)
		}
	}
	if !slices.Contains(r.built(), imageName) || !slices.Contains(r.built(), lost) || n.asked("GET /cache/nar/") < len(inCache) {
		t.Errorf("built %q, asked for %d NARs", r.built(), n.asked("GET /cache/nar/"))
	}
	if !r.said("warning", "the binary cache https://cache.nixos.org is left out: ") || !r.said("note", " store paths to fetch") {
		t.Errorf("neither the cache left out nor the forecast was told: %+v", r.events)
	}
	n.checkCacheRecord(t, filepath.Join(dir, "out"), len(r.built()))
	check(t)
}

// narOf is the name of the NAR of the store path with a name.
func narOf(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(lab(), "binary-cache")
	for _, file := range listing(t, dir) {
		data, _ := os.ReadFile(filepath.Join(dir, file)) // folders have no text
		if strings.Contains(string(data), "-"+name+"\nURL: ") {
			_, rest, _ := strings.Cut(string(data), "URL: nar/")
			return strings.Fields(rest)[0]
		}
	}
	t.Fatalf("the cache has no %s", name)
	return ""
}

// checkCacheRecord looks at what the manifest in a folder says of caches, one of whose
// NARs could not be fetched.
func (n nixos) checkCacheRecord(t *testing.T, dir string, built int) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, strings.TrimSuffix(imageName, ".img")+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Cache struct {
			Substituters []string
			Fetched      int     `json:"fetched_paths"`
			Built        int     `json:"built_derivations"`
			Rate         float64 `json:"hit_rate"`
		}
	}
	err = json.Unmarshal(data, &m)
	c := m.Cache
	if err != nil || !slices.Equal(c.Substituters, []string{n.CacheURL()}) || c.Fetched != n.asked("GET /cache/nar/")-1 || c.Built != built || c.Rate != float64(c.Fetched)/float64(c.Fetched+c.Built) {
		t.Errorf("the manifest says %+v, %v; built were %d", c, err, built)
	}
}

// getBusybox gets the demo's smallest package, says whether Nix built it, which is what
// "ultimate" means, checks it, and removes it with what Nix remembers of caches.
const getBusybox = `exec 2>&1
path=$(nix-build '<nixpkgs>' -A busybox --no-out-link) &&
nix path-info --json $path &&
nix-store --verify-path $path &&
nix-store --delete $path &&
rm -rf $HOME/.cache`

// A cacheCase is a cache with something wrong, and what becomes of a build.
type cacheCase struct {
	name  string
	wrong func()   // done to the server; nil for nothing
	flags []string // --substituter and --trusted-public-key
	built bool     // and not fetched
	nars  int      // requests for NARs
	says  string   // a warning, or Nix
}

// Whatever is wrong with a cache, the build gets what it needs: nothing that is not
// signed or not whole, and what a cache fails to deliver is built.
func TestCacheFaults(t *testing.T) {
	check := mustStay(t)
	n := newNixOS(t)
	key := n.servedCache(t)
	n.state = filepath.Join(n.home, "cache-faults-state")
	var ranges rangeSpy
	for _, c := range append(n.cacheFaults(t, key, &ranges), n.cacheChoices(key)...) {
		t.Run(c.name, func(t *testing.T) { n.tryCache(t, c) })
	}
	if ranges.count() != 1 {
		t.Errorf("%d requests were for the rest of a NAR; want one, after it broke off", ranges.count())
	}
	check(t)
}

// cacheFaults are what can be wrong with what a cache has.
func (n nixos) cacheFaults(t *testing.T, key string, ranges *rangeSpy) []cacheCase {
	t.Helper()
	nar := func(f upstream.Fault) func() { return func() { n.Break("/cache/nar/*", f) } }
	rewrite := func(f func(string) string) func() { return func() { n.RewriteNarinfo(f) } }
	untrusted := "not signed by any of the keys"
	unsigned := func(text string) string { return regexp.MustCompile(`(?m)^Sig: .*\n`).ReplaceAllString(text, "") }
	trust := func(key string) []string { return []string{"--substituter", n.CacheURL(), "--trusted-public-key", key} }
	return []cacheCase{
		{"good", nil, trust(key), false, 1, ""},
		{"slow", nar(upstream.Slow(512 << 10)), trust(key), false, 1, ""},
		{"dies", nar(ranges.over(upstream.Dies())), trust(key), false, 2, "retrying from offset"},
		{"truncated", nar(upstream.Truncated()), trust(key), true, 5, "retrying from offset"},
		{"corrupted", nar(upstream.Corrupted()), trust(key), true, 1, "orrupt"},
		{"another NAR", rewrite(anotherNAR(t)), trust(key), true, 1, "hash mismatch"},
		{"no NAR", nar(upstream.NotFound()), trust(key), true, 1, "does not exist in binary cache"},
		{"no narinfo", func() { n.Break("*.narinfo", upstream.NotFound()) }, trust(key), true, 0, ""},
		{"unsigned", rewrite(unsigned), trust(key), true, 0, untrusted},
		{"wrongly signed", nil, trust("e2e-1:" + strings.Repeat("A", 43) + "="), true, 0, untrusted},
		{"key not trusted", nil, trust(key)[:2], true, 0, untrusted},
	}
}

// cacheChoices are caches that are left out, but for the last one, which stays as it is
// the only one.
func (n nixos) cacheChoices(key string) []cacheCase {
	good := []string{"--substituter", n.CacheURL(), "--trusted-public-key", key}
	dead := []string{"--substituter", nobody}
	foreign := func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		io.WriteString(w, "StoreDir: /gnu/store\n")
	}
	return []cacheCase{
		{"one dead", nil, append(dead, good...), false, 1, nobody + " is left out: "},
		{"all dead", nil, dead, true, 0, nobody + " is left out: "},
		{"of another store", func() { n.Break("nix-cache-info", foreign) }, good, true, 0, `is left out: it is for the store "/gnu/store"`},
		{"no cache", func() { n.Break("nix-cache-info", upstream.NotFound()) }, good, true, 0, n.CacheURL() + " is left out: 404"},
		{distrusting, nil, good, true, 0, "certificate signed by unknown authority; no authority this system trusts has signed the certificate; if a proxy inspects TLS, name its certificate file: export SSL_CERT_FILE="},
		{theOnlyOne, nil, dead, true, 0, "the only binary cache, " + nobody + ", does not answer: "},
	}
}

// Cases of cacheChoices that are run in other ways.
const (
	distrusting = "unknown authority"
	theOnlyOne  = "only one, dead" // for the demo, as NixOS has its own cache
)

// anotherNAR lets a narinfo, whose signature does not cover the file's name, lead to
// the NAR of another store path.
func anotherNAR(t *testing.T) func(text string) string {
	names := listing(t, filepath.Join(lab(), "binary-cache", "nar"))
	return func(text string) string {
		i := slices.IndexFunc(names, func(name string) bool { return !strings.Contains(text, name) })
		return regexp.MustCompile(`(?m)^URL: .*`).ReplaceAllString(text, "URL: nar/"+names[i])
	}
}

// tryCache gets a package that the store lacks.
func (n nixos) tryCache(t *testing.T, c cacheCase) {
	n.Mend()
	n.RewriteNarinfo(nil)
	n.Forget()
	if c.wrong != nil {
		c.wrong()
	}
	args := n.args("shell", c.flags...)
	if c.name == theOnlyOne {
		args = append(n.with("shell", "--demo", "--log-format", "json"), c.flags...)
	}
	j := n.job(n.folder(t, "cache-faults"), append(args, "--", "sh", "-c", getBusybox))
	j.env = n.alone(t)
	if c.name == distrusting {
		j.env = append(j.env, "SSL_CERT_FILE="+n.otherAuthorities(t))
	}
	r := run(t, j)
	if r.status != 0 || strings.Contains(r.out, `"ultimate":true`) != c.built || strings.Contains(r.out, `"signatures":["e2e-1:`) == c.built {
		t.Errorf("status %d, want busybox built: %t\n%s\n%s", r.status, c.built, r.out, r.errs)
	}
	if nars := n.asked("GET /cache/nar/"); nars != c.nars {
		t.Errorf("%d requests for NARs; want %d: %q", nars, c.nars, n.Requests())
	}
	if !r.said("warning", c.says) && !strings.Contains(r.out, c.says) {
		t.Errorf("nobody said %q\n%s\n%s", c.says, r.errs, r.out)
	}
}

// A rangeSpy counts requests for a part.
type rangeSpy struct{ n atomic.Int32 }

// over returns a fault that counts, too.
func (s *rangeSpy) over(f upstream.Fault) upstream.Fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Header.Get("Range") != "" {
			s.n.Add(1)
		}
		f(w, r, next)
	}
}

func (s *rangeSpy) count() int { return int(s.n.Load()) }
