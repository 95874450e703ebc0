package monitor

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Caretaker is a process that outlives this one, however it ends, to clean up
// after it.
type Caretaker struct{ cmd *exec.Cmd }

// parentFD is where a caretaker has the process that started it, as pidfd_open(2)
// opened it.
const parentFD = 3

// StartCaretaker starts this program again with args as its arguments, args[0]
// included. In a session of its own it is out of reach of what ends a terminal or a
// process group. What it is to do it does after [AwaitParent].
func StartCaretaker(args ...string) (*Caretaker, error) {
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	self := os.NewFile(uintptr(fd), "pidfd")
	defer self.Close()
	c := &Caretaker{&exec.Cmd{
		Path: "/proc/self/exe", Args: args, Env: []string{}, Dir: "/",
		ExtraFiles: []*os.File{self}, SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the caretaker: %v", err)
	}
	return c, nil
}

// Dismiss ends a caretaker that is not needed.
func (c *Caretaker) Dismiss() {
	c.cmd.Process.Kill()
	c.cmd.Wait()
}

// AwaitParent waits, in a caretaker, until the process that started it has ended, and
// all locks with it: the kernel closes a process's files before it calls it dead. Only
// SIGKILL ends the wait before.
func AwaitParent() error {
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: parentFD, Events: unix.POLLIN}}, -1)
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("poll", err)
		}
	}
}
