package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ways out that need something which was left open, or the kernel's help.
func reaches(s spec) []attack {
	all := []attack{
		{"leave through an open descriptor", func() error { return aside(func() error { return throughDescriptors(s.Secret) }) }},
		{"trace a process of the host", func() error { return unix.PtraceSeize(s.Pid) }},
		{"read the memory of a process of the host", func() error { return open(fmt.Sprintf("/proc/%d/mem", s.Pid), os.O_RDONLY) }},
		{"write to the emulator", func() error { return open("/run/nixsd/qemu-aarch64-static", os.O_WRONLY) }},
		{"register a handler", registerHandler},
	}
	if !s.Entered {
		all = append(all, []attack{
			{"use the keyring", useKeyring},
			{"load a BPF program", func() error { return call(unix.SYS_BPF, 0, 0, 0) }},
			{"see what processors do", func() error { return call(unix.SYS_PERF_EVENT_OPEN, 0, 0, 0) }},
			{"use io_uring", func() error { return call(unix.SYS_IO_URING_SETUP, 0, 0, 0) }},
		}...)
	}
	if s.Mode != "entered" { // who has all capabilities may enter what is below
		all = append(all, attack{"enter another namespace", func() error { return aside(enterNamespaces) }})
	}
	if len(s.Store) > 0 || s.Emulated { // else it is a program of the attacker's own
		all = append(all, attack{"write to a running program", func() error { return writeRunning(len(s.Store) > 0) }})
	}
	for _, path := range s.Store {
		all = append(all, attack{"hard-link " + path, func() error { return hardLink(path) }})
	}
	return all
}

// aside runs do on a thread that ends with it, whatever namespaces that is in by then.
func aside(do func() error) error {
	done := make(chan error)
	go func() { runtime.LockOSThread(); done <- do() }()
	return <-done
}

// throughDescriptors tries everything that is open: to enter it, if it is a namespace, and
// to go up from it, if it is a folder.
func throughDescriptors(secret string) error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	all := []error{errors.New("nothing is open")}
	for _, e := range entries {
		fd, _ := strconv.Atoi(e.Name())
		if err := unix.Setns(fd, 0); err == nil {
			return nil
		}
		up, err := unix.Openat(fd, strings.Repeat("../", 64)+strings.TrimPrefix(secret, "/"), unix.O_RDONLY, 0)
		if err == nil {
			unix.Close(up)
			return nil
		}
		all = append(all, err)
	}
	return errors.Join(all...)
}

// enterNamespaces tries those of every process that can be seen.
func enterNamespaces() error {
	files, _ := filepath.Glob("/proc/[0-9]*/ns/*")
	all := []error{errors.New("no namespace can be seen")}
	for _, file := range files {
		own, _ := os.Readlink("/proc/self/ns/" + filepath.Base(file))
		if other, err := os.Readlink(file); err != nil || other == own {
			continue
		}
		f, err := os.Open(file)
		if err != nil {
			all = append(all, err)
			continue
		}
		err = unix.Setns(int(f.Fd()), 0)
		f.Close()
		if err == nil {
			return nil
		}
		all = append(all, err)
	}
	return errors.Join(all...)
}

// writeRunning tries to change what processes run, the emulator if they are emulated, by
// every name that /proc has for it. QEMU shows an emulated process another file by the name
// /proc/self/exe, so a second process is looked at; only that if the program is the
// attacker's own.
func writeRunning(own bool) error {
	child := exec.Command("/proc/self/exe", "wait")
	stop, err := child.StdinPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return err
	}
	defer child.Wait()
	defer stop.Close()
	names := []string{fmt.Sprintf("/proc/%d/exe", child.Process.Pid)}
	if own {
		names = append(names, "/proc/self/exe", "/proc/thread-self/exe")
		for _, pid := range []int{os.Getpid(), child.Process.Pid} {
			maps, _ := filepath.Glob(fmt.Sprintf("/proc/%d/map_files/*", pid))
			names = append(names, maps...)
		}
	}
	var all []error
	for _, name := range names {
		for _, err := range []error{open(name, os.O_WRONLY), os.Truncate(name, 1), os.Chmod(name, 0o777)} {
			if err == nil {
				return nil
			}
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}

// registerHandler would make the kernel run a program of ours for somebody else's.
func registerHandler() error {
	const line = ":nixsd-e2e-attack:E::nixsd-e2e-attack::/bin/sh:"
	all := []error{os.WriteFile("/proc/sys/fs/binfmt_misc/register", []byte(line), 0)}
	if all[0] == nil {
		os.WriteFile("/proc/sys/fs/binfmt_misc/nixsd-e2e-attack", []byte("-1"), 0)
		return nil
	}
	return errors.Join(append(all, open("/proc/sys/fs/binfmt_misc/status", os.O_WRONLY))...)
}

func useKeyring() error {
	_, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_USER_KEYRING, true)
	return err
}

// call reports whether there is a system call: with these arguments none does anything.
func call(number, a, b, c uintptr) error {
	if _, _, errno := unix.RawSyscall(number, a, b, c); errno == unix.ENOSYS || errno == unix.EPERM || errno == unix.EACCES {
		return errno
	}
	return nil
}

func hardLink(path string) error {
	link := filepath.Join(os.TempDir(), "link")
	defer os.Remove(link)
	return os.Link(path, link)
}

// fill fills the disk in a way, and never ends by itself.
func fill(how string) {
	dir := os.Getenv("out")
	if os.Mkdir(dir, 0o755) != nil {
		dir = os.TempDir()
	}
	block := make([]byte, 1<<20)
	f, err := os.Create(filepath.Join(dir, "file"))
	for i := 0; err == nil; i++ {
		switch how {
		case "bytes":
			_, err = f.Write(block)
		case "reserved":
			err = unix.Fallocate(int(f.Fd()), 0, int64(i)<<24, 1<<24)
		case "inodes":
			err = os.WriteFile(fmt.Sprint(dir, "/", i), nil, 0o600)
		}
	}
	fmt.Fprintln(os.Stderr, "the disk is full:", err)
	time.Sleep(time.Hour)
}

// leave puts into the output what could become dangerous on the host.
func leave() error {
	dir := os.Getenv("out")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	// Nix's filter lets nobody change a mode to this, but make a file with it, which the
	// kernel takes away with the first byte that is written.
	fd, err := unix.Open(filepath.Join(dir, "set-uid"), unix.O_CREAT|unix.O_WRONLY, 0o6755)
	if err != nil {
		return err
	}
	err = errors.Join(unix.Close(fd), os.Link(filepath.Join(dir, "set-uid"), filepath.Join(dir, "hard-link")),
		os.Symlink("/etc/shadow", filepath.Join(dir, "link")), unix.Mkdir(filepath.Join(dir, "folder"), 0o2777))
	os.Chmod(filepath.Join(dir, "folder"), 0o777) // against the umask
	return err
}
