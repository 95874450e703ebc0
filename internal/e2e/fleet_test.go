package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"nixsd-native/internal/testenv"
)

// A folder of configurations is built in one run over one store: each image is the one
// that a run of its own makes, and bad ones do not stop the others.
func TestFleet(t *testing.T) {
	check := mustStay(t)
	p, _ := builds(t)
	u := user()
	u.write(t, "fleet/notes.txt", "no configuration")
	u.write(t, "fleet/plain/sd-card.nix", sdCard(t))
	u.write(t, "fleet/second/sd-card.nix", hostNamed(t, "second"))
	u.write(t, "fleet/bad.nix", "{ imports = [ ./missing.nix ]; }")
	u.write(t, "fleet/breaks.nix", afterImage(t, "echo it breaks; exit 3"))
	u.write(t, "fleet/nobody.nix", sdCard(t)) // like plain, but of another name
	args := buildArgs(t, u, p, "fleet-out", filepath.Join(u.home, "fleet"))
	r := run(t, job{as: u, args: append(args, "--json")})
	if r.status != exitBuild || !r.said("error", "2 of 5 images failed: ") {
		t.Fatalf("status %d, %s\n%s", r.status, r.out, r.errs)
	}
	got := fleetImages(t, r.out)
	first := manifestIn(t, filepath.Join(u.home, "first"))
	if got["plain"].SHA256 != first.SHA256 || testenv.SHA256(t, got["plain"].Path) != first.SHA256 {
		t.Errorf("plain is %+v; want the image of a run of its own, %s", got["plain"], first.SHA256)
	}
	if alone := must(t, job{as: u, args: append(buildArgs(t, u, p, "fleet-alone", filepath.Join(u.home, "fleet/second/sd-card.nix")), "--json")}); readManifest(t, []byte(alone.out)).SHA256 != got["second"].SHA256 || len(alone.built()) > 0 {
		t.Errorf("alone, second is %s, built of %q; want %s and nothing", alone.out, alone.built(), got["second"].SHA256)
	}
	if !strings.Contains(got["bad"].Error, "missing.nix' does not exist") || !strings.Contains(got["breaks"].Error, "the build of "+imageName+" failed") {
		t.Errorf("the reasons are %q and %q", got["bad"].Error, got["breaks"].Error)
	}
	var want []string
	for _, stem := range []string{"nobody", "plain", "second"} {
		want = append(want, stem+".cdx.json", stem+".img", stem+".img.sha256", stem+".json")
	}
	if files := listing(t, filepath.Join(u.home, "fleet-out")); !slices.Equal(files, want) {
		t.Errorf("the folder holds %q; want %q", files, want)
	}
	if len(r.phases()) != len(slices.Compact(r.phases())) || slices.Contains(r.built(), "linux") {
		t.Errorf("phases %q, built %q; want each once, and nothing that was there", r.phases(), r.built())
	}
	fleetTable(t, job{as: u, args: append(args, "--log-format", "plain")})
	check(t)
}

// An fleetImage is what --json tells of one of several.
type fleetImage struct{ Target, Path, SHA256, Error string }

// fleetImages reads the result of several images, by what they are called.
func fleetImages(t *testing.T, out string) map[string]fleetImage {
	t.Helper()
	var all struct{ Images []fleetImage }
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	byName := map[string]fleetImage{}
	for _, i := range all.Images {
		name := strings.TrimSuffix(strings.TrimSuffix(i.Target, "/sd-card.nix"), ".nix")
		byName[filepath.Base(name)] = i
	}
	return byName
}

// fleetTable looks at what people see of several images, the second time.
func fleetTable(t *testing.T, j job) {
	t.Helper()
	r := run(t, j)
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	if r.status != exitBuild || len(lines) != 6 || !strings.HasPrefix(lines[0], "target ") {
		t.Fatalf("status %d, table\n%s", r.status, r.out)
	}
	column := strings.Index(lines[0], "result")
	var results []string
	for _, line := range lines[1:] {
		results = append(results, strings.Fields(line[column:])[0])
	}
	if want := []string{"failed", "failed", "built", "built", "built"}; !slices.Equal(results, want) {
		t.Errorf("the table says %q; want %q\n%s", results, want, r.out)
	}
	for _, path := range regexp.MustCompile(`\S+\.img$`).FindAllString(r.out, -1) {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}

// flakeFleet builds two systems of one flake in one run, the second of which is none.
func (n nixos) flakeFleet(t *testing.T, dir string) {
	t.Helper()
	r := run(t, n.job(dir, n.args("build", "--json", "-o", "fleet/", "--ssh-key", n.keyFile(t), "--flake", ".#rpi", "--flake", ".#other")))
	got := fleetImages(t, r.out)
	first := manifestIn(t, filepath.Join(dir, "out"))
	if r.status != exitBuild || got[".#rpi"].SHA256 != first.SHA256 || filepath.Base(got[".#rpi"].Path) != "rpi.img" || !strings.Contains(got[".#other"].Error, "armv7l-linux") {
		t.Errorf("two systems of a flake: status %d, %+v; want one failed, and the image %s", r.status, got, first.SHA256)
	}
}
