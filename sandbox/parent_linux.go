package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Users says which host ids the ids of the sandbox are.
type Users struct {
	// Range, if its Count is not 0, maps 0… to Range.First…: for root.
	Range Range
	// SubUID and SubGID, if their Counts are not 0, map 0 to the caller and 1… to
	// these, through newuidmap and newgidmap. With neither, 0 is the caller and
	// there is no other id.
	SubUID, SubGID Range
}

// Many tells whether there are ids for build users.
func (u Users) Many() bool { return u.Range.Count > 0 || u.SubUID.Count > 0 }

// Options say how a sandbox is started.
type Options struct {
	Spec    Spec
	Users   Users
	Network bool     // the host's network; else none, not even loopback
	Stderr  *os.File // of the child side itself; may be nil
}

// A Process is the child side as the parent sees it.
type Process struct {
	process *os.Process
	done    chan struct{} // closed when the sandbox has ended
}

// Kill ends the sandbox and everything in it, and waits for the end.
func (p *Process) Kill() {
	p.process.Kill()
	<-p.done
}

// Start starts the child side with control as its end of a socket pair; the other
// end is for Attach. control is closed here. The sandbox dies with this process.
// A refusal by the kernel or by newuidmap is a *StartError.
func Start(o Options, control *os.File) (*Process, error) {
	defer control.Close()
	started := make(chan *Process)
	failed := make(chan error)
	go func() {
		// The child's parent-death signal is tied to the thread that made it, so
		// this thread stays for as long as the child lives (golang/go#27505).
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		cmd, err := start(o, control)
		if err != nil {
			failed <- err
			return
		}
		p := &Process{cmd.Process, make(chan struct{})}
		started <- p
		cmd.Wait()
		close(p.done)
	}()
	select {
	case p := <-started:
		return p, nil
	case err := <-failed:
		return nil, err
	}
}

func start(o Options, control *os.File) (*exec.Cmd, error) {
	if err := closeOnExec(); err != nil {
		return nil, err
	}
	spec, err := json.Marshal(o.Spec)
	if err != nil {
		return nil, err
	}
	exe, err := executable()
	if err != nil {
		return nil, err
	}
	defer exe.Close()
	specR, specW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer specR.Close()
	cmd := &exec.Cmd{
		Path: fmt.Sprintf("/proc/self/fd/%d", exe.Fd()), Args: []string{Arg0}, Env: childEnvironment(), Dir: "/",
		Stderr: o.Stderr, ExtraFiles: []*os.File{control, specR}, SysProcAttr: attributes(o),
	}
	if err := cmd.Start(); err != nil {
		specW.Close()
		return nil, &StartError{Op: "clone", Err: unwrapStart(err)}
	}
	if err := mapSubordinate(o.Users, cmd.Process.Pid); err != nil {
		cmd.Process.Kill()
		specW.Close()
		cmd.Wait()
		return nil, err
	}
	go func() { // a spec may be longer than a pipe holds
		specW.Write(spec)
		specW.Close()
	}()
	return cmd, nil
}

// childEnvironment is that of the child side itself. Without, Go's runtime would keep files
// of the host's cgroups open, from which it learns how many processors to use.
func childEnvironment() []string {
	return []string{"GODEBUG=containermaxprocs=0", fmt.Sprintf("GOMAXPROCS=%d", runtime.GOMAXPROCS(0))}
}

// closeOnExec keeps the descriptors that this process was started with, such as a
// shell's redirections, from its children: an open folder would be a way out of the
// sandbox. Go's own have the flag.
func closeOnExec() error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

// attributes asks the kernel for the namespaces and, where this process may write
// them itself, for the id maps.
func attributes(o Options) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
		Setsid:     true, // no terminal: nothing inside can push input into it
	}
	if !o.Network {
		a.Cloneflags |= unix.CLONE_NEWNET
	}
	switch u := o.Users; {
	case u.Range.Count > 0:
		ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: int(u.Range.First), Size: int(u.Range.Count)}}
		a.UidMappings, a.GidMappings, a.GidMappingsEnableSetgroups = ids, ids, true
		a.Credential = &syscall.Credential{}
	case u.SubUID.Count == 0:
		a.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	return a
}

