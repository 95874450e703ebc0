package main

import "golang.org/x/sys/unix"

// calls tells, by name, how each system call that may be filtered ended: "" for success.
// Their arguments are such that outside, too, they do no harm.
func calls() map[string]string {
	results := map[string]string{}
	for name, number := range map[string]uintptr{
		"add_key": unix.SYS_ADD_KEY, "request_key": unix.SYS_REQUEST_KEY, "keyctl": unix.SYS_KEYCTL,
		"bpf": unix.SYS_BPF, "perf_event_open": unix.SYS_PERF_EVENT_OPEN, "userfaultfd": unix.SYS_USERFAULTFD,
		"io_uring_setup": unix.SYS_IO_URING_SETUP, "io_uring_enter": unix.SYS_IO_URING_ENTER, "io_uring_register": unix.SYS_IO_URING_REGISTER,
		"open_by_handle_at": unix.SYS_OPEN_BY_HANDLE_AT,
		"kexec_load":        unix.SYS_KEXEC_LOAD, "kexec_file_load": unix.SYS_KEXEC_FILE_LOAD,
		"init_module": unix.SYS_INIT_MODULE, "finit_module": unix.SYS_FINIT_MODULE, "delete_module": unix.SYS_DELETE_MODULE,
		"swapon": unix.SYS_SWAPON, "swapoff": unix.SYS_SWAPOFF, "reboot": unix.SYS_REBOOT, "syslog": unix.SYS_SYSLOG,
		"quotactl": unix.SYS_QUOTACTL, "quotactl_fd": unix.SYS_QUOTACTL_FD, "lookup_dcookie": unix.SYS_LOOKUP_DCOOKIE,
	} {
		const none = ^uintptr(0) // no address, no descriptor, no number of anything
		_, _, errno := unix.RawSyscall6(number, none, none, none, none, none, none)
		results[name] = errnoName(errno)
	}
	for name, request := range map[string]uintptr{"ioctl TIOCSTI": unix.TIOCSTI, "ioctl TIOCLINUX": 0x541c, "ioctl TIOCSTI, upper half": 1<<32 | unix.TIOCSTI, "ioctl FIOCLEX": 0x5451} {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, 0, request, 0)
		results[name] = errnoName(errno)
	}
	return results
}

func errnoName(err error) string {
	if err == nil || err == unix.Errno(0) {
		return ""
	}
	return errno(err)
}
