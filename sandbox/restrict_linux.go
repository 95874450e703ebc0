package sandbox

import (
	"fmt"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// kept are the capabilities, in the sandbox's own user namespace, that Nix needs.
// README.md tells what fails without each.
var kept = []uintptr{
	unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, // the store's and the builders' files
	unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_KILL, // build users
	unix.CAP_SYS_ADMIN, unix.CAP_SYS_CHROOT, // the builders' namespaces, mounts and roots
	unix.CAP_NET_ADMIN, // their loopback device
	unix.CAP_SETFCAP,   // id maps that contain 0, since Linux 5.12
}

// maxFiles is the soft limit of open files, the same on every host; Nix fetches many
// paths at once. Programs that close every possible descriptor, such as fakeroot,
// take long with the 2³⁰ that some container managers set.
const maxFiles = 65536

// restrict takes the other capabilities and the gain of privileges through
// set-uid files from this thread and its children, and proves that they are gone.
// Other threads start no processes; what they may still do is out of reach, as
// nobody may trace a process that is not dumpable or look at its files (prctl(2)).
func restrict() error {
	if err := limit(); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl(PR_SET_DUMPABLE)", err)
	}
	if err := noNewPrivileges(); err != nil {
		return os.NewSyscallError("prctl(PR_SET_NO_NEW_PRIVS)", err)
	}
	var mask [2]uint32
	for c := uintptr(0); ; c++ {
		if has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, c, 0, 0, 0); err != nil {
			break // the first number that this kernel does not know
		} else if slices.Contains(kept, c) {
			mask[c/32] |= 1 << (c % 32)
		} else if has == 1 {
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
				return os.NewSyscallError("prctl(PR_CAPBSET_DROP)", err)
			}
		}
	}
	header := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{}
	for i, m := range mask {
		data[i] = unix.CapUserData{Effective: m, Permitted: m}
	}
	if err := unix.Capset(header, &data[0]); err != nil {
		return os.NewSyscallError("capset", err)
	}
	// CAP_MKNOD is one of those dropped; taking it back must fail.
	data[0].Permitted |= 1 << unix.CAP_MKNOD
	data[0].Effective |= 1 << unix.CAP_MKNOD
	if err := unix.Capset(header, &data[0]); err != unix.EPERM {
		return fmt.Errorf("a dropped capability could be regained (%v)", err)
	}
	return filterCalls()
}

// noNewPrivileges takes the gain of privileges from every thread of this process, the
// first among them, which need not be this one. With cgo, as tests have it, only this
// one can be had.
func noNewPrivileges() error {
	_, _, errno := syscall.AllThreadsSyscall6(syscall.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0)
	switch errno {
	case 0:
		return nil
	case syscall.ENOTSUP:
		return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	}
	return errno
}

// maxTasks bounds the processes and threads of each user id inside, which are not counted
// together with those outside (since Linux 5.14): no fork bomb takes all that the host
// has, 32,768 by default where the memory is small. It is more than thousands of compilers need.
const maxTasks = 16384

// limit makes resource limits independent of the caller's, forbids core files and bounds
// the number of processes.
func limit() error {
	for resource, most := range map[int]uint64{unix.RLIMIT_NOFILE: maxFiles, unix.RLIMIT_CORE: 0, unix.RLIMIT_NPROC: maxTasks} {
		var l unix.Rlimit
		if err := unix.Getrlimit(resource, &l); err != nil {
			return os.NewSyscallError("getrlimit", err)
		}
		l.Cur = min(l.Max, most)
		if resource == unix.RLIMIT_NPROC {
			l.Max = l.Cur // nobody inside may raise it again
		}
		if err := unix.Setrlimit(resource, &l); err != nil {
			return os.NewSyscallError("setrlimit", err)
		}
	}
	return nil
}
