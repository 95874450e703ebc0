package monitor

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Command says how a worker is started: this program again, with Args as its
// arguments, Args[0] included, and Files as its descriptors from 3 on. Standard
// input, output and error are this process's.
type Command struct {
	Args  []string
	Env   []string
	Files []*os.File
	As    Identity
}

// A Worker is a running worker.
type Worker struct {
	process *os.Process
	ended   chan struct{}
	status  int
	signal  syscall.Signal
}

// Start starts a worker, which dies with this process.
func Start(c Command) (*Worker, error) {
	started := make(chan *Worker)
	failed := make(chan error)
	go func() {
		// The parent-death signal comes when this thread ends (golang/go#27505). It is
		// never unlocked, so that nothing else inherits that it gets no new privileges.
		runtime.LockOSThread()
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			failed <- os.NewSyscallError("prctl", err)
			return
		}
		cmd := &exec.Cmd{
			Path: "/proc/self/exe", Args: c.Args, Env: c.Env,
			Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, ExtraFiles: c.Files,
			SysProcAttr: &syscall.SysProcAttr{
				Credential: &syscall.Credential{
					Uid: uint32(c.As.UID), Gid: uint32(c.As.GID), Groups: []uint32{uint32(c.As.Group)},
				},
				Pdeathsig: syscall.SIGKILL,
			},
		}
		if err := cmd.Start(); err != nil {
			failed <- err
			return
		}
		w := &Worker{process: cmd.Process, ended: make(chan struct{})}
		started <- w
		cmd.Wait()
		if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			w.signal = ws.Signal()
		}
		w.status = cmd.ProcessState.ExitCode()
		close(w.ended)
	}()
	select {
	case w := <-started:
		return w, nil
	case err := <-failed:
		return nil, fmt.Errorf("start the worker: %v", err)
	}
}

// Signal passes a signal on.
func (w *Worker) Signal(s os.Signal) { w.process.Signal(s) }

// Wait waits for the end and returns the exit status, or the signal that ended it.
func (w *Worker) Wait() (status int, signal syscall.Signal) {
	<-w.ended
	return w.status, w.signal
}

// ProveDropped checks in a worker that it has no way back to root: it tries to
// become root and counts its capabilities.
func ProveDropped() error {
	if os.Getuid() == 0 || os.Geteuid() == 0 {
		return errors.New("the worker is still root")
	}
	if err := unix.Setresuid(0, 0, 0); err == nil {
		return errors.New("the worker could become root again")
	}
	header := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(header, &data[0]); err != nil {
		return os.NewSyscallError("capget", err)
	}
	for _, d := range data {
		if d.Effective|d.Permitted|d.Inheritable != 0 {
			return errors.New("the worker still has capabilities")
		}
	}
	if set, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err != nil || set != 1 {
		return fmt.Errorf("the worker could gain privileges by a set-uid program (%d, %v)", set, err)
	}
	return nil
}
