package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// try tells, by name, how each attempt ended: "" for success. Those that could help
// others come last.
func try() map[string]string {
	results := map[string]string{}
	for _, a := range []struct {
		name string
		run  func() error
	}{
		{"write the read-only folder", func() error { return os.WriteFile("/readonly/new", nil, 0o600) }},
		{"write the read-only file", func() error { return os.WriteFile("/readonly/file", nil, 0o600) }},
		{"remove the read-only file", func() error { return os.Remove("/readonly/file") }},
		{"write what is mounted below", func() error { return os.WriteFile("/readonly/below/new", nil, 0o600) }},
		{"write the writable folder", func() error { return os.WriteFile("/writable/new", []byte("from inside"), 0o644) }},
		{"write a file of ours", func() error { return os.WriteFile("/etc/nixsd/conf", []byte("new"), 0o600) }},
		{"write a read-only one", func() error { return os.WriteFile("/etc/nixsd/key", nil, 0o600) }},
		{"remove a read-only one", func() error { return os.Remove("/etc/nixsd/key") }},
		{"replace a read-only one", func() error { return os.Rename("/etc/nixsd/conf", "/etc/nixsd/key") }},
		{"run from a noexec folder", func() error { return exec.Command("/readonly/program", "exit", "0").Run() }},
		{"run a set-uid program", setUID},
		{"make a device", func() error { return unix.Mknod("/tmp/dev", unix.S_IFBLK|0o600, 1<<8) }},
		{"take a capability back", takeBack},
		{"inherit a capability", func() error {
			return unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, unix.CAP_SYS_PTRACE, 0, 0)
		}},
		{"trace process 1", func() error { return unix.PtraceAttach(1) }},
		{"see the files of process 1", func() error { _, err := os.Readlink("/proc/1/fd/0"); return err }},
		{"see the root of process 1", func() error { _, err := os.ReadDir("/proc/1/root/"); return err }},
		{"open the program of it", func() error { _, err := os.Open("/proc/1/exe"); return err }},
		{"take a file from it", takeFile},
		{"leave the root by ..", dotDot},
		{"leave a chroot", breakOut},
		{"open the terminal", func() error { _, err := os.OpenFile("/dev/tty", os.O_RDWR, 0); return err }},
		{"use /dev/null", func() error { return os.WriteFile("/dev/null", []byte("x"), 0) }},
		{"use /dev/zero", func() error { return readDevice("/dev/zero") }},
		{"use /dev/urandom", func() error { return readDevice("/dev/urandom") }},
		{"use /dev/full", func() error { return os.WriteFile("/dev/full", []byte("x"), 0) }},
		{"use /dev/shm", func() error { return os.WriteFile("/dev/shm/x", nil, 0o600) }},
		{"make a pseudoterminal", pseudoTerminal},
		{"reach the host's network", func() error { return dial(os.Getenv("LISTENER")) }},
		{"change a sysctl", func() error { return os.WriteFile("/proc/sys/kernel/core_pattern", []byte("|/x"), 0) }},
		{"set the clock", func() error { return unix.Settimeofday(&unix.Timeval{Sec: 1}) }},
		{"remount it writable", func() error { return remount("/readonly", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC) }},
		{"remount it executable", func() error { return remount("/readonly", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV) }},
		{"remount with set-uid", func() error { return remount("/writable", unix.MS_NODEV) }},
		{"remount with devices", func() error { return remount("/writable", unix.MS_NOSUID) }},
		{"bind it writable", bindWritable},
		{"raise the limit of processes", func() error {
			return unix.Setrlimit(unix.RLIMIT_NPROC, &unix.Rlimit{Cur: 1 << 20, Max: 1 << 20})
		}},
	} {
		results[a.name] = ""
		if err := a.run(); err != nil {
			results[a.name] = errno(err)
		}
	}
	return results
}

// attempt tries one thing with a folder and prints how that ended.
func attempt(what, dir string) {
	err := remount(dir, unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC)
	if what == "write" {
		err = os.WriteFile(filepath.Join(dir, "new"), nil, 0o600)
	}
	if err != nil {
		fmt.Print(errno(err))
	}
}

