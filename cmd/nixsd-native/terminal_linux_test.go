package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A terminal is a pseudo-terminal with a program on it.
type terminal struct {
	t      *testing.T
	master *os.File
	slave  *os.File // kept open, to look at the modes after the program's end
	cmd    *exec.Cmd

	mu    sync.Mutex
	shown strings.Builder // all that was printed
	read  int             // how much of it was expected
}

// onTerminal starts a program on a new terminal of 80 columns.
func onTerminal(t *testing.T, cmd *exec.Cmd) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: 80})
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	c := &terminal{t: t, master: master, slave: slave, cmd: cmd}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	go c.copy()
	return c
}

func (c *terminal) copy() {
	for buf := make([]byte, 4096); ; {
		n, err := c.master.Read(buf)
		c.mu.Lock()
		c.shown.Write(buf[:n])
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// all is what was printed so far.
func (c *terminal) all() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shown.String()
}

// expect waits until the program prints a text, behind what was expected before.
func (c *terminal) expect(text string) {
	c.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		all := c.all()
		if i := strings.Index(all[c.read:], text); i >= 0 {
			c.read += i + len(text)
			return
		}
		if time.Now().After(end) {
			c.t.Fatalf("the terminal shows\n%q\nwant %q", all[c.read:], text)
		}
	}
}

// send types a text.
func (c *terminal) send(text string) {
	c.t.Helper()
	if _, err := c.master.WriteString(text); err != nil {
		c.t.Fatal(err)
	}
}

// answer expects a question and types the answer.
func (c *terminal) answer(question, text string) {
	c.t.Helper()
	c.expect(question)
	c.send(text + "\n")
}

// modes are the terminal's.
func (c *terminal) modes() unix.Termios {
	c.t.Helper()
	m, err := unix.IoctlGetTermios(int(c.slave.Fd()), unix.TCGETS)
	if err != nil {
		c.t.Fatal(err)
	}
	return *m
}

// status waits for the program's end.
func (c *terminal) status() int {
	c.t.Helper()
	late := time.AfterFunc(30*time.Second, func() { c.cmd.Process.Kill() })
	defer late.Stop()
	c.cmd.Wait()
	return c.cmd.ProcessState.ExitCode()
}
