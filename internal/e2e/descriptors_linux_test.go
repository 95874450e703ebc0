package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// No process in the sandbox, its first one and Nix's builders among them, has anything of
// the host open: no folder or file of a mount that none of them sees, no namespace but
// theirs, no socket of monitor or worker.
func TestDescriptors(t *testing.T) {
	check := mustStay(t)
	p := rootBuild(t)
	config := root().write(t, "descriptors/sd-card.nix", slowImage(t, "descriptors"))
	build := start(t, job{as: root(), args: buildArgs(t, root(), p, "descriptors-out", config)})
	build.await("the image is built", building(imageName))
	monitor := build.cmd.Process.Pid
	outside := append(descriptors(monitor), descriptors(childNamed(t, monitor, workerName))...)
	inside, files, leaks := lookInside(monitor, outside)
	for end := time.Now().Add(10 * time.Second); (len(leaks) > 0 || len(inside) < 3) && time.Now().Before(end); {
		time.Sleep(200 * time.Millisecond) // processes come and go while they are looked at
		inside, files, leaks = lookInside(monitor, outside)
	}
	for _, leak := range leaks {
		t.Error(leak)
	}
	t.Logf("%d descriptors of %d processes", files, len(inside))
	if len(inside) < 3 || files < 10 {
		t.Errorf("saw %d descriptors of %d processes; want more", files, len(inside))
	}
	controlDescriptors(t, inside, outside)
	if err := interrupt(build); err != nil {
		t.Error(err)
	}
	check(t)
}

// lookInside lists the processes in the sandbox of a build, counts what they have open,
// and says what of it they must not have.
func lookInside(monitor int, outside []descriptor) (inside []int, files int, leaks []string) {
	for _, d := range descendants(monitor) {
		if ns := namespace(d.pid, "user"); ns != "" && ns != namespace(os.Getpid(), "user") {
			inside = append(inside, d.pid)
		}
	}
	for _, pid := range inside {
		for _, f := range descriptors(pid) {
			files++
			if why := f.foreign(inside, outside); why != "" {
				leaks = append(leaks, fmt.Sprintf("process %d has %s open, %s", pid, f.link, why))
			}
		}
	}
	return inside, files, leaks
}

// controlDescriptors fails unless what a process must not have would be noticed.
func controlDescriptors(t *testing.T, inside []int, outside []descriptor) {
	t.Helper()
	for _, name := range []string{"/", "/etc/passwd", "/proc/self/ns/mnt"} {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	noticed := 0
	for _, f := range append(descriptors(os.Getpid()), outside...) {
		if f.foreign(inside, outside) != "" {
			noticed++
		}
	}
	if noticed < 4 {
		t.Errorf("of the host's own descriptors %d were noticed; want 4 or more", noticed)
	}
}

// A descriptor is an open file of a process.
type descriptor struct {
	link  string // as /proc shows it
	mount string // id, if it is a file by a name
	owner string // the user namespace that a namespace of another kind belongs to
}

// descriptors lists those of a process.
func descriptors(pid int) []descriptor {
	var all []descriptor
	found, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, name := range found {
		link, err := os.Readlink(name)
		if err != nil {
			continue // closed by now
		}
		d := descriptor{link: link}
		if strings.HasPrefix(link, "/") && !strings.HasPrefix(link, "/memfd:") {
			d.mount = statusOf(strings.Replace(name, "/fd/", "/fdinfo/", 1))["mnt_id"]
		} else if strings.HasPrefix(link, "mnt:[") || strings.HasPrefix(link, "net:[") {
			d.owner = ownerOf(name)
		}
		all = append(all, d)
	}
	return all
}

// ownerOf returns the user namespace that an open namespace belongs to (ioctl_ns(2)), or "".
func ownerOf(name string) string {
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	fd, err := unix.IoctlRetInt(int(f.Fd()), unix.NS_GET_USERNS)
	if err != nil {
		return "" // no namespace, or a user namespace whose parent is out of sight
	}
	defer unix.Close(fd)
	link, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	return link
}

// foreign says why no process of a sandbox may have this open, or "".
func (d descriptor) foreign(inside []int, outside []descriptor) string {
	kind, _, _ := strings.Cut(d.link, ":")
	switch {
	case d.link == "/dev/null":
		return "" // as standard input, from outside
	case d.mount != "":
		if !slices.ContainsFunc(inside, func(pid int) bool { return hasMount(pid, d.mount) }) {
			return "of another mount namespace"
		}
	case kind == "socket":
		if slices.Contains(outside, d) {
			return "of monitor or worker"
		}
	case kind == "pipe" || kind == "anon_inode" || kind == "/memfd":
	default: // a namespace, such as mnt:[4026531840]
		// Nix keeps those of its builders. A builder leaves its first mount namespace for
		// a second, so that nobody is in the first, which is its user namespace's.
		if !slices.ContainsFunc(inside, func(pid int) bool {
			return d.link == namespace(pid, kind) || d.owner != "" && d.owner == namespace(pid, "user")
		}) {
			return "of nobody in the sandbox"
		}
	}
	return ""
}

// hasMount reports whether a process sees the mount with an id.
func hasMount(pid int, id string) bool {
	mounts, _ := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	for line := range strings.Lines(string(mounts)) {
		if first, _, _ := strings.Cut(line, " "); first == id {
			return true
		}
	}
	return false
}
