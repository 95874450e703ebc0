package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"nixsd-native/internal/testenv"
)

// trojans makes a folder of programs that tell when somebody runs them, and returns a
// function that lists who was.
func trojans(t *testing.T) (dir string, ran func() []string) {
	t.Helper()
	dir, marks := filepath.Join(lab(), "trojans"), filepath.Join(lab(), "trojans-ran")
	for _, d := range []string{dir, marks} {
		if err := errors.Join(os.MkdirAll(d, 0o777), syscall.Chmod(d, 0o1777)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range strings.Fields("sh bash env sudo su id ssh ssh-keygen git curl wget tar xz zstd nix nix-build nix-store nix-env busybox " +
		"mount umount modprobe insmod nsenter unshare newuidmap newgidmap getent chown chmod cp rm ldconfig qemu-aarch64 qemu-aarch64-static " +
		"mkfs.ext4 losetup systemctl systemd-run python3 perl pager less tput stty nixsd-native nixsd-native-worker nixsd-native-sandbox") {
		text := fmt.Sprintf("#!/bin/sh\n: > %s/%s\nexit 1\n", marks, name)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// The control: a program that is looked up in PATH is a trojan, and leaves a mark.
	output(t, "/usr/bin/env", "PATH="+dir, "/bin/sh", "-c", "git || true")
	if got := listing(t, marks); len(got) != 1 || os.Remove(filepath.Join(marks, "git")) != nil {
		t.Fatalf("the trojan leaves %q", got)
	}
	return dir, func() []string { return listing(t, marks) }
}

// hostile are variables that must change nothing. Through sudo few come along; it is to
// hold for those who preserve them all.
func hostile(t *testing.T, path string) []string {
	t.Helper()
	nowhere := filepath.Join(lab(), "nowhere")
	return []string{
		"PATH=" + path, "HOME=" + nowhere, "TMPDIR=" + nowhere, "SHELL=" + path + "/sh", "ENV=" + nowhere, "BASH_ENV=" + nowhere, "IFS=/",
		"XDG_STATE_HOME=" + nowhere, "XDG_CACHE_HOME=" + nowhere, "XDG_CONFIG_HOME=" + nowhere,
		"LD_PRELOAD=" + nowhere + ".so", "LD_LIBRARY_PATH=" + path, "LD_AUDIT=" + nowhere + ".so", "GCONV_PATH=" + path, "LOCPATH=" + path,
		"GODEBUG=x509sha1=1,netdns=2", "GOTRACEBACK=crash", "GOMAXPROCS=1", "QEMU_LD_PREFIX=" + nowhere, "QEMU_LOG=in_asm", "QEMU_LOG_FILENAME=" + path + "/log", "QEMU_SET_ENV=A=b",
		"NIX_REMOTE=unix://" + nowhere, "NIX_STORE_DIR=" + nowhere, "NIX_STATE_DIR=" + nowhere, "NIX_CONF_DIR=" + nowhere, "NIX_USER_CONF_FILES=" + nowhere,
		"NIX_CONFIG=sandbox = false\nsubstituters = http://127.0.0.1:1", "NIX_PATH=nixpkgs=" + nowhere, "NIX_BUILD_HOOK=" + path + "/sh", "NIX_SSHOPTS=-oProxyCommand=false",
		"NIXPKGS_CONFIG=" + nowhere, "NIX_BUILD_SHELL=" + path + "/sh", "NIX_PAGER=" + path + "/less", "GIT_SSH=" + path + "/ssh", "GIT_DIR=" + nowhere,
	}
}

// Whatever the environment says, the same image comes of it, and nobody's programs run.
func TestHostileEnvironment(t *testing.T) {
	check := mustStay(t)
	up, rp := builds(t)
	path, ran := trojans(t)
	for _, c := range []struct {
		caller
		places
		more []string
	}{{user(), up, nil}, {root(), rp, []string{"SUDO_UID=4294967295", "SUDO_GID=0x0", "SUDO_USER=../root", "SUDO_COMMAND=/bin/sh", "SUDO_HOME=/root"}}} {
		if c.uid == 0 && os.Geteuid() != 0 {
			continue
		}
		config := c.write(t, "hostile-config/sd-card.nix", afterImage(t, fmt.Sprint("# hostile ", c.uid)))
		build := start(t, job{as: c.caller, env: append(hostile(t, path), c.more...), args: buildArgs(t, c.caller, c.places, "hostile", "--offline", config)})
		build.await("it evaluates", phase("evaluate"))
		if c.uid == 0 {
			checkEnvironments(t, build.cmd.Process.Pid)
		}
		r := build.wait()
		if r.status != 0 || len(r.built()) == 0 {
			t.Errorf("uid %d: status %d, built %q; want an image\n%s", c.uid, r.status, r.built(), tail(build.errs))
		}
		checkFiles(t, filepath.Join(c.home, "hostile"), c.uid)
		plain := must(t, job{as: c.caller, args: buildArgs(t, c.caller, c.places, "plain", "--offline", config)})
		got, want := manifestIn(t, filepath.Join(c.home, "hostile")), manifestIn(t, filepath.Join(c.home, "plain"))
		if got.SHA256 != want.SHA256 || got.Derivation != want.Derivation || !got.Sandbox || len(plain.built()) > 0 {
			t.Errorf("uid %d: the image is %+v; want %+v, of which nothing is built anew: %q", c.uid, got, want, plain.built())
		}
	}
	if got := ran(); len(got) > 0 {
		t.Errorf("programs of somebody else's ran: %q", got)
	}
	if _, err := os.Lstat(filepath.Join(lab(), "nowhere")); !os.IsNotExist(err) {
		t.Errorf("what variables named was made: %v", err)
	}
	check(t)
}

// checkEnvironments fails the test if a process of root's, or what it started, has a
// variable that it does not know.
func checkEnvironments(t *testing.T, monitor int) {
	t.Helper()
	seen := 0
	for _, pid := range []int{monitor, childNamed(t, monitor, workerName), childNamed(t, monitor, sandboxName)} {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err != nil {
			t.Error(err)
		}
		for _, v := range strings.FieldsFunc(string(data), func(r rune) bool { return r == 0 }) {
			name, _, _ := strings.Cut(v, "=")
			if name == "GOMAXPROCS" || v == "GODEBUG=containermaxprocs=0" {
				continue // of the sandbox's own making
			}
			for _, prefix := range []string{"GO", "LD_", "NIX_", "QEMU_", "XDG_", "PATH", "HOME", "TMPDIR", "SHELL", "BASH_ENV", "GIT_"} {
				if strings.HasPrefix(name, prefix) && name != "NIX_SSL_CERT_FILE" {
					t.Errorf("process %d has %s", pid, v)
				}
			}
			seen++
		}
	}
	if seen == 0 {
		t.Error("no process has any variable, not even SUDO_UID")
	}
}

// Folders that somebody else could change are refused by every command, at once.
func TestUnsafeFolders(t *testing.T) {
	testenv.NeedRoot(t)
	check := mustStay(t)
	stranger := userID + 2
	shared := filepath.Join(lab(), "shared")
	if err := errors.Join(os.Mkdir(shared, 0o777), syscall.Chmod(shared, 0o1777)); err != nil {
		t.Fatal(err)
	}
	victim := root().folder(t, "victim")
	make := func(name string, uid int, mode uint32) string {
		path := filepath.Join(shared, name)
		if err := errors.Join(os.Mkdir(path, 0o700), os.Lchown(path, uid, uid), syscall.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	link := filepath.Join(shared, "link")
	if err := errors.Join(os.Symlink(victim, link), os.Lchown(link, stranger, stranger)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []caller{root(), user()} {
		good := func(what string) string { return make(fmt.Sprint(what, "-", c.uid), c.uid, 0o755) }
		tried := 0
		for name, p := range map[string]places{
			"somebody's state":           {make(fmt.Sprint("s", c.uid), stranger, 0o755), good("c1")},
			"everybody's state":          {make(fmt.Sprint("e", c.uid), c.uid, 0o777), good("c2")},
			"state in everybody's":       {filepath.Join(make(fmt.Sprint("p", c.uid), c.uid, 0o777), "state"), good("c3")},
			"state by somebody's link":   {link, good("c4")},
			"state below somebody's":     {filepath.Join(link, "state"), good("c5")},
			"somebody's cache":           {good("s1"), make(fmt.Sprint("x", c.uid), stranger, 0o755)},
			"everybody's cache":          {good("s2"), make(fmt.Sprint("y", c.uid), c.uid, 0o777)},
			"everybody's, sticky, cache": {good("s3"), make(fmt.Sprint("z", c.uid), c.uid, 0o1777)},
			"cache by somebody's link":   {good("s4"), link},
		} {
			r := run(t, job{as: c, args: p.with("clean")})
			r.mustBeClear(t, name, exitOutput, "is not safe")
			tried++
		}
		fine := places{good("state"), make(fmt.Sprint("group-", c.uid), c.uid, 0o2775)}
		must(t, job{as: c, args: fine.with("clean")})
		t.Logf("uid %d: %d unsafe folders", c.uid, tried)
	}
	if got := listing(t, victim); len(got) > 0 {
		t.Errorf("the folder behind the link holds %q", got)
	}
	check(t)
}

// plant puts what is no file in a file's place.
func plant(kind, path string) error {
	switch kind {
	case "pipe":
		return unix.Mkfifo(path, 0o666)
	case "device":
		return unix.Mknod(path, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3)))
	}
	return os.Mkdir(path, 0o777)
}

// Links that somebody planted where an image is to be, in a folder like /tmp, lead
// nowhere, and what is no file there is told of.
func TestPlantedOutput(t *testing.T) {
	check := mustStay(t)
	p := rootBuild(t)
	dir := root().folder(t, "planted")
	if err := syscall.Chmod(dir, 0o1777); err != nil {
		t.Fatal(err)
	}
	victim := root().write(t, "planted-victim/file", "safe")
	stranger := userID + 2
	base := strings.TrimSuffix(imageName, ".img")
	names := []string{imageName, imageName + ".sha256", base + ".json", ".probe.partial", "." + imageName + ".partial", "." + imageName + ".sha256.partial", "." + base + ".json.partial"}
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.Symlink(victim, path), os.Lchown(path, stranger, stranger)); err != nil {
			t.Fatal(err)
		}
	}
	sudo := []string{fmt.Sprintf("SUDO_UID=%d", userID), fmt.Sprintf("SUDO_GID=%d", userID)}
	must(t, job{as: root(), env: sudo, args: buildArgs(t, root(), p, "planted")})
	if data, err := os.ReadFile(victim); string(data) != "safe" {
		t.Errorf("the file behind the links holds %.40q, %v", data, err)
	}
	if info, err := os.Lstat(victim); err != nil || owner(info) != 0 {
		t.Errorf("the file behind the links has another owner: %v", err)
	}
	for _, name := range names[:3] {
		if info, err := os.Lstat(filepath.Join(dir, name)); err != nil || !info.Mode().IsRegular() || owner(info) != userID {
			t.Errorf("%s is no file of the caller's: %v, %v", name, info, err)
		}
	}
	for _, kind := range []string{"pipe", "folder", "device"}[:testenv.Times(1, 3)] {
		out := "planted-" + kind
		if err := plant(kind, filepath.Join(root().folder(t, out), imageName)); err != nil {
			t.Fatal(err)
		}
		r := run(t, job{as: root(), args: buildArgs(t, root(), p, out, "--log-format", "plain", "--offline")})
		r.mustBeClear(t, kind, exitOutput, "is no regular file")
		if r.took > patience/4 {
			t.Errorf("%s: it took %v", kind, r.took)
		}
	}
	check(t)
}
