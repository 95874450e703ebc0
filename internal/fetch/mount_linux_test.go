package fetch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"nixsd-native/internal/testenv"
)

// mountChild runs in namespaces of its own. It mounts a small file system on
// dir, spoils it, tries to download into it, and says how that failed.
func mountChild(kind, dir, url, sum string) int {
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=1m"); err != nil {
		fmt.Printf("skip: mount tmpfs: %v\n", err)
		return 0
	}
	runtime.LockOSThread() // capset(2) is the thread's
	if err := spoil(kind, dir); err != nil {
		fmt.Println(err)
		return 1
	}
	cache, err := OpenCache(dir)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	c := &Client{Cache: cache}
	if _, err := c.File(context.Background(), Request{SHA256: sumOf(nil)}); err != nil {
		fmt.Println("the entry there:", err)
	}
	r := Request{Name: "f", SHA256: sum, URLs: []string{url}}
	if kind == "full, size known" {
		r.Size = 4 << 20
	}
	_, err = c.File(context.Background(), r)
	e, ok := errors.AsType[*StorageError](err)
	if !ok {
		fmt.Printf("%T: %v\n", err, err)
		return 1
	}
	left, _ := filepath.Glob(filepath.Join(dir, partialDir, "*"))
	fmt.Println(unix.ErrnoName(errnoOf(e)), len(left), e.Hints()[0])
	return 0
}

// spoil puts an entry into dir and takes away what the kind is about.
func spoil(kind, dir string) error {
	if err := os.WriteFile(filepath.Join(dir, sumOf(nil)+"-empty"), nil, 0o644); err != nil {
		return err
	}
	switch kind {
	case "read-only":
		return unix.Mount("none", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, "")
	case "no permission":
		if err := os.Chmod(dir, 0o555); err != nil {
			return err
		}
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		return unix.Capset(&hdr, &none[0])
	case "limit":
		return unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 64 << 10, Max: 64 << 10})
	}
	return nil
}

func errnoOf(err error) syscall.Errno {
	errno, _ := errors.AsType[syscall.Errno](err)
	return errno
}

func TestStorageFailures(t *testing.T) {
	data := body(7, 4<<20)
	tests := []struct {
		kind     string
		requests int
		want     string // errno, partial files left, begin of the first hint
	}{
		{"full, size known", 0, "ENOSPC 0 free some space: df -h "},
		{"full, size unknown", 1, "ENOSPC 0 free some space: df -h "},
		{"limit", 1, "EFBIG 1 the file system or a limit (ulimit -f) "},
		{"no permission", 0, "EACCES 0 use a folder that can be written instead of "},
		{"read-only", 0, "EROFS 0 use a folder that can be written instead of "},
	}
	testenv.NeedNamespaces(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.kind, func(t *testing.T) {
			s := newSource(t, plain(data))
			cmd := exec.CommandContext(t.Context(), exe)
			cmd.Args = []string{"mount-child", tt.kind, t.TempDir(), s.URL, sumOf(data)}
			cmd.SysProcAttr = &syscall.SysProcAttr{
				Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
				UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
				GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
			}
			out, err := cmd.CombinedOutput()
			if noNamespace(err) {
				testenv.Need(t, "user namespace to mount a small disk in", err)
			}
			if why, ok := strings.CutPrefix(string(out), "skip: "); ok {
				testenv.Need(t, "small disk", errors.New(why))
			}
			if err != nil || !strings.HasPrefix(string(out), tt.want) {
				t.Errorf("the child says %q, %v; want %q", out, err, tt.want)
			}
			if n := len(s.asked()); n != tt.requests {
				t.Errorf("%d requests; want %d", n, tt.requests)
			}
		})
	}
}

// noNamespace reports whether clone(2) failed because the host forbids
// unprivileged user namespaces (EPERM, EACCES) or allows no more (ENOSPC,
// user_namespaces(7)).
func noNamespace(err error) bool {
	return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOSPC)
}
