package testenv

import (
	"net"
	"testing"
	"time"
)

// hostLock is an address that one process can have: a lock that leaves no file and
// ends with its process (unix(7), abstract sockets).
const hostLock = "@nixsd-native-test-host"

// HoldHost keeps what there is but once on a host, such as its binfmt_misc handlers,
// for this test until it ends: tests of other packages, which may run at the same
// time, wait here. A test that builds as root, or compares Snapshots, calls it first.
func HoldHost(t testing.TB) {
	t.Helper()
	t.Cleanup(LockHost())
}

// LockHost is HoldHost until release is called, or forgotten: a listener that nobody
// refers to is closed.
func LockHost() (release func()) {
	for {
		if l, err := net.Listen("unix", hostLock); err == nil {
			return func() { l.Close() }
		}
		time.Sleep(50 * time.Millisecond)
	}
}
