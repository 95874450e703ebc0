package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nixsd-native/internal/testenv"
)

// copyPlaces copies a state folder, whose files belong to many ids, and shares the
// cache.
func copyPlaces(t *testing.T, p places, name string) places {
	t.Helper()
	other := places{root().places(name).state, p.cache}
	out, err := exec.Command(testenv.NeedProgram(t, "cp"), "--archive", "--reflink=auto", p.state, other.state).CombinedOutput()
	if err != nil {
		t.Fatalf("cp --archive: %v: %s", err, out)
	}
	return other
}

// Two builds at once share the host's handler, and the last one out removes it.
func TestTwoStates(t *testing.T) {
	needEmulation(t)
	check := mustStay(t)
	p := rootBuild(t)
	t.Run("builds", func(t *testing.T) {
		foreignHandler(t)
		twoStates(t, p, copyPlaces(t, p, "other"))
	})
	check(t)
}

func twoStates(t *testing.T, p, other places) {
	before := lookAtHost()
	r := root()
	config := r.write(t, "two/sd-card.nix", slowImage(t, "two states"))
	one := start(t, job{as: r, args: buildArgs(t, r, p, "two-one", config)})
	two := start(t, job{as: r, args: buildArgs(t, r, other, "two-two", config)})
	one.await("one builds", building(imageName))
	two.await("two builds", building(imageName))
	handler := ourHandler()
	if !strings.HasPrefix(handler, "enabled\n") {
		t.Errorf("during both builds the handler is %q", handler)
	}
	if err := interrupt(one); err != nil {
		t.Error(err)
	}
	if got := ourHandler(); got != handler {
		t.Errorf("after the first build the handler is %q; want %q", got, handler)
	}
	changed := r.write(t, "two-changed/sd-card.nix", hostNamed(t, "while-two-runs"))
	must(t, job{as: r, args: buildArgs(t, r, p, "two-one", changed)})
	if got := ourHandler(); got != handler {
		t.Errorf("after another build the handler is %q; want %q", got, handler)
	}
	if err := interrupt(two); err != nil {
		t.Error(err)
	}
	if diff := before.settled().diff(before); diff != "" {
		t.Errorf("after the last build the host changed: %s", diff)
	}
}

// Two builds in one state folder: the second says that it waits, and then works. What
// cannot wait says that a build runs.
func TestOneState(t *testing.T) {
	check := mustStay(t)
	u, r := builds(t)
	for _, c := range []struct {
		caller
		places
	}{{user(), u}, {root(), r}} {
		if c.state == "" {
			continue
		}
		config := c.write(t, "one/sd-card.nix", slowImage(t, "one state"))
		first := start(t, job{as: c.caller, args: buildArgs(t, c.caller, c.places, "one-out", config)})
		first.await("the first builds", building(imageName))
		second := start(t, job{as: c.caller, args: buildArgs(t, c.caller, c.places, "one-second")})
		second.await("the second says that it waits", func(e event) bool {
			return strings.Contains(e.Text, "another build uses "+c.state)
		})
		clean := run(t, job{as: c.caller, args: c.with("clean", "--all")})
		if clean.status != exitHost || !strings.Contains(clean.errs, "a build is using "+c.state) || strings.Contains(clean.errs, "bug") {
			t.Errorf("uid %d: clean during a build = %d, %s; want %d and that a build runs", c.uid, clean.status, clean.errs, exitHost)
		}
		if err := interrupt(first); err != nil {
			t.Error(err)
		}
		if r := second.wait(); r.status != 0 || r.phases()[len(r.phases())-1] != "deliver" {
			t.Errorf("uid %d: the second build = %d\n%s", c.uid, r.status, tail(second.errs))
		}
		checkFiles(t, filepath.Join(c.home, "one-second"), c.uid)
		third := start(t, job{as: c.caller, args: buildArgs(t, c.caller, c.places, "one-out", config)})
		third.await("the third builds", building(imageName))
		fourth := start(t, job{as: c.caller, args: buildArgs(t, c.caller, c.places, "one-second")})
		fourth.await("the fourth waits", func(e event) bool { return strings.Contains(e.Text, "another build") })
		if err := interrupt(fourth); err != nil {
			t.Errorf("uid %d, while it waits: %v", c.uid, err)
		}
		if err := interrupt(third); err != nil {
			t.Error(err)
		}
	}
	check(t)
}
