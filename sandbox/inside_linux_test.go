package sandbox

import (
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"nixsd-native/internal/testenv"
)

// facts is what the program inside finds.
type facts struct {
	UID, GID       int
	Groups         []int
	UIDMap, GIDMap string
	Status         map[string]string
	Limits         map[string]uint64
	Mounts         []string
	Files          map[string]string
	Pids           []int
	Env            []string
	Dir            string
	Umask          int
	Hostname       string
	Interfaces     []string
	Root           []string
	Score          string
}

// A mode is one of the ways to map ids.
type mode struct {
	users  func(t *testing.T) Users
	uidMap []string // fields of /proc/self/uid_map inside
	many   bool
	locked bool // mounts were made by a Stage
}

var modes = map[string]mode{
	"range": {
		users:  func(*testing.T) Users { return Users{Range: whole} },
		uidMap: []string{"0", fmt.Sprint(whole.First), "65536"},
		many:   true, locked: true,
	},
	"single": {
		users:  func(*testing.T) Users { return Users{} },
		uidMap: []string{"0", fmt.Sprint(os.Getuid()), "1"},
	},
	"subordinate": {
		users: func(t *testing.T) Users {
			testenv.NeedProgram(t, "newuidmap")
			if os.Getenv(placeEnv) != asUser {
				testenv.NeedRoot(t) // to arrange for subordinate ids
			}
			return Users{SubUID: subordinate, SubGID: subordinate}
		},
		uidMap: []string{"0", fmt.Sprint(os.Getuid()), "1", "1", fmt.Sprint(subordinate.First), "65535"},
		many:   true,
	},
}

