package binfmt

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// MountPrivate mounts a fresh binfmt_misc at target. The caller must be in a
// user namespace and a mount namespace of its own, with CAP_SYS_ADMIN there.
// The instance belongs to the user namespace, and to those nested in it: it
// hides the host's handlers, and is gone with its last mount, so keep it
// mounted while it is needed. Register before pivot_root with [RegisterAt].
//
// Errors: [*UnsupportedError] where the kernel has only one instance,
// [*UnavailableError] where it has none, or an [*os.PathError].
func MountPrivate(target string) error {
	if inInitialNamespace() {
		return &UnsupportedError{Err: errors.New("not in a user namespace of one's own")}
	}
	err := unix.Mount(fsType, target, fsType, mountFlags, "")
	if err == nil {
		return nil
	}
	path := &os.PathError{Op: "mount binfmt_misc", Path: target, Err: err}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return &UnsupportedError{Err: path}
	case errors.Is(err, syscall.ENODEV):
		return &UnavailableError{Path: target, Err: path}
	}
	return path
}

// inInitialNamespace tells by the id map, which covers all ids only there;
// mounting would bring the host's own instance. Without a /proc to ask, the
// answer is no.
func inInitialNamespace() bool {
	text, err := readBounded(os.DirFS("/proc/self"), "uid_map", 4096) // one line of three numbers, or another map
	return err == nil && isInitialMap(string(text))
}

func isInitialMap(uidMap string) bool {
	return strings.Join(strings.Fields(uidMap), " ") == "0 0 4294967295"
}
