package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nixsd-native/internal/testenv"
	"nixsd-native/internal/upstream"
	"nixsd-native/nix"
)

// A diagnosis is what doctor --json prints.
type diagnosis struct {
	CanBuild bool `json:"can_build"`
	Status   int  `json:"exit_status"`
	Checks   []struct {
		Group, Name, Status, Detail string
		Fix                         []string
	}
}

// examine runs the doctor, whose status must be what it says.
func examine(t *testing.T, j job) diagnosis {
	t.Helper()
	j.args = append(slices.Clone(j.args), "--json")
	r := run(t, j)
	var d diagnosis
	if err := json.Unmarshal([]byte(r.out), &d); err != nil {
		t.Fatalf("doctor = %d, %q, %v\n%s", r.status, r.out, err, r.errs)
	}
	if d.Status != r.status || d.CanBuild != (r.status == 0) || (r.status != 0) != (r.status == exitHost) || len(d.Checks) < 20 {
		t.Errorf("doctor = %d, and says %v, %d in %d checks", r.status, d.CanBuild, d.Status, len(d.Checks))
	}
	return d
}

// mustSay checks that a line has a status, words in its detail, and in what helps.
func (d diagnosis) mustSay(t *testing.T, name, status, detail, fix string) {
	t.Helper()
	var lines []string
	for _, c := range d.Checks {
		if c.Name == name && c.Status == status && strings.Contains(c.Detail, detail) && strings.Contains(strings.Join(c.Fix, "\n"), fix) {
			return
		}
		if c.Name == name || c.Status == "problem" {
			lines = append(lines, fmt.Sprintf("%+v", c))
		}
	}
	t.Errorf("no line says %s of %s with %q and %q, but\n%s", status, name, detail, fix, strings.Join(lines, "\n"))
}

// mustBeWell fails if there is a problem.
func (d diagnosis) mustBeWell(t *testing.T, what string) {
	t.Helper()
	for _, c := range d.Checks {
		if c.Status == "problem" {
			t.Errorf("%s: %+v", what, c)
		}
	}
}

// An adversity is a host, or a way to start the program, with which no build can work.
type adversity struct {
	name         string
	line         string // of the doctor's, that is a problem
	detail, fix  string
	build        []int // what the build may end with
	root         bool  // it takes a host that is changed
	state, cache func(t *testing.T, dir string)
	change       func(t *testing.T, j *job)
}

var adversities = []adversity{
	{name: "no user namespaces", line: "namespaces", detail: "user.max_user_namespaces is 0", fix: "sudo sysctl -w user.max_user_namespaces=15000", build: []int{exitHost},
		change: func(t *testing.T, j *job) {
			j.under = []string{testenv.NeedProgram(t, "unshare"), "--user", "--map-current-user", "--keep-caps",
				"sh", "-c", `echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"`, "sh"}
		}},
	{name: "few files", line: "limits", detail: "at most 64 open files", fix: "sudo prlimit --pid $$ --nofile=4096", build: []int{exitHost}, change: limited("--nofile=64")},
	{name: "few files, tried", line: "namespaces", detail: "limit of open files is too low", fix: "prlimit", build: []int{exitHost}, change: limited("--nofile=64")},
	{name: "few processes", line: "limits", detail: "at most 20 processes", fix: "--nproc=1024", build: []int{exitHost, exitBuild, exitInternal}, change: limited("--nproc=20")},
	{name: "small files", line: "limits", detail: "at most 1.0 MiB of a file", fix: "--fsize=", build: []int{exitBuild, exitOutput, exitInternal}, change: limited("--fsize=1048576")},
	{name: "small disk", line: "disk of the state", detail: "are needed", fix: "--state-dir", build: []int{exitOutput}, root: true, state: tmpfs("size=40m")},
	{name: "few inodes", line: "disk of the state", detail: "inodes are needed", fix: "df -i", build: []int{exitOutput}, root: true, state: tmpfs("size=2g,nr_inodes=200")},
	{name: "noexec", line: "state folder", detail: "(on tmpfs, noexec): run a program in: permission denied", fix: "mount -o remount,exec", build: []int{exitHost}, root: true, state: tmpfs("size=2g", unix.MS_NOEXEC)},
	{name: "read-only state", line: "state folder", detail: "read-only file system (on tmpfs, ro)", fix: "mount -o remount,rw", build: []int{exitOutput}, root: true, state: tmpfs("size=2g", unix.MS_RDONLY)},
	{name: "NTFS", line: "state folder", detail: "(on fuseblk): a file's mode stays", fix: "ext4, btrfs or xfs: --state-dir DIR", build: []int{exitHost}, root: true, state: ntfs},
	{name: "unsafe state", line: "state folder", detail: "is not safe", fix: "chmod o-w", build: []int{exitOutput}, state: func(t *testing.T, dir string) {
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}},
	{name: "empty cache", line: "inputs", detail: "offline, and not in the cache", fix: "nixsd-native fetch --demo", build: []int{exitNetwork}, cache: func(*testing.T, string) {}},
	{name: "no output", line: "output folder", detail: "nothing can be created there, on procfs", fix: "-o DIR", build: []int{exitOutput},
		change: func(t *testing.T, j *job) { j.args = append(j.args, "-o", "/proc/1/") }},
	{name: "no emulation", line: "emulation", detail: "--emulation none", fix: "leave --emulation none out", build: []int{exitHost, exitBuild},
		change: func(t *testing.T, j *job) { needEmulation(t); j.args = append(j.args, "--emulation", "none") }},
	{name: "the host's handler without root", line: "host handler", detail: "only root", fix: "sudo", build: []int{exitHost},
		change: func(t *testing.T, j *job) { needEmulation(t); j.args = append(j.args, "--emulation", "host") }},
	{name: "few tasks in a control group", line: "control group", detail: "allows 20 processes", fix: "TasksMax", build: []int{exitBuild, exitHost, exitInternal}, root: true, change: grouped("pids", "pids.max", "20")},
	{name: "little memory in a control group", line: "control group", detail: "allows 52.0 MiB of memory", fix: "MemoryMax", build: []int{exitHost, -1}, root: true, change: grouped("memory", "memory.limit_in_bytes", "52M")},
}