// prepared makes the folders that attempts aim at, as the caller of a sandbox would.
func prepared(t *testing.T, m mode) Spec {
	t.Helper()
	base := t.TempDir()
	for _, name := range []string{"root", "readonly/below", "writable"} {
		if err := os.MkdirAll(filepath.Join(base, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	readonly, writable := filepath.Join(base, "readonly"), filepath.Join(base, "writable")
	data, err := os.ReadFile(program(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"file": 0o644, "program": 0o755} {
		if err := os.WriteFile(filepath.Join(readonly, name), data, mode); err != nil {
			t.Fatal(err)
		}
	}
	s := Spec{
		Root: filepath.Join(base, "root"),
		Mounts: []Mount{
			{Source: readonly, Target: "/readonly"},
			{Source: writable, Target: "/writable", Writable: true, Exec: true},
		},
		Files: []File{
			{Path: "/etc/nixsd/conf", Mode: 0o640, Data: []byte("text")},
			{Path: "/etc/nixsd/key", Mode: 0o400, Data: []byte("key"), ReadOnly: true},
		},
		Links: []Link{{Path: "/bin/link", Target: "inside"}},
	}
	if m.locked {
		stageAll(t, base, &s)
	}
	return s
}

// stageAll lets a Stage make the mounts, of folders that belong to the sandbox.
func stageAll(t *testing.T, base string, s *Spec) {
	t.Helper()
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	for _, m := range s.Mounts {
		if out, err := exec.Command("chown", "-R", fmt.Sprint(whole.First), m.Source).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
	}
	stage := newStage(t)
	var err error
	for i := range s.Mounts {
		if s.Mounts[i], err = stage.Bind(fmt.Sprintf("m%d", i), s.Mounts[i]); err != nil {
			t.Fatal(err)
		}
	}
	if s.Root, err = stage.Root(); err != nil {
		t.Fatal(err)
	}
}

// newStage makes one.
func newStage(t *testing.T) *Stage {
	t.Helper()
	dir := publicDir(t)
	stage, err := NewStage(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return stage
}

func eachMode(t *testing.T, test func(t *testing.T, m mode)) {
	for name, m := range modes {
		t.Run(name, func(t *testing.T) {
			place := asUser
			if m.locked {
				place = asRoot
			}
			if in(t, place) {
				test(t, m)
			}
		})
	}
}

func TestFacts(t *testing.T) { eachMode(t, testFacts) }

func testFacts(t *testing.T, m mode) {
	leak, err := os.Open("/") // what a shell's redirection would leave open
	if err != nil {
		t.Fatal(err)
	}
	defer leak.Close()
	if _, err := unix.FcntlInt(leak.Fd(), unix.F_SETFD, 0); err != nil {
		t.Fatal(err)
	}
	spec := prepared(t, m)
	s, _ := launch(t, Options{Spec: spec, Users: m.users(t)})
	f := answer[facts](t, s, []string{"A=b"}, "facts")
	equal := func(what string, got, want any) {
		t.Helper()
		if g, w := fmt.Sprintf("%q", got), fmt.Sprintf("%q", want); g != w {
			t.Errorf("%s is %s; want %s", what, g, w)
		}
	}
	equal("uid and gid", []int{f.UID, f.GID}, []int{0, 0})
	equal("uid_map", strings.Fields(f.UIDMap), m.uidMap)
	if m.many {
		equal("gid_map", strings.Fields(f.GIDMap), m.uidMap)
		equal("groups", f.Groups, []int{})
	}
	for set, want := range map[string]uint64{"CapPrm": mask(kept), "CapEff": mask(kept), "CapBnd": mask(kept), "CapInh": 0, "CapAmb": 0} {
		equal(set, f.Status[set], fmt.Sprintf("%016x", want))
	}
	equal("NoNewPrivs", f.Status["NoNewPrivs"], "1")
	equal("core limit", f.Limits["core"], uint64(0))
	equal("environment", f.Env, []string{"A=b"})
	equal("folder", f.Dir, "/tmp")
	equal("umask", f.Umask, 0o022)
	equal("host name", f.Hostname, "nixsd")
	equal("score of memory", f.Score, memoryScore)
	equal("processes", f.Pids[0], 1)
	if len(f.Pids) != 2 {
		t.Errorf("/proc shows the processes %v; want 1 and one more", f.Pids)
	}
	if len(f.Interfaces) > 1 || len(f.Interfaces) == 1 && f.Interfaces[0] != "lo" {
		t.Errorf("network interfaces without network: %q", f.Interfaces)
	}
	equal("/", f.Root, []string{"bin", "dev", "etc", "proc", "readonly", "root", "run", "tmp", "var", "writable"})
	checkFiles(t, f.Files)
	checkMounts(t, f.Mounts, spec)
}

func mask(caps []uintptr) (m uint64) {
	for _, c := range caps {
		m |= 1 << c
	}
	return m
}

// checkFiles allows the standard streams and what the program opened itself.
func checkFiles(t *testing.T, files map[string]string) {
	t.Helper()
	for fd, to := range files {
		own := strings.HasPrefix(to, "anon_inode:") || strings.HasPrefix(to, "/proc/") || strings.HasPrefix(to, "pipe:") && fd == "1" || to == "/dev/null"
		if !own {
			t.Errorf("descriptor %s leads to %s", fd, to)
		}
	}
}

// checkMounts compares the mounts inside with the plan.
func checkMounts(t *testing.T, lines []string, spec Spec) {
	t.Helper()
	spec.Mounts = append(spec.Mounts, Mount{Source: "/inside", Target: "/bin/inside", IsFile: true, Exec: true})
	steps, err := plan(spec)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]flags{"/": noSuid | noDev}
	for _, s := range steps {
		if s.kind == mountFS || s.kind == bindDir || s.kind == bindFile {
			want["/"+s.target] = s.flags
		}
	}
	got := map[string]flags{}
	for _, line := range lines {
		fields := strings.Fields(line)
		var f flags
		for _, option := range strings.Split(fields[5], ",") {
			f |= map[string]flags{"ro": readOnly, "nosuid": noSuid, "nodev": noDev, "noexec": noExec}[option]
		}
		got[fields[4]] = f
	}
	if !maps.Equal(got, want) {
		t.Errorf("mounts inside, with flags: %v\nwant as planned: %v", got, want)
	}
}

// What attempts end with; the zero value is success.
var outcomes = map[string]string{
	"write the read-only folder":  "EROFS",
	"write the read-only file":    "EROFS",
	"remove the read-only file":   "EROFS",
	"write what is mounted below": "EROFS",
	"write the writable folder":   "",
	"write a file of ours":        "",
	"write a read-only one":       "EROFS",
	"remove a read-only one":      "EBUSY",
	"replace a read-only one":     "EBUSY",
	"run from a noexec folder":    "EACCES",
	"run a set-uid program":       "EPERM",
	"make a device":               "EPERM",
	"take a capability back":      "EPERM",
	"inherit a capability":        "EPERM",
	"trace process 1":             "EPERM",
	"see the files of process 1":  "EACCES",
	"see the root of process 1":   "EACCES",
	"open the program of it":      "EACCES",
	"take a file from it":         "EPERM",
	"leave the root by ..":        "ENOENT",
	"leave a chroot":              "ENOENT",
	"open the terminal":           "ENXIO",
	"use /dev/null":               "",
	"use /dev/zero":               "",
	"use /dev/urandom":            "",
	"use /dev/full":               "ENOSPC",
	"use /dev/shm":                "",
	"make a pseudoterminal":       "",
	"reach the host's network":    "ENETUNREACH",
	"change a sysctl":             "EACCES",
	"set the clock":               "EPERM",

	"raise the limit of processes": "EPERM",
}

// Where the caller's own namespace made the mounts, the kernel locks them. Without
// root there is none.
var lockedOutcomes = map[string]string{
	"remount it writable":   "EPERM",
	"remount it executable": "EPERM",
	"remount with set-uid":  "EPERM",
	"remount with devices":  "EPERM",
	"bind it writable":      "EPERM",
}

func TestAttempts(t *testing.T) { eachMode(t, testAttempts) }

func testAttempts(t *testing.T, m mode) {
	spec := prepared(t, m)
	if m.locked { // without root nothing can be mounted there
		below := filepath.Join(spec.Mounts[0].Source, "below")
		if err := unix.Mount("nixsd-test", below, "tmpfs", 0, fmt.Sprintf("uid=%d", whole.First)); err != nil {
			t.Fatal(err)
		}
	}
	host, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	env := []string{"LISTENER=" + host.Addr().String()}
	s, _ := launch(t, Options{Spec: spec, Users: m.users(t)})
	got := answer[map[string]string](t, s, env, "try")
	want := maps.Clone(outcomes)
	if m.locked {
		maps.Copy(want, lockedOutcomes)
	} else if !m.many {
		want["run a set-uid program"] = "EINVAL" // there is no other id to give it
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if end, tried := got[name]; !tried || end != want[name] {
			t.Errorf("%s: %q; want %q", name, end, want[name])
		}
	}
	if data, err := os.ReadFile(filepath.Join(spec.Mounts[1].Source, "new")); err != nil || string(data) != "from inside" {
		t.Errorf("what was written inside is %q, %v on the host", data, err)
	}
	s, _ = launch(t, Options{Spec: Spec{}, Users: m.users(t), Network: true})
	if got := answer[map[string]string](t, s, env, "try")["reach the host's network"]; got != "" {
		t.Errorf("with network, the host cannot be reached: %s", got)
	}
}

// A restricted thread starts what the Self hook starts.
func TestSelf(t *testing.T) {
	if !in(t, asUser) {
		return
	}
	s, _ := launch(t, Options{Users: users()})
	if out, exit := output(t, s, Command{Self: true, Argv: []string{"answer"}, Env: []string{"A=b"}}); out != "[A=b]" || exit != (Exit{Status: 3}) {
		t.Errorf("Self answered %q, %+v", out, exit)
	}
	out, exit := output(t, s, Command{Self: true, Argv: []string{"start"}})
	for _, want := range []string{`"NoNewPrivs":"1"`, fmt.Sprintf(`"CapBnd":"%016x"`, mask(kept))} {
		if !strings.Contains(out, want) || exit != (Exit{}) {
			t.Errorf("a process of Self has no %s (%+v)", want, exit)
		}
	}
}
