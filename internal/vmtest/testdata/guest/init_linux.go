package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// disk is the first virtio disk; diskPatience is much more than its driver takes.
const (
	disk         = "/dev/vda"
	diskPatience = time.Minute
)

// initialise loads the modules of the initramfs, in the order of their names, and
// becomes the init of the system on the disk, as initramfs-tools does.
func initialise() error {
	for _, m := range [][2]string{{"devtmpfs", "/dev"}, {"proc", "/proc"}, {"sysfs", "/sys"}} {
		if err := os.MkdirAll(m[1], 0o755); err != nil {
			return err
		}
		if err := mount(m[0], m[1], m[0], 0); err != nil {
			return err
		}
	}
	modules, err := filepath.Glob("/modules/*.ko")
	if err != nil {
		return err
	}
	for _, m := range modules {
		if err := load(m); err != nil {
			return err
		}
	}
	for deadline := time.Now().Add(diskPatience); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(disk); err == nil {
			break
		} else if time.Now().After(deadline) {
			return err
		}
	}
	if err := os.Mkdir("/system", 0o755); err != nil {
		return err
	}
	if err := mount(disk, "/system", "ext4", 0); err != nil {
		return err
	}
	return switchRoot("/system")
}

// switchRoot makes dir the root, with what is mounted, and runs its init.
func switchRoot(dir string) error {
	for _, m := range []string{"/dev", "/proc", "/sys"} {
		if err := mount(m, dir+m, "", unix.MS_MOVE); err != nil {
			return err
		}
	}
	if err := os.Chdir(dir); err != nil {
		return err
	}
	if err := mount(".", "/", "", unix.MS_MOVE); err != nil {
		return err
	}
	if err := unix.Chroot("."); err != nil {
		return &os.PathError{Op: "chroot", Path: dir, Err: err}
	}
	args := append([]string{"/sbin/init"}, os.Args[1:]...)
	return &os.PathError{Op: "exec", Path: args[0], Err: unix.Exec(args[0], args, os.Environ())}
}

func mount(source, target, kind string, flags uintptr) error {
	if err := unix.Mount(source, target, kind, flags, ""); err != nil {
		return &os.PathError{Op: "mount", Path: target, Err: err}
	}
	return nil
}

// load loads a module; it may be there already, built in or under another name.
func load(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	err = unix.FinitModule(int(f.Fd()), "", 0)
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return &os.PathError{Op: "load", Path: strings.TrimSuffix(path, ".ko"), Err: err}
	}
	return nil
}
