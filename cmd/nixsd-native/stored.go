package main

import (
	"fmt"
	"os"
	"path"
	"strings"
	"syscall"

	"nixsd-native/nix"
)

// openStored opens, on the host, a regular file of ours beside the store: what is
// installed there. Whoever runs in the sandbox may have put anything in its place, so no
// link leads out of the store's folder, and nothing waits for the writer of a pipe.
func openStored(state, inside string) (*os.File, error) {
	if !strings.HasPrefix(inside, nix.OwnFolder) || path.Clean(inside) != inside {
		return nil, fmt.Errorf("%q is no file of ours in the store", inside)
	}
	root, err := os.OpenRoot(nixDir(state))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.OpenFile(strings.TrimPrefix(inside, "/nix/"), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, fmt.Errorf("%s is no file", inside)
	}
	return f, nil
}

// inStore reports whether a build without network can do with what is installed, so
// that a tarball is of no use. The file is one that a whole installation has.
func (w *workspace) inStore(file string) bool {
	if !w.sources.offline || w.carry {
		return false
	}
	f, err := w.privileges.OpenStored(file)
	if err == nil {
		f.Close()
	}
	return err == nil
}

func (w *workspace) hasNix(sha256 string) bool { return w.inStore(nix.RecordPath(sha256)) }

func (w *workspace) hasChannel(sha256 string) bool {
	return w.inStore(nix.ChannelPath(sha256) + "/nixos/default.nix")
}