// errno names an error as errno(3) does, if it is one.
func errno(err error) string {
	for e := err; e != nil; {
		if n, ok := e.(syscall.Errno); ok {
			return unix.ErrnoName(n)
		}
		u, ok := e.(interface{ Unwrap() error })
		if !ok {
			break
		}
		e = u.Unwrap()
	}
	return err.Error()
}

func remount(target string, flags uintptr) error {
	return unix.Mount("none", target, "", unix.MS_BIND|unix.MS_REMOUNT|flags, "")
}

// bindWritable binds the read-only folder elsewhere and makes that writable.
func bindWritable() error {
	if err := os.MkdirAll("/tmp/bound", 0o755); err != nil {
		return err
	}
	if err := unix.Mount("/readonly", "/tmp/bound", "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	return remount("/tmp/bound", 0)
}

// setUID succeeds if a set-uid program gets its owner's id.
func setUID() error {
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return err
	}
	const name = "/writable/set-uid"
	if err := os.WriteFile(name, program, 0o755); err != nil {
		return err
	}
	if err := os.Chown(name, 1000, 1000); err != nil {
		return err
	}
	if err := os.Chmod(name, 0o755|os.ModeSetuid); err != nil {
		return err
	}
	out, err := exec.Command(name, "ids").Output()
	if err == nil && string(out) == "0 0" {
		err = unix.EPERM
	}
	return err
}

func takeBack() error {
	header := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(header, &data[0]); err != nil {
		return err
	}
	data[0].Permitted |= 1 << unix.CAP_SYS_PTRACE
	data[0].Effective |= 1 << unix.CAP_SYS_PTRACE
	return unix.Capset(header, &data[0])
}

func takeFile() error {
	pidfd, err := unix.PidfdOpen(1, 0)
	if err != nil {
		return err
	}
	_, err = unix.PidfdGetfd(pidfd, 3, 0)
	return err
}

// dotDot succeeds if some path of the kind leads out of the root.
func dotDot() error {
	var root, up unix.Stat_t
	if err := unix.Stat("/", &root); err != nil {
		return err
	}
	for _, path := range []string{"/..", "/../../..", "/proc/self/root/..", "/proc/self/cwd/../..", "/readonly/../..", "/writable/../../.."} {
		if err := unix.Stat(path, &up); err == nil && (up.Ino != root.Ino || up.Dev != root.Dev) {
			return nil
		}
	}
	return unix.ENOENT
}

// breakOut does what leads out of a chroot(2), and succeeds if it sees the host.
func breakOut() error {
	if err := os.MkdirAll("/tmp/jail", 0o755); err != nil {
		return err
	}
	up, err := unix.Open("/", unix.O_DIRECTORY|unix.O_PATH, 0)
	if err != nil {
		return err
	}
	if err := unix.Chroot("/tmp/jail"); err != nil {
		return err
	}
	unix.Fchdir(up)
	for range 20 {
		unix.Chdir("..")
	}
	if err := unix.Chroot("."); err != nil {
		return err
	}
	if _, err := os.Stat("/readonly"); err != nil { // not the sandbox's root
		return nil
	}
	return unix.ENOENT
}

func readDevice(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.ReadFull(f, make([]byte, 100))
	return err
}

// pseudoTerminal opens both ends of one, which must be the first of its instance.
func pseudoTerminal() error {
	ptmx, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	defer ptmx.Close()
	n, err := unix.IoctlGetInt(int(ptmx.Fd()), unix.TIOCGPTN)
	if err != nil {
		return err
	}
	if all, _ := filepath.Glob("/dev/pts/[0-9]*"); n != 0 || len(all) != 1 {
		return fmt.Errorf("terminal %d among %v", n, all)
	}
	if err := unix.IoctlSetPointerInt(int(ptmx.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		return err
	}
	tty, err := os.OpenFile("/dev/pts/0", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	return tty.Close()
}

func dial(address string) error {
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return err
	}
	return conn.Close()
}
