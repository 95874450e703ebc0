package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// No process in the sandbox, its first one and Nix's builders among them, has anything of
// the host open: no folder or file of another mount namespace, no namespace but its own,
// no socket of monitor or worker.
func TestDescriptors(t *testing.T) {
	check := mustStay(t)
	p := rootBuild(t)
	config := root().write(t, "descriptors/sd-card.nix", slowImage(t, "descriptors"))
	build := start(t, job{as: root(), args: buildArgs(t, root(), p, "descriptors-out", config)})
	build.await("the image is built", building(imageName))
	monitor := build.cmd.Process.Pid
	outside := append(descriptors(monitor), descriptors(childNamed(t, monitor, workerName))...)
	processes, files := 0, 0
	for _, d := range descendants(monitor) {
		if ns := namespace(d.pid, "user"); ns == "" || ns == namespace(os.Getpid(), "user") {
			continue
		}
		all := descriptors(d.pid)
		processes, files = processes+1, files+len(all)
		for _, f := range all {
			if why := f.foreign(d.pid, outside); why != "" {
				t.Errorf("process %v has %s open, %s", d, f.link, why)
			}
		}
	}
	t.Logf("%d descriptors of %d processes", files, processes)
	if processes < 3 || files < 10 {
		t.Errorf("saw %d descriptors of %d processes; want more", files, processes)
	}
	controlDescriptors(t, childNamed(t, monitor, sandboxName), outside)
	if err := interrupt(build); err != nil {
		t.Error(err)
	}
	check(t)
}

// controlDescriptors fails unless what a process must not have would be noticed.
func controlDescriptors(t *testing.T, first int, outside []descriptor) {
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
		if f.foreign(first, outside) != "" {
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
		}
		all = append(all, d)
	}
	return all
}

// foreign says why a process in a sandbox must not have this open, or "".
func (d descriptor) foreign(pid int, outside []descriptor) string {
	switch {
	case d.link == "/dev/null":
		return "" // as its standard input, from outside
	case d.mount != "":
		mounts, _ := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
		for line := range strings.Lines(string(mounts)) {
			if id, _, _ := strings.Cut(line, " "); id == d.mount {
				return ""
			}
		}
		return "of another mount namespace"
	case strings.HasPrefix(d.link, "socket:"):
		if slices.Contains(outside, d) {
			return "of monitor or worker"
		}
	case strings.HasPrefix(d.link, "pipe:"), strings.HasPrefix(d.link, "anon_inode:"), strings.HasPrefix(d.link, "/memfd:"):
	default: // a namespace, such as mnt:[4026531840]
		if kind, _, _ := strings.Cut(d.link, ":"); d.link != namespace(pid, kind) {
			return "of another namespace"
		}
	}
	return ""
}
