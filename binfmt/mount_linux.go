package binfmt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	fsType          = "binfmt_misc"
	mountFlags      = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	modprobeTimeout = 10 * time.Second
	killDelay       = 2 * time.Second // between SIGTERM and SIGKILL
)

// magicAt is the magic number of the file system at dir (statfs(2)), 0 if
// there is no such folder. Opening with O_PATH does not wake an automount.
func magicAt(dir string) (int64, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(fd)
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return int64(st.Type), nil
}

func isMounted(dir string) (bool, error) {
	magic, err := magicAt(dir)
	return magic == unix.BINFMTFS_MAGIC, err
}

// mountID is 0 where the kernel cannot tell (before 5.8).
func mountID(dir string) uint64 {
	const want = unix.STATX_MNT_ID | unix.STATX_MNT_ID_UNIQUE
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, dir, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, want, &st)
	if err != nil || st.Mask&want == 0 {
		return 0
	}
	return st.Mnt_id
}

// Mounted reports whether binfmt_misc is mounted, without waking an automount.
func (h *Host) Mounted() (bool, error) { return isMounted(h.dir()) }

// Mount mounts binfmt_misc unless it is there. What it returns is for
// [Host.Unmount]. Errors: [*UnavailableError], [*PermissionError],
// [*AutofsError], or an [*os.PathError].
func (h *Host) Mount(ctx context.Context) (Mounted, error) {
	dir := h.dir()
	there, err := isMounted(dir)
	if there || err != nil {
		return Mounted{}, err
	}
	modprobeErr := h.modprobe(ctx)
	if err := ctx.Err(); err != nil {
		return Mounted{}, fmt.Errorf("mount binfmt_misc: %w", err)
	}
	err = unix.Mount(fsType, dir, fsType, mountFlags, "")
	if err != nil {
		if there, _ := isMounted(dir); there { // EBUSY: somebody was faster
			return Mounted{}, nil
		}
		return Mounted{}, mountError(dir, err, modprobeErr)
	}
	m := Mounted{Ours: true, ID: mountID(dir)}
	m.Others, err = entryNames(os.DirFS(dir))
	m.Others = m.Others[:min(len(m.Others), maxOthers)]
	return m, err
}

func mountError(dir string, err, modprobeErr error) error {
	path := &os.PathError{Op: "mount", Path: dir, Err: err}
	switch {
	case errors.Is(err, syscall.ENODEV), errors.Is(err, syscall.ENOENT):
		return &UnavailableError{Path: dir, Modprobe: modprobeErr, Err: path}
	case errors.Is(err, fs.ErrPermission):
		return &PermissionError{Op: "mount binfmt_misc", Err: path}
	case errors.Is(err, syscall.ELOOP):
		return &AutofsError{Path: dir, Err: path}
	}
	return path
}

// Unmount undoes [Host.Mount] if m.Ours. The mount stays if it is no longer
// the one of m, or if others have registered handlers since: from Linux 6.7 on
// the last unmount removes all of them.
func (h *Host) Unmount(m Mounted) error {
	dir := h.dir()
	there, err := isMounted(dir)
	if !m.Ours || !there || err != nil {
		return err
	}
	if m.ID != 0 && m.ID != mountID(dir) {
		return nil
	}
	names, err := entryNames(os.DirFS(dir))
	if err != nil {
		return err
	}
	for _, name := range names {
		if !slices.Contains(m.Others, name) {
			return nil
		}
	}
	if err := unix.Unmount(dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
		path := &os.PathError{Op: "unmount", Path: dir, Err: err}
		if errors.Is(err, fs.ErrPermission) {
			return &PermissionError{Op: "unmount binfmt_misc", Err: path}
		}
		return path
	}
	return nil
}

func (h *Host) modprobe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, modprobeTimeout)
	defer cancel()
	if h.Modprobe != nil {
		return h.Modprobe(ctx)
	}
	return runModprobe(ctx)
}

// runModprobe loads the module with an environment and a search path of its own.
func runModprobe(ctx context.Context) error {
	for _, path := range []string{"/sbin/modprobe", "/usr/sbin/modprobe", "/run/current-system/sw/bin/modprobe"} {
		if _, err := os.Stat(path); err != nil {
			continue
		}
		cmd := exec.CommandContext(ctx, path, fsType)
		cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
		cmd.WaitDelay = killDelay
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s %s: %v", path, fsType, err)
		}
		return nil
	}
	return errors.New("there is no modprobe on this host")
}
