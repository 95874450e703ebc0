package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"nixsd-native/internal/wire"
)

// Descriptors that the parent hands to the child.
const (
	controlFD = 3
	specFD    = 4
)

// maxSpec bounds the Spec in bytes of JSON; a bundle of CA certificates is most of
// it.
const maxSpec = 16 << 20

// A Ready hook runs inside the finished root before the first command: it
// registers and proves the emulator.
type Ready func(Spec) error

// A Self hook does what a Command with Self asks for and returns the exit status.
// It runs in the child side, as an executable that is linked dynamically has no
// loader in the new root; processes that it starts must come from its goroutine.
type Self func(ctx context.Context, c Command, stdin, stdout, stderr *os.File) int

// Main is the child side: it builds the root, enters it, runs ready, and serves
// requests until the other end of the control socket is closed. It returns the
// exit status of the process.
func Main(ready Ready, self Self) int {
	// Privileges belong to a thread and children inherit those of the thread that
	// forks them, so everything happens on this one.
	runtime.LockOSThread()
	unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
	specFile := os.NewFile(specFD, "spec")
	if !privileged() {
		return becomeRoot(specFile)
	}
	unix.CloseOnExec(controlFD)
	unix.CloseOnExec(specFD)
	conn, err := wire.NewConn(os.NewFile(controlFD, "control"))
	if err != nil {
		return 1
	}
	if err := setUp(specFile, ready); err != nil {
		conn.Send(reply{Failure: failureOf(err)})
		return 1
	}
	if err := conn.Send(reply{Ready: true}); err != nil {
		return 1
	}
	serve(conn, self)
	return 0
}

