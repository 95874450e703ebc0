package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Try does, inside a sandbox, what builds will do there: with many ids, or the single one.
// An empty dir leaves the folder out.
func Try(dir string, many bool) (t Trial) {
	if err := tryBuilder(many); err != nil {
		t.Builder = failureOf(err)
		if f := (*Failure)(nil); errors.As(err, &f) {
			t.Builder = f
		}
	}
	if dir == "" {
		return t
	}
	if err := TryFolder(dir, many); err != nil {
		t.Folder = failureOf(err)
	}
	return t
}

// tryBuilder starts TrialMain in the namespaces of a build: with build users in no user
// namespace of its own, as that of the sandbox has all ids.
func tryBuilder(many bool) error {
	var out bytes.Buffer
	attributes := &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWNET,
		Pdeathsig:  syscall.SIGKILL,
	}
	if !many {
		attributes.Cloneflags |= unix.CLONE_NEWUSER
		only := []syscall.SysProcIDMap{{Size: 1}} // root, which keeps its capabilities when it executes a program
		attributes.UidMappings, attributes.GidMappings = only, only
	}
	cmd := &exec.Cmd{Path: "/proc/self/exe", Args: []string{TrialArg0}, Env: childEnvironment(), Stdout: &out, SysProcAttr: attributes}
	if err := cmd.Start(); err != nil {
		return &os.PathError{Op: "clone", Path: "a build's namespaces", Err: unwrapStart(err)}
	}
	if err := cmd.Wait(); err == nil {
		return nil
	}
	f := new(Failure)
	if json.Unmarshal(out.Bytes(), f) != nil {
		return fmt.Errorf("a build's first process ended: %v", cmd.ProcessState)
	}
	return f
}

// TrialMain is a build's first process: it gives itself a root with a /proc, and a
// loopback device. It prints the Failure, if there is one.
func TrialMain() int {
	if err := trialSteps(); err != nil {
		json.NewEncoder(os.Stdout).Encode(failureOf(err))
		return 1
	}
	return 0
}

func trialSteps() error {
	const root = "/tmp"
	if err := mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := mount("trial", root, "tmpfs", 0, "mode=0755"); err != nil {
		return err
	}
	proc := filepath.Join(root, "proc")
	if err := os.Mkdir(proc, 0o755); err != nil {
		return err
	}
	if err := mount("proc", proc, "proc", 0, ""); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte("localhost")); err != nil {
		return os.NewSyscallError("sethostname", err)
	}
	if err := loopbackUp(); err != nil {
		return err
	}
	return enter(root)
}

func loopbackUp() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(s)
	r, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return os.NewSyscallError("ioctl(SIOCSIFFLAGS)", unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, r))
}

// TryFolder does in a new folder below dir what Nix does in its store: programs, links,
// modes, the time 1, all kinds of names, locks, memory that is shared through a file, and,
// with many ids, other owners. The new folder is removed.
func TryFolder(dir string, many bool) error {
	room, err := os.MkdirTemp(dir, ".trial-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(room)
	file := filepath.Join(room, "file")
	for _, try := range []func(string) error{tryFile, tryNames, tryLinks, tryLocks, tryMap} {
		if err := try(file); err != nil {
			return err
		}
	}
	if many {
		return os.Lchown(file, trialUser, trialGroup)
	}
	return nil
}

// tryFile makes the file, one that may be run and is as old as all files of a store.
func tryFile(file string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString("trial")
	if err := errors.Join(err, f.Sync(), f.Close(), os.Chmod(file, 0o555)); err != nil {
		return err
	}
	if err := os.Chtimes(file, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		return err
	}
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return err
	case info.Mode() != 0o555:
		return fmt.Errorf("a file's mode stays %v", info.Mode())
	case info.ModTime().Unix() != 1:
		return errors.New("a file's time cannot be 1 second after 1970")
	}
	if err := unix.Access(file, unix.X_OK); err != nil { // which knows of noexec
		return &os.PathError{Op: "run a program in", Path: filepath.Dir(file), Err: err}
	}
	return nil
}

// tryNames makes files whose names other systems do not tell apart, or do not have.
func tryNames(file string) error {
	for _, name := range []string{"File", "Perl::Name.3", "a?b", "trailing."} {
		other := filepath.Join(filepath.Dir(file), name)
		f, err := os.OpenFile(other, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, os.ErrExist) {
			return errors.New("names that differ in case are the same")
		}
		if err != nil {
			return err
		}
		f.Close()
	}
	return nil
}

// tryLinks puts a link in another one's place.
func tryLinks(file string) error {
	link := filepath.Join(filepath.Dir(file), "link")
	if err := errors.Join(os.Symlink(file, link), os.Symlink("elsewhere", link+"2")); err != nil {
		return err
	}
	return os.Rename(link+"2", link)
}

// tryLocks takes the locks of Nix and of its database.
func tryLocks(file string) error {
	f, err := os.OpenFile(file+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return &os.PathError{Op: "lock (flock) a file in", Path: filepath.Dir(file), Err: err}
	}
	if err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}); err != nil {
		return &os.PathError{Op: "lock (fcntl) a file in", Path: filepath.Dir(file), Err: err}
	}
	return nil
}

// tryMap shares memory through a file, as the database does.
func tryMap(file string) error {
	f, err := os.OpenFile(file+".map", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	size := os.Getpagesize()
	if err := f.Truncate(int64(size)); err != nil {
		return err
	}
	shared, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return &os.PathError{Op: "map a file in", Path: filepath.Dir(file), Err: err}
	}
	return unix.Munmap(shared)
}
