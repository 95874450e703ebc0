package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nixsd-native/internal/testenv"
)

// A forecast tells what would be done, and stops what would take days.
func TestForecast(t *testing.T) {
	check := mustStay(t)
	p, _ := builds(t)
	u := user()
	const kernel = `derivation { name = "linux-6.6.6"; system = "aarch64-linux"; builder = "/bin/sh"; args = [ "-c" "echo > $out" ]; }`
	config := u.write(t, "forecast/sd-card.nix", sdCard(t, "sdImage.", "sdImage.postBuildCommands = \"# ${"+kernel+"}\";\n  sdImage."))
	args := buildArgs(t, u, p, "forecast-out", config)
	var f struct {
		Build []string
		Heavy []struct{ Name, What string }
		Free  int64 `json:"disk_free_bytes"`
	}
	r := must(t, job{as: u, args: append(args, "--dry-run", "--json")})
	if err := json.Unmarshal([]byte(r.out), &f); err != nil || !slices.Equal(f.Build, []string{rootfsName, "linux-6.6.6", imageName}) || len(f.Heavy) != 1 || f.Free < 1<<20 || len(r.built()) > 0 {
		t.Errorf("--dry-run --json = %s, %v, built %q", r.out, err, r.built())
	}
	if text := must(t, job{as: u, args: append(args, "--dry-run")}).out; !strings.Contains(text, "3 derivations to build") || !strings.Contains(text, "linux-6.6.6 (kernel)") {
		t.Errorf("--dry-run = %q", text)
	}
	run(t, job{as: u, args: append(args, "--log-format", "plain")}).mustBeClear(t, "a kernel", exitHost, "linux-6.6.6 (kernel)")
	must(t, job{as: u, args: append(args, "--allow-heavy")})
	if text := must(t, job{as: u, args: append(args, "--dry-run")}).out; !strings.HasPrefix(text, "nothing to fetch, nothing to build") {
		t.Errorf("--dry-run of what is there = %q", text)
	}
	check(t)
}

// Heavy work that a cache was to save, but does not, is not done unasked either.
func TestUnforeseen(t *testing.T) {
	check := mustStay(t)
	n := newNixOS(t)
	const kernel = `derivation { name = "linux-7.7.7"; system = "aarch64-linux"; builder = "/bin/sh"; args = [ "-c" "echo > $out" ]; }`
	path := strings.TrimSpace(must(t, job{as: n.caller, args: n.with("shell", "--demo", "-q", "--offline", "--", "sh", "-c",
		`p=$(nix-build --no-out-link -E "$1" 2>/dev/null) && nix copy --to file:///nix/var/e2e-heavy $p && nix-store --delete $p >/dev/null 2>&1; echo $p`, "sh", kernel)}).out)
	inState, cache := filepath.Join(n.state, "root/nix/var/e2e-heavy"), filepath.Join(lab(), "heavy-cache")
	output(t, testenv.NeedProgram(t, "cp"), "--recursive", inState, cache)
	defer os.RemoveAll(inState)
	defer os.RemoveAll(cache)
	n.ServeCache(cache)
	config := n.write(t, "unforeseen/sd-card.nix", sdCard(t, "sdImage.", "sdImage.postBuildCommands = \"# ${"+kernel+"}\";\n  sdImage."))
	dir := filepath.Dir(config)
	r := must(t, n.job(dir, n.build(t, "--dry-run", "--json")))
	if !strings.Contains(r.out, `"fetch_paths":1`) || !strings.Contains(r.out, `"heavy":[]`) {
		t.Fatalf("the forecast is %s; want that %s is fetched", r.out, path)
	}
	run(t, n.job(dir, n.build(t, "--log-format", "plain"))).mustBeClear(t, "an untrusted kernel", exitHost, "linux-7.7.7 (kernel)")
	must(t, n.job(dir, n.build(t, "--allow-heavy")))
	check(t)
}