// privileged reports whether this thread may build a root. A new user namespace
// begins with all capabilities, but executing a program as a user who is not its
// root, having no id yet, takes them (user_namespaces(7)).
func privileged() bool {
	header := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(header, &data[0]) == nil && data[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
}

// becomeRoot is for id maps that newuidmap writes after this process has begun:
// once the spec arrives they are there, and running the program again, now as root,
// gives it the capabilities.
func becomeRoot(spec *os.File) int {
	poll := []unix.PollFd{{Fd: int32(spec.Fd()), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(poll, -1); err != unix.EINTR {
			break
		}
	}
	if os.Getuid() != 0 {
		return 1 // the parent went away or reports why there are no maps
	}
	syscall.Exec("/proc/self/exe", []string{Arg0}, childEnvironment())
	return 1
}

func setUp(specFile *os.File, ready Ready) error {
	defer specFile.Close()
	var spec Spec
	if err := json.NewDecoder(io.LimitReader(specFile, maxSpec)).Decode(&spec); err != nil {
		return fmt.Errorf("read the sandbox's spec: %v", err)
	}
	steps, err := plan(spec)
	if err != nil {
		return err
	}
	if err := dropGroups(); err != nil {
		return err
	}
	yieldMemory()
	unix.Umask(0)
	if err := buildRoot(spec.Root, steps); err != nil {
		return err
	}
	if err := enter(spec.Root); err != nil {
		return err
	}
	unix.Umask(0o022)
	if err := unix.Sethostname([]byte("nixsd")); err != nil {
		return os.NewSyscallError("sethostname", err)
	}
	if err := ready(spec); err != nil {
		return err
	}
	return restrict()
}

// dropGroups leaves the caller's supplementary groups. Where there is a single id
// the kernel forbids that, see "setgroups" in user_namespaces(7).
func dropGroups() error {
	if err := unix.Setgroups(nil); err != nil && err != unix.EPERM {
		return os.NewSyscallError("setgroups", err)
	}
	return nil
}

// memoryScore adds half of the host's memory to what the kernel takes a process of the
// sandbox to use when it looks for one to kill, as none is left (proc_pid_oom_score_adj(5)).
const memoryScore = "500"

// yieldMemory lets the kernel kill what runs in the sandbox before programs of the host,
// and before the one that can tell the user why. Where /proc is hidden, there is no
// such order.
func yieldMemory() { os.WriteFile("/proc/self/oom_score_adj", []byte(memoryScore), 0) }

// buildRoot mounts a tmpfs over root and makes the steps in it.
func buildRoot(root string, steps []step) error {
	if err := mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := mount("nixsd", root, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755,size=64m"); err != nil {
		return err
	}
	for _, s := range steps {
		if err := apply(s, filepath.Join(root, s.target)); err != nil {
			return err
		}
	}
	return nil
}

func apply(s step, target string) error {
	switch s.kind {
	case makeDir:
		if err := os.Mkdir(target, os.FileMode(s.mode)); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
		return nil
	case makeFile:
		return os.WriteFile(target, s.bytes, os.FileMode(s.mode))
	case makeLink:
		return os.Symlink(s.source, target)
	case mountFS:
		return mount("nixsd", target, s.source, mountFlags(s.flags), s.data)
	default:
		return bind(s, target)
	}
}

// bind binds and then restricts, as the kernel ignores other flags in the first
// step. What is mounted below comes along, as the kernel demands of an unprivileged
// mount, and is restricted, too.
func bind(s step, target string) error {
	if err := mount(s.source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	// MOUNT_ATTR_* and MS_* agree for these flags (mount_setattr(2)).
	attr := &unix.MountAttr{Attr_set: uint64(mountFlags(s.flags))}
	err := unix.MountSetattr(unix.AT_FDCWD, target, unix.AT_RECURSIVE, attr)
	if err == unix.ENOSYS { // before Linux 5.12
		return restrictTop(s, target)
	}
	if err != nil {
		return &os.PathError{Op: "mount_setattr", Path: target, Err: err}
	}
	return nil
}

// restrictTop restricts a mount, but not those below it. Flags that it has are kept:
// an unprivileged mount may not drop them.
func restrictTop(s step, target string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(target, &st); err != nil {
		return &os.PathError{Op: "statfs", Path: target, Err: err}
	}
	// ST_* and MS_* agree for these (statfs(2)).
	kept := uintptr(st.Flags) & (unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME | unix.MS_NODIRATIME | unix.MS_RELATIME)
	return mount("none", target, "", unix.MS_BIND|unix.MS_REMOUNT|kept|mountFlags(s.flags), "")
}

func mountFlags(f flags) uintptr {
	var out uintptr
	for ours, kernels := range map[flags]uintptr{
		readOnly: unix.MS_RDONLY, noSuid: unix.MS_NOSUID, noDev: unix.MS_NODEV, noExec: unix.MS_NOEXEC,
	} {
		if f&ours != 0 {
			out |= kernels
		}
	}
	return out
}

// mount is mount(2) with an error that names what was mounted where.
func mount(source, target, fstype string, flags uintptr, data string) error {
	if err := unix.Mount(source, target, fstype, flags, data); err != nil {
		op := "mount " + fstype
		switch {
		case flags&unix.MS_REMOUNT != 0:
			op = "remount"
		case flags&unix.MS_BIND != 0:
			op = "bind " + source + " to"
		case fstype == "":
			op = "change the propagation of"
		}
		return &os.PathError{Op: op, Path: target, Err: err}
	}
	return nil
}

// enter makes root the root of the mount namespace and lets go of the old one.
// chroot(2) would not do: Nix's own sandbox makes user namespaces, which the
// kernel refuses to a process in a chroot.
func enter(root string) error {
	if err := os.Chdir(root); err != nil {
		return err
	}
	// With "." twice the old root is stacked on the new one, see pivot_root(2).
	if err := unix.PivotRoot(".", "."); err != nil {
		return &os.PathError{Op: "pivot_root", Path: root, Err: err}
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return &os.PathError{Op: "detach the old root of", Path: root, Err: err}
	}
	return os.Chdir("/")
}
