package e2e

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"nixsd-native/internal/testenv"
)

// nextCommands are commands of every kind: whichever comes next removes a handler that
// was left. What cannot work does so, too.
func nextCommands(p places) [][]string {
	none := filepath.Join(lab(), "none")
	return [][]string{
		p.with("clean"),
		p.with("build", "--demo", "--offline", "--dry-run"),
		{"version"},
		{"help"},
		{"no-such-command"},
		p.with("bundle", "verify", none),
		p.with("doctor", "--offline"),
		p.with("binfmt", "status"),
		p.with("binfmt", "unregister"),
		p.with("fetch", "--demo", "--offline"),
		p.with("shell", "--demo", "--offline", "--", "true"),
		p.with("update", "--offline", "--lock-file", none),
		{"build", "--no-such-flag"},
		{"clean", "--help"},
		{"version", "--json"},
		{"--version"},
	}
}

// leaveHandler kills a build of root's with all who would take its handler away.
func leaveHandler(t *testing.T, p places) {
	t.Helper()
	b := start(t, job{as: root(), args: buildArgs(t, root(), p, "left", "--offline")})
	b.await("the sandbox is set up", phase("sandbox"))
	way{syscall.SIGKILL, []string{caretakerName, "", workerName}, true}.do(b)
	b.wait()
}

// mustRemoveLeft runs a command that is to remove a handler that was left and to say so.
func mustRemoveLeft(t *testing.T, args []string) {
	t.Helper()
	if ourHandler() == "" {
		t.Fatal("no handler was left although nobody was there to remove it: this proves nothing")
	}
	r := run(t, job{as: root(), args: args})
	if ourHandler() != "" {
		t.Errorf("%q left the handler of a killed build where it was", args)
	}
	if n := strings.Count(r.errs, "removed the handler that a killed build had left"); n != 1 {
		t.Errorf("%q says %d times that it removed a handler; want once, in\n%s", args, n, r.errs)
	}
}

// A handler that was left, as all were killed who would have removed it, is removed by
// the next command of any kind; a user, who cannot, is told how to.
func TestLeftHandler(t *testing.T) {
	needEmulation(t)
	check := mustStay(t)
	p := rootBuild(t)
	t.Run("with a handler of somebody else's", func(t *testing.T) {
		foreignHandler(t)
		removeInTurn(t, p)
		cleanTells(t, p)
		busyIsLeft(t, p)
	})
	check(t)
}

// removeInTurn leaves a handler again and again, for another command to remove.
func removeInTurn(t *testing.T, p places) {
	before := lookAtHost()
	asUser := func() string { return must(t, job{as: user(), args: []string{"version"}}).errs }
	commands := nextCommands(p)
	rand.Shuffle(len(commands), func(i, j int) { commands[i], commands[j] = commands[j], commands[i] })
	for _, args := range commands[:testenv.Times(3, len(commands))] {
		leaveHandler(t, p)
		before.settled()
		if errs := asUser(); strings.Count(errs, "\n") > 0 || !strings.HasSuffix(errs, "to remove it: sudo nixsd-native clean") || ourHandler() == "" {
			t.Errorf("a user's version says %q; want one line with the remedy, and the handler still there", errs)
		}
		mustRemoveLeft(t, args)
		if errs := asUser(); errs != "" {
			t.Errorf("afterwards a user's version says %q; want nothing", errs)
		}
		if diff := before.settled().Diff(before.Snapshot); diff != "" {
			t.Errorf("after %q the host changed: %s", args, diff)
		}
	}
}

// cleanTells has clean remove a handler that was left.
func cleanTells(t *testing.T, p places) {
	leaveHandler(t, p)
	r := must(t, job{as: root(), args: append(p.with("clean", "--json"), "--log-format", "json")})
	if !strings.Contains(r.out, `"removed_handler":true`) {
		t.Errorf("clean --json = %s; want that it removed a handler", r.out)
	}
}

// busyIsLeft has no command take away, or complain of, a handler in use.
func busyIsLeft(t *testing.T, p places) {
	busy := start(t, job{as: root(), args: buildArgs(t, root(), p, "left", "--offline", root().write(t, "left-config/sd-card.nix", slowImage(t, "left")))})
	busy.await("a build", building(imageName))
	for _, c := range []caller{root(), user()} {
		if r := must(t, job{as: c, args: []string{"version"}}); r.errs != "" || ourHandler() == "" {
			t.Errorf("uid %d: version during a build says %q; want nothing, and the handler still there", c.uid, r.errs)
		}
	}
	if err := interrupt(busy); err != nil {
		t.Error(err)
	}
}