// mapSubordinate lets newuidmap(1) and newgidmap(1), which are set-uid root, write
// the maps. The child waits for it in becomeRoot.
func mapSubordinate(u Users, pid int) error {
	if u.SubUID.Count == 0 {
		return nil
	}
	for _, tool := range []struct {
		name string
		self int
		Range
	}{{"newuidmap", os.Getuid(), u.SubUID}, {"newgidmap", os.Getgid(), u.SubGID}} {
		args := []string{strconv.Itoa(pid), "0", strconv.Itoa(tool.self), "1", "1", fmt.Sprint(tool.First), fmt.Sprint(tool.Count)}
		if out, err := exec.Command(tool.name, args...).CombinedOutput(); err != nil {
			return &StartError{Op: tool.name, Err: fmt.Errorf("%v: %.200s", err, out)}
		}
	}
	return nil
}

// executable returns this program as a file that the sandbox can run, whatever the
// permissions of the folders above it, and cannot write (CVE-2019-5736). Its
// descriptor is high, out of the way of the child's.
func executable() (*os.File, error) {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	defer self.Close()
	fd, err := unix.MemfdCreate("nixsd-native", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_EXEC)
	if err == unix.EINVAL { // before Linux 6.3 every memfd is executable
		fd, err = unix.MemfdCreate("nixsd-native", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err == unix.EACCES { // the sysctl vm.memfd_noexec forbids it: as it is, then
		return duplicate(self)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	sealed := os.NewFile(uintptr(fd), "nixsd-native")
	defer sealed.Close()
	if _, err := io.Copy(sealed, self); err != nil {
		return nil, err
	}
	if err := seal(sealed); err != nil {
		return nil, err
	}
	return duplicate(sealed)
}

// How often, and how far apart, sealing is tried: a second in all.
const (
	sealTries = 50
	sealPause = 20 * time.Millisecond
)

// seal keeps a memfd from being changed. The kernel refuses that for as long as somebody
// holds one of its pages, as the kernel's own reclaim does now and then (mm/memfd.c,
// memfd_wait_for_pins).
func seal(f *os.File) error {
	for tries := 1; ; tries++ {
		_, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE)
		if err != unix.EBUSY || tries == sealTries {
			return os.NewSyscallError("fcntl(F_ADD_SEALS)", err)
		}
		time.Sleep(sealPause)
	}
}

// lowestHigh is the first descriptor that is out of the way of the child's own.
const lowestHigh = 100

// LeastFiles is the lowest limit of open files with which builds were seen to work.
const LeastFiles = lowestHigh + 28

// duplicate returns f with a high descriptor.
func duplicate(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, lowestHigh)
	if err == unix.EINVAL {
		return nil, &HostError{
			Cause:  fmt.Sprintf("the limit of open files is too low: ulimit -n must be at least %d", LeastFiles),
			Advice: []string{fmt.Sprintf("sudo prlimit --pid $$ --nofile=%d", maxFiles)},
		}
	}
	if err != nil {
		return nil, os.NewSyscallError("fcntl(F_DUPFD_CLOEXEC)", err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// A StartError says that the namespaces or id maps could not be made.
type StartError struct {
	Op  string // clone, newuidmap or newgidmap
	Err error
}

func (e *StartError) Error() string { return fmt.Sprintf("start the sandbox: %s: %v", e.Op, e.Err) }

// Unwrap returns the system call's error.
func (e *StartError) Unwrap() error { return e.Err }

// unwrapStart drops the path, which means nothing to the user.
func unwrapStart(err error) error {
	if pe := (*os.PathError)(nil); errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