// limited runs the program with a limit, as prlimit(1) has it.
func limited(limit string) func(*testing.T, *job) {
	return func(t *testing.T, j *job) { j.under = []string{testenv.NeedProgram(t, "prlimit"), limit} }
}

// tmpfs mounts one over a folder of the user's.
func tmpfs(options string, flags ...uintptr) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		var all uintptr
		for _, f := range flags {
			all |= f
		}
		if err := unix.Mount("tmpfs", dir, "tmpfs", all, fmt.Sprintf("mode=755,uid=%d,gid=%d,%s", user().uid, user().uid, options)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	}
}

// ntfs mounts another system's disk over a folder, as desktops do.
func ntfs(t *testing.T, dir string) {
	file := filepath.Join(lab(), "disk.ntfs")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(file) })
	if err := os.Truncate(file, 2<<30); err != nil {
		t.Fatal(err)
	}
	output(t, testenv.NeedProgram(t, "mkntfs"), "-q", "-F", "-f", file)
	err := exec.Command(testenv.NeedProgram(t, "mount"), "-t", "ntfs-3g", "-o", fmt.Sprintf("loop,uid=%d,gid=%d,umask=022", user().uid, user().uid), file, dir).Run()
	testenv.Need(t, "kernel and program that mount NTFS", err)
	t.Cleanup(func() { output(t, testenv.NeedProgram(t, "umount"), dir) })
}

// grouped runs the program in a control group of version 1.
func grouped(controller, file, value string) func(*testing.T, *job) {
	return func(t *testing.T, j *job) {
		dir := filepath.Join("/sys/fs/cgroup", controller, "nixsd-e2e-doctor")
		err := os.Mkdir(dir, 0o755)
		testenv.Need(t, "control group of "+controller, err)
		t.Cleanup(func() { os.Remove(dir) })
		if err := os.WriteFile(filepath.Join(dir, file), []byte(value), 0); err != nil {
			t.Fatal(err)
		}
		uid := fmt.Sprint(user().uid)
		j.as, j.dir = root(), j.as.folder(t, ".")
		j.under = []string{"sh", "-c", `echo $$ >"$0" && exec "$@"`, filepath.Join(dir, "cgroup.procs"),
			testenv.NeedProgram(t, "setpriv"), "--reuid", uid, "--regid", uid, "--clear-groups"}
	}
}

