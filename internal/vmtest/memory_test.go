package vmtest

import (
	"os"
	"strings"
	"testing"
)

// hungry is the default configuration with a derivation that takes all the memory there
// is, a MiB at a time.
func hungry(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../sd-card.nix")
	if err != nil {
		t.Fatal(err)
	}
	const place = `networking.hostName = "nixos";`
	const eater = `sdImage.postBuildCommands = "# ${derivation { name = "hungry"; system = "x86_64-linux"; builder = "/bin/sh";
    args = [ "-c" "x=xxxxxxxxxxxxxxxx; while [ \${#x} -lt 1000000 ]; do x=$x$x; done; while :; do i=$((i + 1)); eval v$i=\\$x; done" ]; }}";`
	config := strings.Replace(string(text), place, place+"\n  "+eater, 1)
	if config == string(text) {
		t.Fatalf("sd-card.nix has no %s", place)
	}
	return config
}

// With 1 GiB of memory root builds, and a builder that takes more is the one that is
// killed, which the user is told.
func TestLittleMemory(t *testing.T) {
	m := start(t, release{"trixie", "amd64"}, 1024)
	const killed = "Out of memory"
	m.mustStay(t, "after a build", func() {
		m.mustHaveBuilt(t, m.asRoot(t, build("first")...), "first", "host")
	})
	if log := m.sh(t, "dmesg"); strings.Contains(log, killed) {
		t.Errorf("memory ran out: %s", log)
	}
	m.sh(t, "cat >/home/user/hungry.nix <<'EOF'\n"+hungry(t)+"EOF")
	m.mustStay(t, "after a build that takes too much", func() {
		m.asRoot(t, build("hungry", "/home/user/hungry.nix")...).mustFail(t, "too much", exitBuild, "the build of hungry failed: ", killed)
	})
	if log := m.sh(t, "dmesg"); !strings.Contains(log, killed) {
		t.Errorf("memory did not run out: %s", log)
	}
}
