package sandbox

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"syscall"

	"nixsd-native/internal/hostinfo"
)

// A HostError says why this host cannot run a sandbox, and what would help.
type HostError struct {
	Cause  string
	Advice []string
	Detail string // the error below
}

func (e *HostError) Error() string {
	if e.Detail == "" {
		return e.Cause
	}
	return fmt.Sprintf("%s (%s)", e.Cause, e.Detail)
}

// Hints returns what would help, the best first.
func (e *HostError) Hints() []string { return e.Advice }

// Facts are what a diagnosis knows of the host. Numbers are -1 where the kernel has
// no such setting.
type Facts struct {
	Root              bool
	Program           string // path of this program
	MaxUserNamespaces int    // user.max_user_namespaces
	UnprivilegedClone int    // kernel.unprivileged_userns_clone: Debian's and Ubuntu's switch
	AppArmorRestricts int    // kernel.apparmor_restrict_unprivileged_userns: Ubuntu's, since 23.10
	AppArmorProfile   string // what confines this program, or ""
	Container         string // what kind of container this is, or ""
}

// ReadFacts looks at a host's root folder.
func ReadFacts(root fs.FS, isRoot bool, program string) Facts {
	return Facts{
		Root:              isRoot,
		Program:           program,
		MaxUserNamespaces: readInt(root, "proc/sys/user/max_user_namespaces"),
		UnprivilegedClone: readInt(root, "proc/sys/kernel/unprivileged_userns_clone"),
		AppArmorRestricts: readInt(root, "proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
		AppArmorProfile:   appArmorProfile(root),
		Container:         hostinfo.Container(root),
	}
}

func readInt(root fs.FS, name string) int {
	data, err := fs.ReadFile(root, name)
	if err != nil {
		return -1
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return -1
	}
	return n
}

// appArmorProfile reads the profile of this process, in the words of
// security/apparmor/procattr.c in Linux: "unconfined", or "NAME (MODE)".
func appArmorProfile(root fs.FS) string {
	data, err := fs.ReadFile(root, "proc/self/attr/apparmor/current")
	if err != nil {
		return ""
	}
	name, mode, confined := strings.Cut(strings.TrimSpace(string(data)), " (")
	if !confined || mode != "enforce)" {
		return ""
	}
	return name
}

const useRoot = "run the command with sudo: root may make namespaces where users may not"

// Diagnose names the cause of a failure to start a sandbox. op is the operation,
// as in StartError or Failure, detail the error's own words.
func Diagnose(op string, errno syscall.Errno, detail string, f Facts) *HostError {
	e := &HostError{Detail: detail}
	denied := errno == syscall.EPERM || errno == syscall.EACCES
	switch {
	case errno == syscall.EAGAIN:
		return tooManyTasks(detail)
	case f.Container != "" && (denied || errno == syscall.ENOSPC && f.MaxUserNamespaces != 0):
		e.Cause = fmt.Sprintf("this %s container may not make namespaces or mounts", f.Container)
		e.Advice = []string{"start the container with --privileged, or run nixsd-native on the container's host"}
	case op == "newuidmap" || op == "newgidmap":
		e.Cause = op + " could not map your subordinate ids"
		e.Advice = []string{"check your lines in /etc/subuid and /etc/subgid, and that newuidmap and newgidmap are set-uid root", useRoot}
	case op == "clone":
		if errno == syscall.ENOSPC { // of namespaces, not of a disk, as its words have it
			e.Detail = ""
		}
		e.diagnoseClone(errno, f)
	case denied && !f.Root && f.AppArmorRestricts == 1:
		e.appArmor(f)
	case denied && strings.HasPrefix(op, "mount proc"):
		e.Cause = "/proc is partly hidden on this host, so the kernel allows no other one"
		e.Advice = []string{"in a container: --security-opt systempaths=unconfined or --privileged; else look for mounts below /proc with \"findmnt -R /proc\""}
	case op == "pivot_root" && errno == syscall.EINVAL:
		e.Cause = "the host's root is the initial RAM file system, which cannot be changed"
		e.Advice = []string{"run nixsd-native on a system with a root file system of its own"}
	default:
		e.Cause = "the sandbox could not be set up"
	}
	return e
}

// tooManyTasks is for EAGAIN of clone(2).
func tooManyTasks(detail string) *HostError {
	return &HostError{Detail: detail, Cause: "no further process may be started: a limit is in the way", Advice: []string{
		"raise the limit of processes: sudo prlimit --pid $$ --nproc=4096",
		"or that of the control group: systemctl set-property --runtime UNIT TasksMax=4096, or docker run --pids-limit 4096 …",
	}}
}

func (e *HostError) diagnoseClone(errno syscall.Errno, f Facts) {
	denied := errno == syscall.EPERM || errno == syscall.EACCES
	switch {
	case f.MaxUserNamespaces == 0:
		e.Cause = "user namespaces are switched off: user.max_user_namespaces is 0"
		e.Advice = []string{"sudo sysctl -w user.max_user_namespaces=15000"}
	case errno == syscall.ENOSPC || errno == syscall.EUSERS:
		e.Cause = "there are too many user namespaces, or they are nested too deeply"
		e.Advice = []string{"sudo sysctl -w user.max_user_namespaces=15000"}
	case errno == syscall.EINVAL || errno == syscall.ENOSYS:
		e.Cause = "this kernel has no user namespaces"
		e.Advice = []string{"use a kernel with CONFIG_USER_NS=y, as all large distributions have it"}
	case denied && !f.Root && f.UnprivilegedClone == 0:
		e.Cause = "only root may make user namespaces: kernel.unprivileged_userns_clone is 0"
		e.Advice = []string{useRoot, "or: sudo sysctl -w kernel.unprivileged_userns_clone=1"}
	case denied && !f.Root && f.AppArmorRestricts == 1:
		e.appArmor(f)
	case errno == syscall.EACCES && f.AppArmorProfile != "":
		e.Cause = fmt.Sprintf("AppArmor's profile %q does not let this program make user namespaces", f.AppArmorProfile)
		e.Advice = []string{
			"add the line \"userns,\" to the profile, and load it again: grep -rlF '" + f.AppArmorProfile + "' /etc/apparmor.d; sudo apparmor_parser -r FILE",
			"or copy the program to where no profile is for it",
		}
	case denied:
		e.Cause = "the kernel does not allow user namespaces here, as in a chroot or under a system-call filter"
		e.Advice = []string{"leave the chroot, or run nixsd-native outside of the container or service that filters system calls"}
	default:
		e.Cause = "the sandbox's namespaces could not be made"
	}
}

// appArmor words the profile that Ubuntu asks for, for this very program.
func (e *HostError) appArmor(f Facts) {
	e.Cause = "AppArmor lets only root use user namespaces: kernel.apparmor_restrict_unprivileged_userns is 1"
	profile := fmt.Sprintf(`abi <abi/4.0>,\nprofile nixsd-native %s flags=(unconfined) { userns, }\n`, f.Program)
	e.Advice = []string{
		useRoot,
		fmt.Sprintf("or allow it for this program: printf '%s' | sudo tee /etc/apparmor.d/nixsd-native && sudo apparmor_parser -r /etc/apparmor.d/nixsd-native", profile),
	}
}