// What the doctor calls a problem, a build fails of; where it finds none, one works, as
// the other tests show.
func TestDoctorProblems(t *testing.T) {
	check := mustStay(t)
	p := userInputs(t)
	u := user()
	healthy := places{u.folder(t, "doctor-healthy"), p.cache}
	d := examine(t, job{as: u, args: healthy.with("doctor", "--demo", "--offline")})
	d.mustBeWell(t, "the user")
	d.mustSay(t, "names", "skipped", "--offline", "")
	if must(t, job{as: u, args: healthy.with("shell", "--demo", "--offline", "-q", "--", "true")}); t.Failed() {
		t.Fatal("this host itself is in no state to build")
	}
	for i, a := range adversities {
		t.Run(a.name, func(t *testing.T) {
			if a.root {
				testenv.NeedRoot(t)
			}
			at := places{u.folder(t, fmt.Sprintf("doctor-%d", i)), p.cache}
			if a.state != nil {
				a.state(t, at.state)
			}
			if a.cache != nil {
				at.cache = u.folder(t, fmt.Sprintf("doctor-%d-cache", i))
				a.cache(t, at.cache)
			}
			j := job{as: u}
			if a.change != nil {
				a.change(t, &j)
			}
			more := j.args
			j.args = append(at.with("doctor", "--demo", "--offline"), more...)
			d := examine(t, j)
			d.mustSay(t, a.line, "problem", a.detail, a.fix)
			j.args = append(at.with("build", "--demo", "--offline", "--log-format", "plain", "--ssh-key", u.keyFile(t), "-o", filepath.Join(u.folder(t, "doctor-out"), "x/")), more...)
			if r := run(t, j); !slices.Contains(a.build, r.status) {
				t.Errorf("the build = %d; want one of %v\n%s", r.status, a.build, tail(strings.Split(r.errs, "\n")))
			}
		})
	}
	check(t)
}

// As root the doctor registers for real, and leaves nothing; in a container's place, where
// root may do nothing, it says so.
func TestDoctorAsRoot(t *testing.T) {
	testenv.NeedRoot(t)
	needEmulation(t)
	mountBinfmt(t) // which the foreign handler needs
	check := mustStay(t)
	from := userInputs(t)
	p := root().places("doctor")
	copyDownloads(t, from.cache, p, true)
	d := examine(t, job{as: root(), args: p.with("doctor", "--demo", "--offline")})
	d.mustBeWell(t, "root")
	d.mustSay(t, "host handler", "ok", "an aarch64 program runs with it", "")
	d.mustSay(t, "private handler", "ok", "an aarch64 program runs with it", "")
	d.mustSay(t, "builders", "ok", "as Nix makes", "")
	empty := root().places("doctor-empty")
	d = examine(t, job{as: root(), args: empty.with("doctor", "--demo", "--offline")})
	d.mustSay(t, "host handler", "ok", "registers and is removed", "")
	if ourHandler() != "" {
		t.Error("a handler is left")
	}
	sudo := []string{testenv.NeedProgram(t, "setpriv"), "--bounding-set", "-sys_admin"}
	d = examine(t, job{as: root(), under: sudo, args: p.with("doctor", "--demo", "--offline")})
	d.mustSay(t, "namespaces", "problem", "not permitted", "")
	r := run(t, job{as: root(), under: sudo, args: buildArgs(t, root(), p, "doctor-out", "--offline")})
	if r.status != exitHost {
		t.Errorf("a build of such a root = %d, %s; want %d", r.status, r.errs, exitHost)
	}
	foreignHandler(t)
	d = examine(t, job{as: root(), args: p.with("doctor", "--demo", "--offline")})
	d.mustBeWell(t, "root beside another handler")
	d.mustSay(t, "other handlers", "ok", "nixsd-e2e-foreign (/bin/false) also takes aarch64 programs", "")
	if err := os.WriteFile(filepath.Join(binfmtDir, "nixsd-e2e-foreign"), []byte("-1"), 0); err != nil {
		t.Error(err)
	}
	check(t)
}

// Beside a build the doctor waits for nothing: it leaves out what the build has.
func TestDoctorBesideBuild(t *testing.T) {
	check := mustStay(t)
	for _, as := range callers() {
		p := as.places("doctor-beside")
		j := job{as: as, args: p.with("doctor", "--demo", "--offline")}
		examine(t, j).mustSay(t, "state folder", "ok", "locks work", "")
		lock, err := os.Open(filepath.Join(p.state, "lock"))
		if err != nil {
			t.Fatal(err)
		}
		defer lock.Close()
		if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
			t.Fatal(err)
		}
		d := examine(t, j)
		d.mustBeWell(t, fmt.Sprintf("user %d beside a build", as.uid))
		d.mustSay(t, "state folder", "skipped", "a build uses "+p.state+" now", "")
		d.mustSay(t, "cache folder", "ok", "files can be written", "")
		d.mustSay(t, "inputs", "skipped", "a build uses", "")
	}
	check(t)
}

