package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncFolder flushes the file system that holds a folder.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return os.NewSyscallError("syncfs", unix.Syncfs(int(f.Fd())))
}
