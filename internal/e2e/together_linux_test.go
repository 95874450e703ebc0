package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

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

// Builds at once share the host's handler, and the last one out removes it: also if
// one of them is killed, and while a user's build goes on.
func TestTwoStates(t *testing.T) {
	needEmulation(t)
	check := mustStay(t)
	testenv.NeedRoot(t)
	u, p := builds(t)
	t.Run("builds", func(t *testing.T) {
		foreignHandler(t)
		before := lookAtHost()
		other := copyPlaces(t, p, "other")
		userConfig := user().write(t, "two/sd-card.nix", slowImage(t, "two states"))
		third := start(t, job{as: user(), args: buildArgs(t, user(), u, "two-three", userConfig)})
		third.await("a user builds", building(imageName))
		twoStates(t, p, other)
		if got := ourHandler(); got != "" {
			t.Errorf("after the last build of root's, during a user's, the handler is %q", got)
		}
		if err := interrupt(third); err != nil {
			t.Error(err)
		}
		if diff := before.settled().Diff(before.Snapshot); diff != "" {
			t.Errorf("after the last build the host changed: %s", diff)
		}
		oneKilled(t, p, other)
		if diff := before.settled().Diff(before.Snapshot); diff != "" {
			t.Errorf("after a killed build and another the host changed: %s", diff)
		}
	})
	check(t)
}

// oneKilled kills the build that registered the handler; what cleans up after it must
// leave it to the other one.
func oneKilled(t *testing.T, p, other places) {
	r := root()
	config := r.write(t, "two/sd-card.nix", slowImage(t, "one killed"))
	one := start(t, job{as: r, args: buildArgs(t, r, p, "two-one", config)})
	one.await("one builds", building(imageName))
	two := start(t, job{as: r, args: buildArgs(t, r, other, "two-two", config)})
	two.await("two builds", building(imageName))
	caretaker := childNamed(t, one.cmd.Process.Pid, caretakerName)
	handler := ourHandler()
	way{syscall.SIGKILL, []string{"", workerName}, false}.do(one)
	one.wait()
	for syscall.Kill(caretaker, 0) == nil { // until it has done its work, and leftOver has buried it
		leftOver()
	}
	if got := ourHandler(); got != handler || got == "" {
		t.Errorf("after the kill of one of two builds the handler is %q; want %q", got, handler)
	}
	if err := interrupt(two); err != nil {
		t.Error(err)
	}
}

func twoStates(t *testing.T, p, other places) {
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
}

// Builds in one state folder: those that come later say that they wait, and then work,
// in the order of coming. What cannot wait says that a build runs, and does no harm.
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
		queue := queued(t, c.caller, c.places, testenv.Times(2, 10))
		for _, what := range []string{"--all", "--store", "--cache", "--json"} {
			mustRefuse(t, c.caller, c.places, c.state, what)
		}
		mustRefuse(t, c.caller, places{c.caller.places("elsewhere").state, c.cache}, c.cache, "--cache")
		if err := interrupt(first); err != nil {
			t.Error(err)
		}
		queue[0].await("the second builds", phase("evaluate"))
		mustRefuse(t, c.caller, c.places, c.state, "--all")
		mustFinish(t, c.caller, queue)
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

// queued starts n builds, each after the one before said that it waits.
func queued(t *testing.T, c caller, p places, n int) []*process {
	t.Helper()
	var all []*process
	for i := range n {
		b := start(t, job{as: c, args: buildArgs(t, c, p, fmt.Sprint("queue-", i))})
		b.await("it says that it waits", func(e event) bool { return strings.Contains(e.Text, "another build uses "+p.state) })
		all = append(all, b)
	}
	return all
}

// mustFinish waits for queued builds, which deliver the same image in their order.
func mustFinish(t *testing.T, c caller, queue []*process) {
	t.Helper()
	reference, last := testenv.SHA256(t, filepath.Join(c.home, "first", imageName)), time.Time{}
	for i, b := range queue {
		r := b.wait()
		at := slices.IndexFunc(r.events, phase("deliver"))
		if r.status != 0 || at < 0 {
			t.Fatalf("uid %d: build %d of a queue = %d\n%s", c.uid, i, r.status, tail(b.errs))
		}
		if r.events[at].Time.Before(last) {
			t.Errorf("uid %d: build %d of a queue overtook", c.uid, i)
		}
		last = r.events[at].Time
		out := filepath.Join(c.home, fmt.Sprint("queue-", i))
		checkFiles(t, out, c.uid)
		if got := testenv.SHA256(t, filepath.Join(out, imageName)); got != reference {
			t.Errorf("uid %d: build %d of a queue made an image with the hash %s; want %s", c.uid, i, got, reference)
		}
	}
	t.Logf("uid %d: %d builds, in the order in which they came", c.uid, len(queue))
}

// mustRefuse runs clean, which is to say that a build uses a folder.
func mustRefuse(t *testing.T, c caller, p places, folder string, flags ...string) {
	t.Helper()
	r := run(t, job{as: c, args: p.with(append([]string{"clean"}, flags...)...)})
	if r.status != exitHost || !strings.Contains(r.errs, "a build is using "+folder+"\n") || strings.Contains(r.errs, "bug") {
		t.Errorf("uid %d: clean %q during a build = %d, %s; want %d and that a build uses %s", c.uid, flags, r.status, r.errs, exitHost, folder)
	}
}
