package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// An attack returns nil if it did what must be impossible.
type attack struct {
	name string
	try  func() error
}

func attacks(s spec) []attack {
	var all []attack
	add := func(name string, try func() error) { all = append(all, attack{name, try}) }
	for _, path := range append(s.Hidden, s.Secret) {
		add("see "+path, func() error { return see(path) })
	}
	for _, at := range s.Connect {
		add("connect to "+at, func() error { return connect(at) })
	}
	for _, path := range s.Store {
		add("change "+path, func() error { return change(path) })
	}
	add("see the secret through /proc/1/root", func() error { return see("/proc/1/root" + s.Secret) })
	add("see the secret by its handle", func() error { return byHandle(s) })
	add("signal a process of the host", func() error { return unix.Kill(s.Pid, 0) })
	add("make a device node", func() error { return makeDevice(s.Disk) })
	add("mount the disk", func() error { return mountDisk(s.Disk) })
	add("set the kernel's core_pattern", func() error { return rewrite("/proc/sys/kernel/core_pattern") })
	add("set the kernel's printk level", func() error { return rewrite("/proc/sys/kernel/printk") })
	add("use sysrq", func() error { return open("/proc/sysrq-trigger", os.O_WRONLY) })
	add("write to the program that process 1 runs", func() error { return open("/proc/1/exe", os.O_WRONLY) })
	add("set the clock", setClock)
	all = append(all, reaches(s)...)
	if s.Mode == "sandbox" || s.Mode == "builder" {
		add("regain a capability", regain)
	}
	if s.Mode == "builder" {
		add("become root", func() error { return unix.Setresuid(0, 0, 0) })
		add("make a set-uid program", setUID)
		add("mount something", func() error { return unix.Mount("x", os.TempDir(), "tmpfs", 0, "") })
		// A builder has a folder of its own by that name; the real one must not change.
		os.Mkdir("/nix/store/00000000000000000000000000000000-nixsd-e2e-attack", 0o777)
		return all
	}
	for _, dir := range s.ReadOnly {
		add("write to "+dir, func() error { return writeTo(dir) })
		add("remount and write to "+dir, func() error { return remount(dir) })
		add("bind elsewhere and write to "+dir, func() error { return rebind(dir) })
	}
	if s.Mode != "nested" {
		add("leave through a chroot", func() error { return leaveChroot(s.Secret) })
	}
	return all
}

func see(path string) error {
	_, err := os.Lstat(path)
	return err
}

func open(path string, flags int) error {
	f, err := os.OpenFile(path, flags, 0)
	if err == nil {
		f.Close()
	}
	return err
}

// rewrite writes to a file what is in it.
func rewrite(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0)
}

func connect(at string) error {
	network, address, _ := strings.Cut(at, ":")
	c, err := net.DialTimeout(network, address, 2*time.Second)
	if err == nil {
		c.Close()
	}
	return err
}

// change tries every way to alter a store path that is a file.
func change(path string) error {
	tries := []error{
		open(path, os.O_WRONLY), os.Chmod(path, 0o777), os.Remove(path), os.Rename(path, path+"-moved"),
		os.Chtimes(path, time.Now(), time.Now()), os.Truncate(path, 0),
	}
	for _, err := range tries {
		if err == nil {
			return nil
		}
	}
	return errors.Join(tries...)
}

// byHandle is how programs got out of early containers.
func byHandle(s spec) error {
	if len(s.Handle) == 0 {
		return errors.New("no handle was given")
	}
	dir, err := unix.Open("/nix/store", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	_, err = unix.OpenByHandleAt(dir, unix.NewFileHandle(s.HandleTyp, s.Handle), unix.O_RDONLY)
	return err
}

func makeDevice(number int) error {
	path := filepath.Join(os.TempDir(), "disk")
	defer os.Remove(path)
	return unix.Mknod(path, unix.S_IFBLK|0o600, number)
}

// mountDisk tries file systems on whatever could name the disk.
func mountDisk(number int) error {
	dir, err := os.MkdirTemp("", "disk")
	if err != nil {
		return err
	}
	defer os.Remove(dir)
	node := fmt.Sprintf("/dev/block/%d:%d", unix.Major(uint64(number)), unix.Minor(uint64(number)))
	for _, source := range []string{node, "/dev/vda", "/dev/sda", "/dev/root"} {
		for _, kind := range []string{"ext4", "xfs", "btrfs", "devtmpfs", "debugfs"} {
			if err = unix.Mount(source, dir, kind, unix.MS_RDONLY, ""); err == nil {
				unix.Unmount(dir, 0)
				return nil
			}
		}
	}
	return err
}

func setClock() error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_REALTIME, &now); err != nil {
		return err
	}
	return unix.ClockSettime(unix.CLOCK_REALTIME, &now)
}

func regain() error {
	header := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(header, &data[0]); err != nil {
		return err
	}
	const wanted = 1<<unix.CAP_SYS_MODULE | 1<<unix.CAP_SYS_RAWIO | 1<<unix.CAP_MKNOD
	data[0].Permitted |= wanted
	data[0].Effective |= wanted
	return unix.Capset(header, &data[0])
}

// setUID makes a program with another's rights of itself.
func setUID() error {
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return err
	}
	path := filepath.Join(os.TempDir(), "set-uid")
	defer os.Remove(path)
	if err := os.WriteFile(path, self, 0o755); err != nil {
		return err
	}
	return os.Chmod(path, 0o755|os.ModeSetuid)
}

func writeTo(dir string) error {
	path := filepath.Join(dir, "nixsd-e2e-attack")
	defer os.Remove(path)
	return os.WriteFile(path, nil, 0o666)
}

func remount(dir string) error {
	if err := unix.Mount("none", dir, "", unix.MS_REMOUNT|unix.MS_BIND, ""); err != nil {
		return err
	}
	return writeTo(dir)
}

func rebind(dir string) error {
	other, err := os.MkdirTemp("", "bind")
	if err != nil {
		return err
	}
	defer os.Remove(other)
	if err := unix.Mount(dir, other, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	defer unix.Unmount(other, 0)
	return remount(other)
}

// leaveChroot changes the root of the whole process, so it comes last.
func leaveChroot(secret string) error {
	dir, err := os.MkdirTemp("", "root")
	if err != nil {
		return err
	}
	defer os.Remove(dir) // on the host, where the attack succeeds
	if err := unix.Chroot(dir); err != nil {
		return err
	}
	for range 64 {
		if err := os.Chdir(".."); err != nil {
			return err
		}
	}
	if err := unix.Chroot("."); err != nil {
		return err
	}
	return see(secret)
}
