package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"nixsd-native/internal/hostinfo"
)

// privateSince is the first Linux with a binfmt_misc for each user namespace.
var privateSince = [2]int{6, 7}

// kernelVersion reads the first two numbers of a release such as 6.12.48+deb13-amd64.
func kernelVersion(release string) (v [2]int) {
	for i, part := range strings.SplitN(release, ".", 3) {
		if i < len(v) {
			digits := strings.IndexFunc(part+" ", func(r rune) bool { return r < '0' || r > '9' })
			v[i], _ = strconv.Atoi(part[:digits])
		}
	}
	return v
}

// kernel says what the version means; whether it is true is tried by others.
func (d *doctor) kernel(context.Context) []finding {
	return judgeKernel(hostinfo.KernelRelease(), runtime.GOARCH, d.isRoot, d.emulatesHere())
}

func judgeKernel(release, arch string, isRoot, emulates bool) []finding {
	v := kernelVersion(release)
	old := v[0] < privateSince[0] || v[0] == privateSince[0] && v[1] < privateSince[1]
	switch {
	case !emulates:
		return ok("Linux %s, %s; no emulation is asked for", release, arch)
	case !old:
		return ok("Linux %s, %s: new enough to emulate without root (6.7)", release, arch)
	case isRoot:
		return ok("Linux %s, %s: older than 6.7, so it is root who can emulate, as here", release, arch)
	}
	return warning(fmt.Errorf("older than 6.7, so only root can emulate: Linux %s, %s", release, arch), "sudo nixsd-native build")
}

// caller says who the work is done as.
func (d *doctor) caller(context.Context) []finding {
	uid := os.Geteuid()
	if d.isRoot {
		return ok("root; downloads and reading are done as user %d, builds as ids that nobody has", uid)
	}
	if ownUsers().Many() {
		return ok("user %d, with subordinate ids: builders have ids of their own", uid)
	}
	return ok("user %d, without subordinate ids (newuidmap, /etc/subuid): builders have your id, apart from your files", uid)
}

// Container lacks: the bit of CAP_SYS_ADMIN in the bounding set (capabilities(7)).
const capSysAdmin = 21

func (d *doctor) container(context.Context) []finding {
	kind := hostinfo.Container(d.root)
	if kind == "" {
		return ok("none")
	}
	if bounded, known := hostinfo.Bounding(d.root); known && bounded&(1<<capSysAdmin) == 0 {
		return warning(fmt.Errorf("this is a %s container whose root may neither mount nor make namespaces (no CAP_SYS_ADMIN)", kind), containerFix(kind)...)
	}
	return ok("this is a %s container; what it may do is tried below", kind)
}

// containerFix is how a container of a kind gets the rights that it needs.
func containerFix(kind string) []string {
	const outside = "or run nixsd-native on the container's host"
	switch kind {
	case "docker", "podman":
		return []string{kind + " run --privileged …", outside}
	case "kubernetes", "containerd":
		return []string{"in the pod's manifest: securityContext: {privileged: true}", outside}
	case "systemd-nspawn":
		return []string{"systemd-nspawn --capability=all --system-call-filter=@mount …", outside}
	case "lxc", "lxc-libvirt":
		return []string{"lxc config set NAME security.nesting true", outside}
	}
	return []string{"start the container with all rights (--privileged)", outside}
}

func (d *doctor) wsl(context.Context) []finding {
	return judgeWSL(hostinfo.WSL(hostinfo.KernelRelease()), hostinfo.Booted(d.root))
}

func judgeWSL(version int, systemd bool) []finding {
	switch {
	case version == 0:
		return ok("none")
	case version == 1:
		return problem(errors.New("this is WSL 1, which has no Linux kernel and so no namespaces"), "wsl.exe --set-version \"$WSL_DISTRO_NAME\" 2")
	case !systemd:
		return ok("this is WSL 2, without systemd; keep folders on Linux's own disk, not below /mnt/c")
	}
	return ok("this is WSL 2, with systemd; keep folders on Linux's own disk, not below /mnt/c")
}

// appArmor tells the profile; whether it is in the way is tried by namespaces.
func (d *doctor) appArmor(context.Context) []finding {
	return judgeAppArmor(hostinfo.ReadSecurity(d.root), d.facts().AppArmorRestricts == 1, d.isRoot)
}

func judgeAppArmor(s hostinfo.Security, restricts, isRoot bool) []finding {
	profile := s.Profile
	if profile == "" {
		profile = "unconfined"
	}
	switch {
	case !s.AppArmor:
		return ok("off")
	case restricts && !isRoot && profile == "unconfined":
		return ok("on, no profile for this program, and users without one may not use namespaces: see below")
	case restricts && !isRoot:
		return ok("on, profile %s; users need one that allows namespaces", profile)
	}
	return ok("on, profile %s", profile)
}

func (d *doctor) seLinux(context.Context) []finding {
	return judgeSELinux(hostinfo.ReadSecurity(d.root))
}

func judgeSELinux(s hostinfo.Security) []finding {
	if s.SELinux == "" {
		return ok("off")
	}
	if s.SELinux == "enforcing" && !strings.Contains(s.Context, "unconfined") {
		return warning(fmt.Errorf("enforcing, and this program is confined as %s", s.Context), "sudo ausearch -m AVC -ts recent", "run it as a user whose context is unconfined: id -Z")
	}
	return ok("%s, context %s", s.SELinux, s.Context)
}
