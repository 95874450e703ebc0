package testenv

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"
)

// A Machine is an emulated one, which runs until its test ends at the latest.
type Machine struct {
	Console Console
	Ended   chan struct{} // closed at its end
}

// A Console keeps what a machine prints.
type Console struct {
	mu   sync.Mutex
	text []byte
}

func (c *Console) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text = append(c.text, b...)
	return len(b), nil
}

func (c *Console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.text)
}

// Start starts QEMU, which ends with the test, or with the process of the tests.
func (m *Machine) Start(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	m.Ended = make(chan struct{})
	cmd.Stdout, cmd.Stderr = &m.Console, &m.Console
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // whose end would end QEMU, too
		defer close(m.Ended)
		err := cmd.Start()
		failed <- err
		if err == nil {
			cmd.Wait()
		}
	}()
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); <-m.Ended })
}
