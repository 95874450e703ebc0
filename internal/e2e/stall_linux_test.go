package e2e

import (
	"strings"
	"testing"
)

// stalls lists what a run told of stalls.
func (r result) stalls() (all []string) {
	for _, e := range r.events {
		if e.Type == "warning" && strings.Contains(e.Text, "no output and hardly any processor time") {
			all = append(all, e.Text)
		}
	}
	return all
}

// A derivation that does nothing and says nothing is named, once, and goes on; one that
// computes without a word is not. Both as root, whose worker is another user than the
// sandbox, and as a user.
func TestStall(t *testing.T) {
	check := mustStay(t)
	up, rp := builds(t)
	for _, c := range []stallCaller{{user(), up}, {root(), rp}} {
		if c.places == (places{}) {
			continue
		}
		for _, tt := range []struct {
			name, command, timeout string
			want                   int
		}{
			{"idle", "sleep 6", "2s", 1},
			{"busy", "end=$(( $(date +%s) + 6 )); while [ $(date +%s) -lt $end ]; do :; done", "2s", 0},
			{"idle, not watched", "sleep 4", "0", 0},
		} {
			config := c.write(t, "stall/sd-card.nix", afterImage(t, tt.command+" # "+tt.name))
			r := must(t, job{as: c.caller, args: buildArgs(t, c.caller, c.places, "stall-out", "--offline", "--stall-timeout", tt.timeout, config)})
			stalls := r.stalls()
			if len(stalls) != tt.want || tt.want > 0 && (!strings.Contains(stalls[0], imageName) || !strings.Contains(stalls[0], "--builder")) {
				t.Errorf("uid %d, %s: told %q; want %d, of %s", c.uid, tt.name, stalls, tt.want, imageName)
			}
		}
	}
	check(t)
}

type stallCaller struct {
	caller
	places
}

// A build that fails for a known reason tells the end of its log, the cause, what to do
// and where others tell of it; explain tells the same of its output.
func TestExplainedFailure(t *testing.T) {
	check := mustStay(t)
	up, _ := builds(t)
	u := user()
	config := u.write(t, "explained/sd-card.nix", afterImage(t, "echo root module: sun4i-drm; echo modprobe: FATAL: Module sun4i-drm not found in directory /nix/store/x-linux/lib/modules/6.1; exit 1"))
	args := buildArgs(t, u, up, "explained-out", "--offline", "--log-format", "plain", config)
	failed := run(t, job{as: u, args: args})
	want := []string{"\n" + imageName + "> modprobe: FATAL: ", "\nerror: the build of " + imageName + " failed: ", "\ncause: this kernel has no module sun4i-drm, ", "\nfix: ", "\nsee: https://github.com/NixOS/nixpkgs/issues/154163"}
	at := 0
	for _, text := range want {
		next := strings.Index(failed.errs[at:], text)
		if next < 0 {
			t.Fatalf("build = %d; want %q after\n%s", failed.status, want, failed.errs)
		}
		at += next
	}
	if failed.status != exitBuild {
		t.Errorf("build = %d; want %d", failed.status, exitBuild)
	}
	explained := run(t, job{as: u, args: []string{"explain"}, input: failed.errs})
	if explained.status != 0 || !strings.Contains("\n"+explained.out, want[2]) {
		t.Errorf("explain = %d, %s; want the same cause", explained.status, explained.out)
	}
	check(t)
}
