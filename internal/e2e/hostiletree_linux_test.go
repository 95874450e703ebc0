package e2e

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nixsd-native/internal/testenv"
)

// tooLong is when a dry run of a few configurations counts as one that hangs.
const tooLong = 2 * time.Minute

// escape is a name that clears the screen and sets the window's title, in two lines.
const escape = "evil\x1b[2J\x1b]0;title\x07\nerror: all is well"

// hostileTree makes a folder with what a configuration's folder should not hold, and a
// configuration for each that uses it, whose names are returned, and a good one.
func hostileTree(t *testing.T, c caller, secret string) (dir string, uses []string) {
	t.Helper()
	dir = c.folder(t, "tree")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	must(unix.Mkfifo(in("pipe"), 0o666))
	socket, err := net.Listen("unix", in("socket"))
	must(err)
	t.Cleanup(func() { socket.Close() })
	must(os.Symlink("loop", in("loop")))
	must(os.Symlink(secret, in("absolute")))
	must(os.Symlink("../../../../../../../../../../../../../.."+secret, in("relative")))
	must(os.Symlink("/proc/1/root"+secret, in("process")))
	must(os.WriteFile(in("unreadable"), []byte("secret"), 0))
	must(os.WriteFile(in(escape), []byte("{"), 0o644))
	if os.Geteuid() == 0 {
		must(unix.Mknod(in("device"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5)))) // /dev/zero
		must(os.Lchown(in("unreadable"), userID+3, userID+3))
	} else {
		must(unix.Mkfifo(in("device"), 0o666))
	}
	for _, name := range []string{"socket", "loop", "absolute", "relative", "process", "unreadable", "device"} {
		file := "use-" + name + ".nix"
		uses = append(uses, file)
		c.write(t, "tree/"+file, sdCard(t, `hostName = "nixos"`, fmt.Sprintf("hostName = builtins.readFile ./%s", name)))
	}
	c.write(t, "tree/use-escape.nix", sdCard(t, "imports = [", fmt.Sprintf("imports = [ (./. + %s)", nixString("/"+escape))))
	c.write(t, "tree/good.nix", sdCard(t))
	return dir, append(uses, "use-escape.nix")
}

func nixString(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "${", `\${`).Replace(s) + `"`
}

// A folder of configurations that somebody hostile filled neither hangs the program nor
// shows it, or its terminal, more than is in it; as root no more than to others.
func TestHostileTree(t *testing.T) {
	check := mustStay(t)
	up, rp := builds(t)
	secret := filepath.Join(lab(), "tree-secret")
	if err := os.WriteFile(secret, []byte("the-secret-of-the-host"), 0o644); err != nil {
		t.Fatal(err)
	}
	sudo := []string{fmt.Sprintf("SUDO_UID=%d", user().uid), fmt.Sprintf("SUDO_GID=%d", user().uid)}
	dir, uses := hostileTree(t, user(), secret)
	for _, c := range []struct {
		as caller
		places
		env []string
	}{{root(), rp, sudo}, {user(), up, nil}} {
		if slow := os.Geteuid() == 0 && c.as.uid != 0 && testenv.Times(1, 2) == 1; slow || c.as.uid == 0 && os.Geteuid() != 0 {
			continue
		}
		r := run(t, job{as: c.as, env: c.env, args: c.with("build", "--demo", "--dry-run", "--offline", "--log-format", "plain", "--ssh-key", c.as.keyFile(t), dir)})
		if r.status != exitBuild || !strings.Contains(r.errs, fmt.Sprintf("%d of %d images failed", len(uses), len(uses)+1)) {
			t.Errorf("uid %d: status %d; want %d, as all but one fail:\n%s", c.as.uid, r.status, exitBuild, r.errs)
		}
		for _, file := range uses {
			if !strings.Contains(r.errs, file+" fails: ") {
				t.Errorf("uid %d: %s did not fail", c.as.uid, file)
			}
		}
		if strings.Contains(r.out+r.errs, "the-secret-of-the-host") {
			t.Errorf("uid %d: something of the host is shown:\n%s", c.as.uid, r.errs)
		}
		if strings.ContainsAny(r.out+r.errs, "\x1b\x07") || strings.Contains(r.errs, "\nerror: all is well") {
			t.Errorf("uid %d: names act on the terminal: %q", c.as.uid, r.errs)
		}
		if r.took > tooLong {
			t.Errorf("uid %d: it took %v", c.as.uid, r.took)
		}
		t.Logf("uid %d: %d hostile configurations, %v", c.as.uid, len(uses), r.took)
	}
	check(t)
}

// Evaluation that never ends, as of what waits for the writer of a pipe, is the
// configuration's to choose; but it ends when somebody interrupts it, and nothing is left.
func TestEndlessEvaluation(t *testing.T) {
	testenv.OnDemand(t, "long")
	check := mustStay(t)
	p, _ := builds(t)
	c := user()
	config := c.write(t, "endless/sd-card.nix", sdCard(t, `hostName = "nixos"`, "hostName = builtins.readFile ./pipe"))
	if err := unix.Mkfifo(filepath.Join(filepath.Dir(config), "pipe"), 0o666); err != nil {
		t.Fatal(err)
	}
	build := start(t, job{as: c, args: buildArgs(t, c, p, "endless-out", "--offline", config)})
	build.await("it evaluates", phase("evaluate"))
	time.Sleep(3 * time.Second) // until it waits
	asked := time.Now()
	if err := interrupt(build); err != nil {
		t.Error(err)
	}
	if took := time.Since(asked); took > 15*time.Second {
		t.Errorf("it ended %v after it was told to", took)
	}
	check(t)
}

// A configuration that is no file, or no sensible one, is told of at once.
func TestHostileConfigurations(t *testing.T) {
	testenv.NeedRoot(t)
	check := mustStay(t)
	_, p := builds(t)
	c := root()
	dir := c.folder(t, "hostile-configs")
	in := func(name string) string { return filepath.Join(dir, name) }
	err := errors.Join(unix.Mkfifo(in("pipe.nix"), 0o666), os.WriteFile(in("huge.nix"), nil, 0o644), os.Truncate(in("huge.nix"), 1<<40),
		os.Mkdir(in("out"), 0o755), os.Symlink("/etc/shadow", in("out/sd-card.nix")), os.Symlink("loop.nix", in("loop.nix")),
		unix.Mknod(in("zero.nix"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5))), syscall.Chmod(dir, 0o755))
	if err != nil {
		t.Fatal(err)
	}
	for name, says := range map[string]string{
		"pipe.nix": "is no file", "zero.nix": "is no file", "loop.nix": "too many", "huge.nix": "bytes", "out": "is a link out of its folder", "missing\x1b[2J.nix": "no such file",
	} {
		r := run(t, job{as: c, args: p.with("build", "--demo", "--offline", "--log-format", "plain", "--ssh-key", c.keyFile(t), in(name))})
		r.mustBeClear(t, name, 2, says)
		if strings.Contains(r.errs, "\x1b") || r.took > tooLong/2 {
			t.Errorf("%q: %v, %q", name, r.took, r.errs)
		}
	}
	check(t)
}
