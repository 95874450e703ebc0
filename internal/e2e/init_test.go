package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"nixsd-native/internal/testenv"
)

// What init writes for each board builds without an edit, and what it was told is in the
// image.
func TestInit(t *testing.T) {
	check := mustStay(t)
	p, _ := builds(t)
	u := user()
	key := u.keyFile(t)
	for _, board := range []string{"rpi3", "rpi4", "rpi5", "zero2w", "generic"} {
		dir := u.folder(t, "init-"+board)
		r := must(t, job{as: u, dir: dir, args: []string{"init", "--board", board, "--ssh-key", key, "--hostname", "den-" + board,
			"--user", "joe", "--timezone", "Europe/Berlin", "--wifi", `my "${net}"`, "--static-ip", "192.168.1.10/24,192.168.1.1"}})
		if r.out != "sd-card.nix\n" {
			t.Errorf("init printed %q", r.out)
		}
		dry := must(t, job{as: u, dir: dir, args: p.with("build", "--demo", "--offline", "--dry-run", "--json")})
		var f struct{ Build []string }
		if err := json.Unmarshal([]byte(dry.out), &f); err != nil || !slices.Contains(f.Build, imageName) {
			t.Errorf("%s: build --dry-run = %q, %v", board, dry.out, err)
		}
	}
	dir := u.folder(t, "init-plain")
	for i := range 2 { // with the built-in configuration, then with the simplest of init's
		dry := must(t, job{as: u, dir: dir, args: p.with("build", "--demo", "--offline", "--dry-run", "--ssh-key", key)})
		if strings.Contains(dry.errs, "warning: ") {
			t.Errorf("the program's own configuration is warned of:\n%s", dry.errs)
		}
		if i == 0 {
			must(t, job{as: u, dir: dir, args: []string{"init", "--board", "generic", "--ssh-key", key}})
		}
	}
	dir = u.folder(t, "init-zero2w")
	out := filepath.Join(u.home, "init-out")
	must(t, job{as: u, dir: dir, args: p.with("build", "--demo", "--offline", "-o", out+"/")})
	s := inspectImage(t, u, filepath.Join(out, imageName)).System
	if s.HostName != "den-zero2w" || !s.SSH || len(s.Logins) != 1 || s.Logins[0].User != "joe" || len(s.Logins[0].Keys) != 1 {
		t.Errorf("the image's system is %+v; want what init was told", s)
	}
	check(t)
}

// Under sudo, what init writes is the caller's, who may do no more than that; root by
// itself writes for itself.
func TestInitBySudo(t *testing.T) {
	testenv.NeedRoot(t)
	check := mustStay(t)
	r, u := root(), user()
	args := []string{"init", "--board", "rpi4", "--ssh-key", u.keyFile(t), "--wifi", "net", "--wifi-passphrase-file", u.write(t, "init-sudo.pass", "passphrase\n")}
	bySudo := []string{"SUDO_UID=54321", "SUDO_GID=54321"}
	owner := func(name string) uint32 {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		return info.Sys().(*syscall.Stat_t).Uid
	}
	dir := u.folder(t, "init-sudo")
	must(t, job{as: r, env: bySudo, dir: dir, args: args})
	for _, name := range []string{"sd-card.nix", "sd-card.wifi"} {
		if uid := owner(filepath.Join(dir, name)); uid != userID {
			t.Errorf("%s belongs to %d; want %d", name, uid, userID)
		}
	}
	own := r.folder(t, "init-own")
	if res := run(t, job{as: r, env: bySudo, dir: own, args: args}); res.status != exitOutput || !strings.Contains(res.errs, "permission denied") {
		t.Errorf("in root's folder init by sudo = %d, %q", res.status, res.errs)
	}
	must(t, job{as: r, dir: own, args: args})
	if uid := owner(filepath.Join(own, "sd-card.nix")); uid != 0 {
		t.Errorf("root's configuration belongs to %d", uid)
	}
	check(t)
}
