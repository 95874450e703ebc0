package cardtest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Card is a loop device that behaves as its spec says.
type Card struct {
	Device string // its path
	dir    string // where its file system is mounted
	server *exec.Cmd
	loop   *os.File
	temp   string
}

// Start makes a card. Its errors are those of a machine that cannot.
func Start(s Spec) (c *Card, err error) {
	if s.Size <= 0 {
		return nil, errSpec
	}
	c = &Card{}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	if c.temp, err = os.MkdirTemp("", "cardtest-*"); err != nil {
		return nil, err
	}
	c.dir = filepath.Join(c.temp, "mnt")
	memory := c.MemoryFile()
	if err := errors.Join(os.Mkdir(c.dir, 0o700), os.WriteFile(memory, nil, 0o600)); err != nil {
		return nil, err
	}
	spec, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	// A process of its own: one that waits for its own file system could not be killed.
	c.server = &exec.Cmd{Path: "/proc/self/exe", Args: []string{Arg0, string(spec), c.dir, memory}, Stderr: os.Stderr}
	out, err := c.server.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.server.Start(); err != nil {
		c.server = nil
		return nil, err
	}
	file, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("no card is served: %v", err)
	}
	return c, c.attach(strings.TrimSpace(file))
}

// attach makes a loop device of the file.
func (c *Card) attach(file string) error {
	backing, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer backing.Close()
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer control.Close()
	for {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return os.NewSyscallError("LOOP_CTL_GET_FREE", err)
		}
		c.Device = fmt.Sprintf("/dev/loop%d", n)
		if c.loop, err = os.OpenFile(c.Device, os.O_RDWR, 0); err != nil {
			return err
		}
		config := unix.LoopConfig{Fd: uint32(backing.Fd())}
		copy(config.Info.File_name[:], file)
		err = unix.IoctlLoopConfigure(int(c.loop.Fd()), &config)
		if err == nil {
			return nil
		}
		c.loop.Close()
		c.loop = nil
		if !errors.Is(err, unix.EBUSY) { // somebody else was faster
			return os.NewSyscallError("LOOP_CONFIGURE", err)
		}
	}
}

// MemoryFile is the path of what the card really holds.
func (c *Card) MemoryFile() string { return filepath.Join(c.temp, "memory") }

// Close takes the card away.
func (c *Card) Close() error {
	var errs []error
	if c.loop != nil {
		errs = append(errs, unix.IoctlSetInt(int(c.loop.Fd()), unix.LOOP_CLR_FD, 0), c.loop.Close())
	}
	if c.server != nil {
		unix.Unmount(c.dir, unix.MNT_DETACH)
		c.server.Process.Signal(syscall.SIGKILL)
		c.server.Wait()
	}
	if c.temp != "" {
		errs = append(errs, os.RemoveAll(c.temp))
	}
	return errors.Join(errs...)
}
