package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// show writes steps as one line each.
func show(steps []step) []string {
	var all []string
	for _, s := range steps {
		kind := []string{"dir", "file", "link", "fs", "bind", "bind file"}[s.kind]
		line := fmt.Sprintf("%s %s", kind, s.target)
		if s.source != "" {
			line += " < " + s.source
		}
		for _, f := range []struct {
			flag flags
			name string
		}{{readOnly, "ro"}, {noSuid, "nosuid"}, {noDev, "nodev"}, {noExec, "noexec"}} {
			if s.flags&f.flag != 0 {
				line += " " + f.name
			}
		}
		if s.kind == makeDir || s.kind == makeFile {
			line += fmt.Sprintf(" %o", s.mode)
		}
		if s.data != "" {
			line += " " + s.data
		}
		if s.bytes != nil {
			line += fmt.Sprintf(" %q", s.bytes)
		}
		all = append(all, line)
	}
	return all
}

const wantPlan = `dir proc 755
fs proc < proc nosuid nodev noexec
dir dev 755
fs dev < tmpfs nosuid mode=0755,size=1m
file dev/null 644
bind file dev/null < /dev/null nosuid noexec
file dev/zero 644
bind file dev/zero < /dev/zero nosuid noexec
file dev/full 644
bind file dev/full < /dev/full nosuid noexec
file dev/random 644
bind file dev/random < /dev/random nosuid noexec
file dev/urandom 644
bind file dev/urandom < /dev/urandom nosuid noexec
file dev/tty 644
bind file dev/tty < /dev/tty nosuid noexec
dir dev/pts 755
fs dev/pts < devpts nosuid noexec newinstance,ptmxmode=0666,mode=0620
dir dev/shm 755
fs dev/shm < tmpfs nosuid nodev mode=1777,size=256m
link dev/ptmx < pts/ptmx
link dev/fd < /proc/self/fd
link dev/stdin < /proc/self/fd/0
link dev/stdout < /proc/self/fd/1
link dev/stderr < /proc/self/fd/2
dir tmp 755
fs tmp < tmpfs nosuid nodev mode=1777
dir nix 755
bind nix < /state/nix nosuid nodev
dir inputs 755
bind inputs < /cache ro nosuid nodev noexec
dir run 755
dir run/nixsd 755
file run/nixsd/qemu 644
bind file run/nixsd/qemu < /cache/q ro nosuid nodev
dir etc 755
file etc/passwd 640 "root"
dir etc/ssh 755
file etc/ssh/key 400 "k"
bind file etc/ssh/key < /state/mnt/etc/ssh/key ro nosuid nodev noexec
dir usr 755
dir usr/bin 755
link usr/bin/env < /nix/env
dir root 755
dir var 755
dir var/tmp 755`

func TestPlan(t *testing.T) {
	steps, err := plan(Spec{
		Mounts: []Mount{
			{Source: "/state/nix", Target: "/nix", Writable: true, Exec: true},
			{Source: "/cache", Target: "/inputs"},
			{Source: "/cache/q", Target: "/run/nixsd/qemu", IsFile: true, Exec: true},
		},
		Root:  "/state/mnt",
		Files: []File{{Path: "/etc/passwd", Mode: 0o640, Data: []byte("root")}, {Path: "/etc/ssh/key", Mode: 0o400, Data: []byte("k"), ReadOnly: true}},
		Links: []Link{{Path: "/usr/bin/env", Target: "/nix/env"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := show(steps)
	for i, want := range strings.Split(wantPlan, "\n") {
		if i >= len(got) || got[i] != want {
			t.Fatalf("step %d of the plan is %q; want %q", i, got[min(i, len(got)-1)], want)
		}
	}
	if n := strings.Count(wantPlan, "\n") + 1; len(got) != n {
		t.Errorf("the plan goes on with %q", got[n:])
	}
}

func TestPlanRefuses(t *testing.T) {
	file := func(p string) Spec { return Spec{Files: []File{{Path: p}}} }
	mount := func(source, target string) Spec { return Spec{Mounts: []Mount{{Source: source, Target: target}}} }
	for _, test := range []struct {
		spec Spec
		want string
	}{
		{file("etc/x"), "no clean absolute path"},
		{file(""), "no clean absolute path"},
		{file("/"), "no clean absolute path"},
		{file("//etc"), "no clean absolute path"},
		{file("/etc/"), "no clean absolute path"},
		{file("/etc/../x"), "no clean absolute path"},
		{file("/.."), "no clean absolute path"},
		{file("/../x"), "no clean absolute path"},
		{file("/etc/./x"), "no clean absolute path"},
		{Spec{Links: []Link{{Path: "/../x", Target: "y"}}}, "no clean absolute path"},
		{mount("/a", "/"), "no clean absolute path"},
		{mount("/a", "b"), "no clean absolute path"},
		{mount("a", "/b"), "is not absolute"},
		{mount("", "/b"), "is not absolute"},
		{file("/proc"), "made twice"},
		{file("/dev/null"), "made twice"},
		{file("/tmp"), "made twice"},
		{mount("/a", "/dev"), "made twice"},
		{Spec{Files: []File{{Path: "/x"}, {Path: "/x"}}}, "made twice"},
		{Spec{Files: []File{{Path: "/x/y"}, {Path: "/x"}}}, "made twice"},
		{Spec{Mounts: []Mount{{Source: "/a", Target: "/x"}}, Links: []Link{{Path: "/x", Target: "y"}}}, "made twice"},
	} {
		if _, err := plan(test.spec); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("plan(%+v) = %v; want …%s…", test.spec, err, test.want)
		}
	}
}

// Below a mount files can be made, but the plan does not know whether what is above
// them is a folder: the kernel says so later.
func TestPlanBelowMount(t *testing.T) {
	steps, err := plan(Spec{Mounts: []Mount{{Source: "/a", Target: "/x"}, {Source: "/b", Target: "/x/y"}}})
	if err != nil {
		t.Fatal(err)
	}
	got := show(steps)
	if i := slices.Index(got, "bind x < /a ro nosuid nodev noexec"); i < 0 || got[i+1] != "dir x/y 755" {
		t.Errorf("plan = %q; want x before x/y", got)
	}
}

func TestFailureOf(t *testing.T) {
	for _, test := range []struct {
		err  error
		want Failure
	}{
		{errors.New("bare"), Failure{Message: "bare"}},
		{&fs.PathError{Op: "mount proc", Path: "/x", Err: syscall.EPERM}, Failure{Op: "mount proc", Errno: int(syscall.EPERM), Message: "mount proc /x: operation not permitted"}},
		{os.NewSyscallError("sethostname", syscall.EACCES), Failure{Op: "sethostname", Errno: int(syscall.EACCES), Message: "sethostname: permission denied"}},
		{fmt.Errorf("around: %w", &fs.PathError{Op: "open", Path: "/x", Err: syscall.ENOENT}), Failure{Op: "open", Errno: int(syscall.ENOENT), Message: "around: open /x: no such file or directory"}},
		{&HostError{Cause: "cause", Advice: []string{"advice"}}, Failure{Message: "cause", Advice: []string{"advice"}}},
	} {
		if got := failureOf(test.err); !reflect.DeepEqual(*got, test.want) || got.Error() != test.want.Message {
			t.Errorf("failureOf(%v) = %+v; want %+v", test.err, *got, test.want)
		}
	}
}
