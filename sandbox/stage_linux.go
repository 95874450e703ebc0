package sandbox

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// HoldArg0 is the argv[0] under which this program is HoldMain.
const HoldArg0 = "nixsd-native-hold"

// HoldMain keeps the process, and so its user namespace, until its standard input
// is closed.
func HoldMain() int {
	io.Copy(io.Discard, os.Stdin)
	return 0
}

// Unshare gives the calling thread, to which it ties the goroutine, a mount namespace
// whose changes stay in it; the host's, such as a stick that is unmounted, still come
// in. The caller executes its program again, so that all threads are in it. What is
// mounted there is gone with its last process, however that ends, and the host's
// mount table never shows it.
func Unshare() error {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	return mount("none", "/", "", unix.MS_REC|unix.MS_SLAVE, "")
}

// A Stage prepares, as root in a mount namespace of its own, what an unprivileged
// sandbox is to see. The sandbox's namespace is a copy, in which the kernel locks
// the flags of these mounts: what is read-only here cannot be made writable there.
type Stage struct {
	dir string
	// mapped is bindMapped; tests replace it.
	mapped func(source, target string, owners Owners, users Range, restrict uint64) error
}

// NewStage mounts an empty folder over dir, which exists. Every user can reach what
// is in it, whatever the folders are that it comes from.
func NewStage(dir string) (*Stage, error) {
	return &Stage{dir, bindMapped}, mount("nixsd", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755,size=128m")
}

// Root makes an empty folder for Spec.Root.
func (s *Stage) Root() (string, error) { return s.makeDir("root") }

func (s *Stage) makeDir(name string) (string, error) {
	dir := filepath.Join(s.dir, name)
	return dir, os.Mkdir(dir, 0o755)
}

// Bind shows the folder or file m.Source under a name in the stage, with m's
// restrictions, and returns m with the new source.
func (s *Stage) Bind(name string, m Mount) (Mount, error) {
	target := filepath.Join(s.dir, name)
	if err := makeMountPoint(target, m.IsFile); err != nil {
		return Mount{}, err
	}
	// Not recursive: what else is mounted below stays the host's.
	if err := mount(m.Source, target, "", unix.MS_BIND, ""); err != nil {
		return Mount{}, err
	}
	m.Source = target
	return m, mount("none", target, "", unix.MS_BIND|unix.MS_REMOUNT|mountFlags(m.flags()), "")
}

func makeMountPoint(target string, isFile bool) error {
	if isFile {
		return os.WriteFile(target, nil, 0o644)
	}
	return os.Mkdir(target, 0o755)
}

// BindReadable is Bind for a read-only folder whose files may be readable by their
// owners alone: owners, as ids of users and groups, become the first ids of users.
// Where the file system cannot do that, a copy takes the folder's place, which
// belongs to the first id of users and is bounded by CopyLimit; then copied is true.
func (s *Stage) BindReadable(name string, m Mount, owners Owners, users Range) (bound Mount, copied bool, err error) {
	target := filepath.Join(s.dir, name)
	if err := os.Mkdir(target, 0o700); err != nil {
		return Mount{}, false, err
	}
	if err := s.mapped(m.Source, target, owners, users, unix.MOUNT_ATTR_RDONLY|noPrograms); err == nil {
		m.Source, m.Writable, m.Exec = target, false, false
		return m, false, nil
	}
	twin := Mount{Source: target, Target: m.Target}
	if err := copyTree(m.Source, target, users, bounds{CopyLimit, copyEntryLimit}); err != nil {
		return Mount{}, false, err
	}
	bound, err = s.Bind(name+".bound", twin)
	return bound, true, err
}

// noPrograms keeps what is in a mount from being more than data.
const noPrograms = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC

// BindOwned is Bind for a folder whose owner, a user and a group, is the first id of
// users in it: what the sandbox's root writes there is the owner's. No other id of the
// sandbox has any right there.
func (s *Stage) BindOwned(name string, m Mount, owner Owners, users Range) (Mount, error) {
	target := filepath.Join(s.dir, name)
	if err := os.Mkdir(target, 0o700); err != nil {
		return Mount{}, err
	}
	err := s.mapped(m.Source, target, owner, users, noPrograms)
	m.Source, m.Writable, m.Exec = target, true, false
	return m, err
}

// Owners are the ids that own what is to be readable.
type Owners struct{ UIDs, GIDs []int }

// bindMapped makes an idmapped mount (Linux 5.12) with restrictions, see
// mount_setattr(2).
func bindMapped(source, target string, owners Owners, users Range, restrict uint64) error {
	ns, err := mappedNamespace(owners, users)
	if err != nil {
		return err
	}
	defer ns.Close()
	tree, err := unix.OpenTree(unix.AT_FDCWD, source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return &os.PathError{Op: "open_tree", Path: source, Err: err}
	}
	defer unix.Close(tree)
	attr := &unix.MountAttr{
		Attr_set:  unix.MOUNT_ATTR_IDMAP | restrict,
		Userns_fd: uint64(ns.Fd()),
	}
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, attr); err != nil {
		return &os.PathError{Op: "mount_setattr", Path: source, Err: err}
	}
	if err := unix.MoveMount(tree, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return &os.PathError{Op: "move_mount", Path: target, Err: err}
	}
	return nil
}

// mappedNamespace returns a user namespace in which the owners are the first ids
// of users.
func mappedNamespace(owners Owners, users Range) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close() // ends the process
	exe, err := executable()
	if err != nil {
		return nil, err
	}
	defer exe.Close()
	cmd := &exec.Cmd{
		Path: fmt.Sprintf("/proc/self/fd/%d", exe.Fd()), Args: []string{HoldArg0}, Env: []string{}, Stdin: r,
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER,
			UidMappings: ownerMap(owners.UIDs, users),
			GidMappings: ownerMap(owners.GIDs, users),
			Pdeathsig:   syscall.SIGKILL,
		},
	}
	err = cmd.Start()
	r.Close()
	if err != nil {
		return nil, err
	}
	defer cmd.Wait()
	defer w.Close()
	return os.Open(fmt.Sprintf("/proc/%d/ns/user", cmd.Process.Pid))
}

func ownerMap(ids []int, users Range) []syscall.SysProcIDMap {
	var maps []syscall.SysProcIDMap
	seen := map[int]bool{}
	for _, id := range ids {
		if !seen[id] {
			maps = append(maps, syscall.SysProcIDMap{ContainerID: id, HostID: int(users.First) + len(maps), Size: 1})
			seen[id] = true
		}
	}
	return maps
}
