// Command probe tries to break out of where it runs. It is put into a sandbox or made
// the builder of a derivation; the tests read what it could do.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A spec says what there is to attack. Empty fields are left out.
type spec struct {
	// Mode is sandbox, entered (as sandbox, with all capabilities of its user
	// namespace), nested (in a user namespace below that) or builder.
	Mode      string
	Secret    string   // a file of the host
	Handle    []byte   // of that file, as name_to_handle_at(2) has it
	HandleTyp int32    // likewise
	Hidden    []string // what must not be seen
	ReadOnly  []string // folders that must not be written to
	Store     []string // store paths that must not change
	Emulated  bool     // this program runs under emulation
	Entered   bool     // it came from outside, and so without the sandbox's filter of system calls
	Pid       int      // a process of the host
	Disk      int      // device number of the host's disk
	Connect   []string // addresses of listeners on the host, tcp:HOST:PORT or unix:@NAME
	Output    string   // where the report goes; empty for standard output
}

// A report is what came of it.
type report struct {
	Arch    string
	UID     int
	GID     int
	Status  map[string]string // of /proc/self/status
	Denied  map[string]string // attack to what the kernel said
	Done    []string          // attacks that succeeded
	Entries []string          // of the root folder
	Passwd  string
	Nested  *report // of mode nested
}

func main() {
	switch os.Args[1] {
	case "wait": // for the end of standard input
		io.Copy(io.Discard, os.Stdin)
		return
	case "fill":
		fill(os.Args[2])
	case "leave":
		if err := leave(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if len(os.Args) > 2 {
			time.Sleep(time.Hour) // with all of it in place
		}
		return
	}
	var s spec
	if err := json.Unmarshal([]byte(os.Args[1]), &s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if out := os.Getenv("out"); out != "" {
		s.Output = out
	}
	r := report{Arch: runtime.GOARCH, UID: os.Getuid(), GID: os.Getgid(), Status: status(), Denied: map[string]string{}}
	entries, _ := os.ReadDir("/")
	for _, e := range entries {
		r.Entries = append(r.Entries, e.Name())
	}
	passwd, _ := os.ReadFile("/etc/passwd")
	r.Passwd = string(passwd)
	if s.Mode == "sandbox" || s.Mode == "entered" {
		r.Nested = nested(s)
	}
	for _, a := range attacks(s) {
		if err := a.try(); err != nil {
			r.Denied[a.name] = err.Error()
		} else {
			r.Done = append(r.Done, a.name)
		}
	}
	slices.Sort(r.Done)
	data, err := json.Marshal(r)
	if err == nil && s.Output != "" {
		err = os.WriteFile(s.Output, data, 0o644)
	} else if err == nil {
		_, err = os.Stdout.Write(data)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// nested runs the attacks with all capabilities of a user namespace below.
func nested(s spec) *report {
	s.Mode = "nested"
	arg, err := json.Marshal(s)
	if err != nil {
		return nil
	}
	cmd := exec.Command("/proc/self/exe", string(arg))
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.Output()
	r := new(report)
	if err != nil || json.Unmarshal(out, r) != nil {
		return nil
	}
	return r
}

// status returns the lines of /proc/self/status about identity and privileges.
func status() map[string]string {
	data, _ := os.ReadFile("/proc/self/status")
	m := map[string]string{}
	for line := range strings.Lines(string(data)) {
		name, value, _ := strings.Cut(line, ":")
		if strings.HasPrefix(name, "Cap") || name == "NoNewPrivs" || name == "Uid" || name == "Gid" || name == "Seccomp" {
			m[name] = strings.Join(strings.Fields(value), " ")
		}
	}
	return m
}
