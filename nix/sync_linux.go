package nix

import (
	"os"

	"golang.org/x/sys/unix"
)

// SyncFS flushes the file system that holds dir.
func SyncFS(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return os.NewSyscallError("syncfs", unix.Syncfs(int(f.Fd())))
}