// doctored is a local nixos.org that a doctor asks, and a cache with the emulator alone.
func doctored(t *testing.T) (nixos, func(env ...string) diagnosis) {
	p := userInputs(t)
	found := func(pattern string) string {
		all, err := filepath.Glob(filepath.Join(p.cache, pattern))
		if err != nil || len(all) != 1 {
			t.Fatalf("%s has %q, %v; want one %s", p.cache, all, err, pattern)
		}
		return all[0]
	}
	n := nixos{upstream.Start(t, lab(), upstream.Content{
		NixTar: found("*-nix-demo-*"), NixVersion: "2.35.2", NixSystem: nativeArch(), ChannelTar: found("*-nixexprs-demo*"), Release: nix.DefaultRelease,
	}), user(), user().places("doctor-net")}
	n.folder(t, "doctor-net-cache")
	deb, _ := emulatorDeb(t, p)
	copyTree(t, deb, filepath.Join(n.cache, filepath.Base(deb)), n.uid)
	dir := n.folder(t, "doctor-net")
	return n, func(env ...string) diagnosis {
		t.Helper()
		j := n.job(dir, n.args("doctor", "--substituter", n.CacheURL()))
		j.env = append(j.env, env...)
		return examine(t, j)
	}
}

// Without a network, behind a proxy that is dead, and where servers lie, the doctor says
// what is in the way, and a fetch fails of it.
func TestDoctorNetwork(t *testing.T) {
	check := mustStay(t)
	n, examined := doctored(t)
	fetchFails := func(t *testing.T, env []string) {
		t.Helper()
		j := n.job(n.folder(t, "doctor-net"), n.args("fetch"))
		j.env = append(j.env, env...)
		if r := run(t, j); r.status != exitNetwork && r.status != exitVerify {
			t.Errorf("a fetch = %d, %s; want a failure of the network", r.status, r.errs)
		}
	}
	d := examined()
	d.mustBeWell(t, "a local nixos.org")
	d.mustSay(t, "nixpkgs", "ok", "127.0.0.1", "")
	d.mustSay(t, "Nix", "ok", "answers", "")
	d.mustSay(t, "binary cache", "ok", "nix-cache-info", "")
	d.mustSay(t, "clock", "ok", "as servers say", "")
	if n.asked("GET /channels/") == 0 || n.asked("GET /releases/nix/") == 0 || n.asked("GET /cache/nix-cache-info") == 0 {
		t.Errorf("asked %q", n.Requests())
	}

	strangers := []string{"SSL_CERT_FILE=" + n.otherAuthorities(t)}
	d = examined(strangers...)
	d.mustSay(t, "Nix", "problem", "certificate signed by unknown authority", "export SSL_CERT_FILE=")
	fetchFails(t, strangers)

	dead := []string{"http_proxy=" + nobody, "https_proxy=" + nobody, "no_proxy=none.invalid"}
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"} {
		dead = append(dead, name+"=")
	}
	d = examined(dead...)
	d.mustSay(t, "proxy", "problem", "connection refused", "unset http_proxy https_proxy no_proxy")

	n.Break("*", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		fmt.Fprint(w, "<!doctype html><html>Welcome to our hotel</html>")
	})
	d = examined()
	d.mustSay(t, "nixpkgs", "problem", "login page", "curl -sSIL")
	fetchFails(t, nil)
	n.Mend()

	n.Break("*", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		w.Header().Set("Date", time.Now().Add(48*time.Hour+30*time.Minute).UTC().Format(http.TimeFormat))
		next.ServeHTTP(w, r)
	})
	d = examined()
	d.mustBeWell(t, "a clock that is off")
	d.mustSay(t, "clock", "warning", "off by 48h", "sudo date -u -s")
	n.Mend()

	alone := places{user().folder(t, "doctor-alone"), user().folder(t, "doctor-alone-cache")}
	j := job{as: user(), isolated: true, args: alone.with("doctor", "--demo")}
	d = examine(t, j)
	d.mustSay(t, "names", "problem", "not resolved", "resolv.conf")
	d.mustSay(t, "Debian's index", "problem", "lookup", "--debian-mirror URL")
	j.args = buildArgs(t, user(), alone, "doctor-out", "--log-format", "plain")
	if r := run(t, j); r.status != exitNetwork {
		t.Errorf("a build without network = %d, %s; want %d", r.status, r.errs, exitNetwork)
	}
	check(t)
}
