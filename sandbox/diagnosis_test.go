package sandbox

import (
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"unicode"
)

func TestDiagnose(t *testing.T) {
	none := Facts{MaxUserNamespaces: 1000, UnprivilegedClone: -1, AppArmorRestricts: -1, Program: "/opt/nixsd-native"}
	with := func(change func(*Facts)) Facts {
		f := none
		change(&f)
		return f
	}
	tests := []struct {
		name  string
		op    string
		errno syscall.Errno
		facts Facts
		cause string
		hint  string
	}{
		{"switched off", "clone", syscall.ENOSPC, with(func(f *Facts) { f.MaxUserNamespaces = 0 }), "max_user_namespaces is 0", "sysctl -w user.max_user_namespaces"},
		{"switched off, root", "clone", syscall.ENOSPC, with(func(f *Facts) { f.MaxUserNamespaces, f.Root = 0, true }), "max_user_namespaces is 0", "sysctl"},
		{"too many", "clone", syscall.ENOSPC, none, "too many", "sysctl"},
		{"no kernel support", "clone", syscall.EINVAL, none, "has no user namespaces", "CONFIG_USER_NS"},
		{"debian", "clone", syscall.EPERM, with(func(f *Facts) { f.UnprivilegedClone = 0 }), "unprivileged_userns_clone is 0", "with sudo"},
		{"debian, root", "clone", syscall.EPERM, with(func(f *Facts) { f.UnprivilegedClone, f.Root = 0, true }), "chroot", "leave the chroot"},
		{"ubuntu at clone", "clone", syscall.EACCES, with(func(f *Facts) { f.AppArmorRestricts = 1 }), "AppArmor", "with sudo"},
		{"profile", "clone", syscall.EACCES, with(func(f *Facts) { f.AppArmorProfile = "mine" }), `profile "mine"`, "userns,"},
		{"profile, root", "clone", syscall.EACCES, with(func(f *Facts) { f.AppArmorProfile, f.Root = "mine", true }), `profile "mine"`, "userns,"},
		{"profile, another cause", "clone", syscall.EPERM, with(func(f *Facts) { f.AppArmorProfile = "mine" }), "system-call filter", "chroot"},
		{"ubuntu at mount", "mount tmpfs", syscall.EACCES, with(func(f *Facts) { f.AppArmorRestricts = 1 }), "AppArmor", "with sudo"},
		{"container", "clone", syscall.EPERM, with(func(f *Facts) { f.Container = "docker" }), "docker container", "--privileged"},
		{"container's proc", "mount proc", syscall.EPERM, with(func(f *Facts) { f.Container = "podman" }), "podman container", "--privileged"},
		{"masked proc", "mount proc", syscall.EPERM, none, "/proc is partly hidden", "findmnt"},
		{"newuidmap", "newuidmap", 0, none, "newuidmap", "/etc/subuid"},
		{"initramfs", "pivot_root", syscall.EINVAL, none, "initial RAM", "root file system of its own"},
		{"unknown", "mount tmpfs", syscall.ENOMEM, none, "could not be set up", ""},
	}
	for _, test := range tests {
		e := Diagnose(test.op, test.errno, "detail", test.facts)
		hints := strings.Join(e.Hints(), "\n")
		detailed := test.op != "clone" || test.errno != syscall.ENOSPC // whose words speak of a device
		if !strings.Contains(e.Error(), test.cause) || strings.Contains(e.Error(), "detail") != detailed || !strings.Contains(hints, test.hint) {
			t.Errorf("%s: Diagnose = %v\nhints %q; want …%s… and …%s…", test.name, e, hints, test.cause, test.hint)
		}
	}
	e := Diagnose("clone", syscall.EACCES, "", with(func(f *Facts) { f.AppArmorRestricts = 1 }))
	if hints := strings.Join(e.Hints(), "\n"); !strings.Contains(hints, "profile nixsd-native /opt/nixsd-native ") {
		t.Errorf("hints %q do not hold the profile for the program's path", hints)
	}
}

func TestReadFacts(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	got := ReadFacts(fstest.MapFS{
		"proc/sys/user/max_user_namespaces":                     file("96365\n"),
		"proc/sys/kernel/apparmor_restrict_unprivileged_userns": file("1\n"),
		"proc/sys/kernel/unprivileged_userns_clone":             file("garbage"),
		"proc/self/attr/apparmor/current":                       file("/usr/bin/nixsd-* (enforce)\n"),
		"run/.containerenv":                                     file(""),
	}, false, "/x")
	want := Facts{Program: "/x", AppArmorProfile: "/usr/bin/nixsd-*", MaxUserNamespaces: 96365, UnprivilegedClone: -1, AppArmorRestricts: 1, Container: "podman"}
	if got != want {
		t.Errorf("ReadFacts = %+v; want %+v", got, want)
	}
	for _, text := range []string{"unconfined\n", "mine (complain)\n", "mine (unconfined)\n", ""} {
		if got := ReadFacts(fstest.MapFS{"proc/self/attr/apparmor/current": file(text)}, false, ""); got.AppArmorProfile != "" {
			t.Errorf("the profile of %q is %q; want none", text, got.AppArmorProfile)
		}
	}
	if got := ReadFacts(fstest.MapFS{"run/systemd/container": file("lxc\n")}, true, ""); got.Container != "lxc" || got.MaxUserNamespaces != -1 {
		t.Errorf("ReadFacts = %+v; want lxc and -1", got)
	}
}

// What the host's files say is a number, or no setting; a container's kind is a word that
// a terminal bears.
func FuzzReadFacts(f *testing.F) {
	f.Add("15000\n", "docker\n")
	f.Add("-1", "lxc\x1b[2J")
	f.Fuzz(func(t *testing.T, number, kind string) {
		facts := ReadFacts(fstest.MapFS{
			"proc/sys/user/max_user_namespaces": {Data: []byte(number)}, "run/systemd/container": {Data: []byte(kind)},
		}, false, "/p")
		if n, err := strconv.Atoi(strings.TrimSpace(number)); err == nil && facts.MaxUserNamespaces != n || err != nil && facts.MaxUserNamespaces != -1 {
			t.Errorf("%q is %d", number, facts.MaxUserNamespaces)
		}
		if e := Diagnose("clone", syscall.EPERM, "", facts); strings.ContainsFunc(e.Error(), unicode.IsControl) {
			t.Errorf("of %q: %q", kind, e.Error())
		}
	})
}
