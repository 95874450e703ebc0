package vm

import (
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Run is a running machine.
type Run struct {
	Ended   <-chan struct{} // closed at its end
	process *os.Process
	err     error
}

// Start starts a machine with an image, open for reading. It dies with this process. What
// its console and QEMU print goes to out; with Machine.Console, all three streams are this
// process's.
func Start(qemu string, m Machine, image *os.File, env []string, out io.Writer) (*Run, error) {
	cmd := exec.Command(qemu, m.Args()...)
	cmd.Env, cmd.ExtraFiles = env, []*os.File{image}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stdout, cmd.Stderr = out, out
	if m.Console {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		cmd.SysProcAttr.Pdeathsig = syscall.SIGTERM // at which QEMU gives the terminal back
	}
	ended, started := make(chan struct{}), make(chan error)
	r := &Run{Ended: ended}
	go func() {
		runtime.LockOSThread() // whose end would end the machine (golang/go#27505)
		err := cmd.Start()
		r.process = cmd.Process
		started <- err
		if err == nil {
			r.err = cmd.Wait()
		}
		close(ended)
	}()
	return r, <-started
}

// Stop ends the machine at once and waits for its end.
func (r *Run) Stop() {
	r.process.Kill()
	<-r.Ended
}

// Quit asks QEMU to end, as one who has a terminal to give back should be, and waits.
func (r *Run) Quit() {
	r.process.Signal(syscall.SIGTERM)
	<-r.Ended
}

// Unheard is closed when nobody can read any more what this process prints, as behind a
// pipe to head, which has ended. QEMU itself goes on then. It is looked at until the
// machine's end.
func (r *Run) Unheard() <-chan struct{} {
	unheard := make(chan struct{})
	go func() {
		for {
			select {
			case <-r.Ended:
				return
			case <-time.After(time.Second):
			}
			out := []unix.PollFd{{Fd: int32(os.Stdout.Fd())}} // errors and hang-ups alone
			if n, err := unix.Poll(out, 0); err == nil && n > 0 && out[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0 {
				close(unheard)
				return
			}
		}
	}()
	return unheard
}

// Err tells how QEMU ended, when it has.
func (r *Run) Err() error { return r.err }
