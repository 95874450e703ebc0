// Package durable makes the names of files last. It alone may be used by all packages of
// this module.
package durable

import (
	"errors"
	"os"
	"syscall"
)

// Folder flushes which names a folder holds, and closes it. It takes what opened it, as in
// Folder(os.Open(dir)).
func Folder(dir *os.File, err error) error {
	if err != nil {
		return err
	}
	if err = dir.Sync(); errors.Is(err, syscall.EINVAL) { // some file systems cannot (fsync(2))
		err = nil
	}
	return errors.Join(err, dir.Close())
}
