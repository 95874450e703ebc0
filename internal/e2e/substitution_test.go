package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nixsd-native/internal/testenv"
)

// What the caches of TestSubstitutionSpeed hold, and how far away they are.
const (
	smallPaths = 400
	distance   = 50 * time.Millisecond // from a request to its answer
)

// far is a fault that delays every answer, as a long way does.
func far(w http.ResponseWriter, r *http.Request, next http.Handler) {
	time.Sleep(distance)
	next.ServeHTTP(w, r)
}

// The settings for binary caches in our nix.conf are no slower than Nix's own, and
// faster where a closure has many small paths. The figures are what nix/conf.go rests
// on; -v prints them.
func TestSubstitutionSpeed(t *testing.T) {
	check := mustStay(t)
	n := newNixOS(t)
	cache, list := n.smallCache(t)
	n.ServeCache(cache)
	n.Break("/cache/*", far)
	n.Break("/cache/nar/*", far)
	const settings = "http-connections = %d\nmax-substitution-jobs = %d"
	took := map[string]time.Duration{}
	for _, c := range []struct{ name, settings string }{
		{"ours", ""},
		{"Nix's own", fmt.Sprintf(settings, 25, 16)},
		{"half of ours", fmt.Sprintf(settings, 32, 16)},
		{"twice ours", fmt.Sprintf(settings, 128, 64)},
	} {
		took[c.name] = n.substitute(t, list, c.settings)
		t.Logf("%d paths from a cache %v away, %-12s: %.2f s", smallPaths, distance, c.name, took[c.name].Seconds())
	}
	if took["ours"] > took["Nix's own"]*11/10 {
		t.Errorf("with our settings it takes %v, with Nix's own %v", took["ours"], took["Nix's own"])
	}
	check(t)
}

// smallCache makes an unsigned cache of small store paths, which are named in the list.
func (n nixos) smallCache(t *testing.T) (dir string, list []string) {
	t.Helper()
	script := fmt.Sprintf(`mkdir /tmp/s && cd /tmp/s && for i in $(seq %d); do echo "$i" > small-$i; done
		p=$(nix-store --add *) && nix copy --to 'file:///nix/var/e2e-small?compression=none' $p 2>/dev/null && echo "$p"`, smallPaths)
	out := must(t, job{as: n.caller, args: n.with("shell", "--demo", "-q", "--offline", "--", "sh", "-c", script)}).out
	list = strings.Fields(out)
	inState := filepath.Join(n.state, "root", "nix", "var", "e2e-small")
	dir = filepath.Join(lab(), "small-cache")
	output(t, testenv.NeedProgram(t, "cp"), "--recursive", inState, dir)
	t.Cleanup(func() { os.RemoveAll(inState); os.RemoveAll(dir) })
	if len(list) != smallPaths {
		t.Fatalf("the cache has %d paths; want %d: %.300s", len(list), smallPaths, out)
	}
	return dir, list
}

// substitute fetches store paths into an empty store and returns the seconds that Nix
// took.
func (n nixos) substitute(t *testing.T, list []string, settings string) time.Duration {
	t.Helper()
	fresh := n
	fresh.state += "-substitute"
	defer func() { must(t, job{as: n.caller, args: fresh.with("clean", "--store")}) }()
	script := `export NIX_CONFIG="$NIX_CONFIG
require-sigs = false
` + settings + `"
time -f 'took %e' nix-store --realise $1 > /dev/null 2> /tmp/said && sed -n 's/^took //p' /tmp/said || tail /tmp/said`
	args := fresh.args("shell", "-q", "--substituter", n.CacheURL(), "--", "sh", "-c", script, "sh", strings.Join(list, " "))
	r := must(t, n.job(n.folder(t, "substitute"), args))
	var seconds float64
	if _, err := fmt.Sscan(r.out, &seconds); err != nil {
		t.Fatalf("it printed %.500q: %v", r.out, err)
	}
	return time.Duration(seconds * float64(time.Second))
}
