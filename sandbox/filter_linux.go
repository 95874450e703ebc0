package sandbox

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// absent are system calls that nothing inside has: parts of the kernel that no build
// needs, that are the same for all namespaces or were ways out of containers. They answer
// as those of a kernel that was built without them, which is what programs are ready for.
var absent = []uint32{
	unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL, // keyrings, which know the host's user
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD,
	unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER, // not seen by filters
	unix.SYS_OPEN_BY_HANDLE_AT, // files by their number, whatever folder they are in
	unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD,
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE,
	unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_REBOOT, unix.SYS_SYSLOG, unix.SYS_ACCT,
	unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD, unix.SYS_LOOKUP_DCOOKIE,
}

// terminalRequests are the ioctls that push input into a terminal, for whoever reads
// from it next (TIOCLINUX is ioctl_console(2)'s selection).
var terminalRequests = []uint32{unix.TIOCSTI, 0x541c}

// Offsets in struct seccomp_data (seccomp(2)).
const (
	offsetCall    = 0
	offsetArch    = 4
	offsetRequest = 16 + 8 // of ioctl: the second argument's lower half, all that the kernel takes
)

// filter returns the program that the kernel runs before every system call. Other
// architectures' calls, which a 64-bit kernel may take as well, have other numbers and are
// absent altogether.
func filter() []unix.SockFilter {
	deny := func(errno unix.Errno) unix.SockFilter {
		return statement(unix.BPF_RET|unix.BPF_K, unix.SECCOMP_RET_ERRNO|uint32(errno))
	}
	p := []unix.SockFilter{
		statement(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, offsetArch),
		jump(unix.BPF_JEQ, nativeArch, 1, 0),
		deny(unix.ENOSYS),
		statement(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, offsetCall),
		jump(unix.BPF_JGE, firstForeignCall, 0, 1),
		deny(unix.ENOSYS),
	}
	for _, call := range absent {
		p = append(p, jump(unix.BPF_JEQ, call, 0, 1), deny(unix.ENOSYS))
	}
	allow := statement(unix.BPF_RET|unix.BPF_K, unix.SECCOMP_RET_ALLOW)
	request := statement(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, offsetRequest)
	p = append(p, jump(unix.BPF_JEQ, unix.SYS_IOCTL, 1, 0), allow, request)
	for _, request := range terminalRequests {
		p = append(p, jump(unix.BPF_JEQ, request, 0, 1), deny(unix.EPERM))
	}
	return append(p, allow)
}

func statement(code uint16, k uint32) unix.SockFilter { return unix.SockFilter{Code: code, K: k} }

// jump compares the last loaded value with k and skips so many statements.
func jump(test uint16, k uint32, ifTrue, ifFalse uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | test | unix.BPF_K, Jt: ifTrue, Jf: ifFalse, K: k}
}

// filterCalls installs the filter for all threads and all that they start; nothing takes
// it away again.
func filterCalls() error {
	statements := filter()
	program := unix.SockFprog{Len: uint16(len(statements)), Filter: &statements[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	runtime.KeepAlive(statements)
	switch {
	case errno != 0:
		return os.NewSyscallError("seccomp", errno)
	case thread != 0:
		return fmt.Errorf("seccomp: thread %d has a filter of its own", thread)
	}
	// Prove it: no kernel answers this so by itself.
	if err := unix.IoctlSetInt(-1, unix.TIOCSTI, 0); err != unix.EPERM {
		return fmt.Errorf("a forbidden system call was not stopped (%v)", err)
	}
	return nil
}
