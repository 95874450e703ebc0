package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// slowImage is a configuration whose last derivation takes longer than any test
// looks at it; what tells several apart makes them different.
func slowImage(t *testing.T, tell string) string {
	return afterImage(t, "sleep 1000 # "+tell)
}

// checkWorker fails unless the worker below a monitor has the given user id and no
// way to more.
func checkWorker(t *testing.T, monitor, uid int) {
	t.Helper()
	worker := childNamed(t, monitor, "nixsd-native-worker")
	s := statusOf(fmt.Sprintf("/proc/%d/status", worker))
	id := fmt.Sprint(uid)
	all := strings.Join([]string{id, id, id, id}, " ")
	if s["Uid"] != all || s["Gid"] != all {
		t.Errorf("worker: uid %q, gid %q; want %q", s["Uid"], s["Gid"], all)
	}
	if slices.Contains(strings.Fields(s["Groups"]), "0") || len(strings.Fields(s["Groups"])) > 1 {
		t.Errorf("worker: groups %q; want the cache's alone", s["Groups"])
	}
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
		if strings.Trim(s[set], "0") != "" {
			t.Errorf("worker: %s %s; want none", set, s[set])
		}
	}
}

// During a build as root nothing but the monitor, and its caretaker, which hears of
// nothing but the monitor's end, has any right on the host.
func TestIdentities(t *testing.T) {
	check := mustStay(t)
	p := rootBuild(t)
	r := root()
	t.Run("native builder", func(t *testing.T) {
		config := r.write(t, "identities/sd-card.nix", slowImage(t, "identities"))
		identities(t, start(t, job{as: r, args: buildArgs(t, r, p, "identities-out", config)}), imageName)
	})
	t.Run("emulated builder", func(t *testing.T) {
		config := r.write(t, "identities/sd-card.nix", hostNamed(t, "identities"))
		identities(t, start(t, job{as: r, args: buildArgs(t, r, p, "identities-out", config)}), systemName)
	})
	t.Run("private handler", func(t *testing.T) {
		config := r.write(t, "identities/sd-card.nix", slowImage(t, "private"))
		identities(t, start(t, job{as: r, args: buildArgs(t, r, p, "identities-out", "--emulation", "private", config)}), imageName)
	})
	check(t)
}

// identities looks at the processes of a build while it builds a derivation.
func identities(t *testing.T, p *process, derivation string) {
	t.Helper()
	p.await("it builds "+derivation, building(derivation))
	monitor := p.cmd.Process.Pid
	inside, builders := 0, 0
	for _, d := range descendants(monitor) {
		if namespace(d.pid, "pid") == namespace(os.Getpid(), "pid") && namespace(d.pid, "user") == namespace(os.Getpid(), "user") {
			if !strings.HasPrefix(d.line, workerName) && d.line != caretakerName && d.state != "Z" {
				t.Errorf("process %v is neither worker nor caretaker nor in the sandbox", d)
			}
			continue
		}
		if namespace(d.pid, "user") == "" {
			continue // it ended
		}
		inside++
		if checkInside(t, d) {
			builders++
		}
	}
	if inside < 3 || builders < 1 {
		t.Errorf("saw %d processes in the sandbox, %d builders among them; want 3 and 1 or more", inside, builders)
	}
	ids := workerID(t, p)
	checkWorker(t, monitor, ids)
	if err := interrupt(p); err != nil {
		t.Error(err)
	}
}

// workerID is the id that the monitor chose for a worker without a caller.
func workerID(t *testing.T, p *process) int {
	t.Helper()
	i := slices.Index(p.cmd.Args, "--state-dir")
	var first int
	data, err := os.ReadFile(filepath.Join(p.cmd.Args[i+1], "ids.json"))
	if err == nil {
		_, err = fmt.Sscanf(string(data), `{"first":%d}`, &first)
	}
	if err != nil || first < 65536 {
		t.Fatalf("ids.json = %q, %v", data, err)
	}
	return first
}

// checkInside fails unless every thread of a process of the sandbox is without rights
// on the host. It reports whether the process belongs to a builder.
func checkInside(t *testing.T, d proc) (builder bool) {
	t.Helper()
	for _, kind := range []string{"user", "pid", "mnt", "ipc", "uts"} {
		if namespace(d.pid, kind) == namespace(os.Getpid(), kind) {
			t.Errorf("process %v has the host's %s namespace", d, kind)
		}
	}
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", d.pid))
	for _, thread := range threads {
		s := statusOf(thread)
		for _, ids := range []string{"Uid", "Gid", "Groups"} {
			if slices.Contains(strings.Fields(s[ids]), "0") {
				t.Errorf("process %v has %s %s", d, ids, s[ids])
			}
		}
	}
	s := statusOf(fmt.Sprintf("/proc/%d/status", d.pid))
	if s["Uid"] == "" || s["State"] == "Z (zombie)" {
		return false // it ended
	}
	if s["NoNewPrivs"] != "1" {
		t.Errorf("process %v: NoNewPrivs %s; want 1", d, s["NoNewPrivs"])
	}
	return strings.Trim(s["CapEff"]+s["CapPrm"], "0") == "" && s["Seccomp"] == "2"
}

// interrupt ends a build and says what is wrong with how it ends.
func interrupt(p *process) error {
	p.t.Helper()
	p.cmd.Process.Signal(os.Interrupt)
	if r := p.wait(); r.status != exitInterrupted {
		return fmt.Errorf("after SIGINT it ended with %d; want %d:\n%s", r.status, exitInterrupted, tail(p.errs))
	}
	return nil
}
