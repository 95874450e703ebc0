package testenv

import (
	"errors"
	"os/exec"
	"syscall"
	"testing"
)

// NeedNamespaces skips a test where clone(2) knows no namespaces, and says so by EINVAL:
// for programs that run under QEMU's user-mode emulation, which has none. A host that
// forbids them says something else, which the test's own start tells.
func NeedNamespaces(t testing.TB) {
	t.Helper()
	cmd := exec.Command("/bin/true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS}
	if err := cmd.Run(); errors.Is(err, syscall.EINVAL) {
		Need(t, "namespaces, as under an emulator", err)
	}
}
