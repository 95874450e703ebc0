// Command inside is run in sandboxes by the tests of package sandbox. It tells what
// it sees, tries what it must not be able to do, and behaves badly.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	args := os.Args[1:]
	switch args[0] {
	case "facts":
		json.NewEncoder(os.Stdout).Encode(look())
	case "try":
		json.NewEncoder(os.Stdout).Encode(try())
	case "calls":
		json.NewEncoder(os.Stdout).Encode(calls())
	case "cat":
		n, err := io.Copy(os.Stdout, os.Stdin)
		fmt.Fprintln(os.Stderr, n, err)
	case "big":
		n, _ := strconv.Atoi(args[1])
		io.Copy(os.Stdout, bytes.NewReader(bytes.Repeat([]byte("x"), n)))
	case "read":
		data, err := os.ReadFile(args[1])
		fmt.Printf("%s%v", data, err)
	case "exit":
		n, _ := strconv.Atoi(args[1])
		os.Exit(n)
	case "die":
		n, _ := strconv.Atoi(args[1])
		signal.Reset()
		syscall.Kill(os.Getpid(), syscall.Signal(n))
		time.Sleep(time.Minute)
	case "sleep":
		fmt.Println("ready")
		time.Sleep(time.Minute)
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ready")
		time.Sleep(time.Minute)
	case "polite":
		polite()
	case "leave":
		leave(args[1:])
	case "zombies":
		zombies()
	case "ids":
		fmt.Print(os.Getuid(), " ", os.Geteuid())
	case "kind":
		fmt.Print(kind(args[1]))
	case "attempt":
		attempt(args[1], args[2])
	case "pids":
		fmt.Println(pids())
	}
}

// polite ends with status 7 when it is told to, as does its child.
func polite() {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	fmt.Println("ready")
	<-end
	os.Exit(7)
}

// leave leaves a process in a session of its own behind, which keeps the streams.
func leave(args []string) {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	fmt.Println(cmd.Start())
}

// zombies makes orphans that end at once and tells how many process 1 has not
// buried by the time it has had a moment.
func zombies() {
	for range 20 {
		cmd := exec.Command("/proc/self/exe", "leave", "exit", "0")
		cmd.Run()
	}
	left := 0
	for range 100 {
		left = 0
		for _, pid := range pids() {
			stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			if _, rest, ok := strings.Cut(string(stat), ") "); ok && strings.HasPrefix(rest, "Z") {
				left++
			}
		}
		if left == 0 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	fmt.Print(left)
}

// facts is what look finds. The test has the same struct.
type facts struct {
	UID, GID       int
	Groups         []int
	UIDMap, GIDMap string
	Status         map[string]string // of /proc/self/status
	Limits         map[string]uint64
	Mounts         []string // lines of /proc/self/mountinfo
	Files          map[string]string
	Pids           []int
	Env            []string
	Dir            string
	Umask          int
	Hostname       string
	Interfaces     []string
	Root           []string
	Score          string // of /proc/self/oom_score_adj
}

func look() facts {
	f := facts{
		UID: os.Getuid(), GID: os.Getgid(), UIDMap: text("/proc/self/uid_map"), GIDMap: text("/proc/self/gid_map"),
		Status: map[string]string{}, Limits: map[string]uint64{}, Files: map[string]string{},
		Mounts: strings.Split(text("/proc/self/mountinfo"), "\n"), Pids: pids(), Env: os.Environ(),
	}
	f.Groups, _ = os.Getgroups()
	for line := range strings.Lines(text("/proc/self/status")) {
		name, value, _ := strings.Cut(line, ":")
		f.Status[name] = strings.TrimSpace(value)
	}
	for name, resource := range map[string]int{"core": unix.RLIMIT_CORE, "files": unix.RLIMIT_NOFILE, "tasks": unix.RLIMIT_NPROC} {
		// The program itself raises its limit of files; what it was given stands here.
		var l unix.Rlimit
		unix.Getrlimit(resource, &l)
		f.Limits[name] = l.Cur
	}
	for _, fd := range names("/proc/self/fd") {
		if to, err := os.Readlink("/proc/self/fd/" + fd); err == nil {
			f.Files[fd] = to
		}
	}
	f.Dir, _ = os.Getwd()
	f.Umask = unix.Umask(0)
	f.Hostname, _ = os.Hostname()
	interfaces, _ := net.Interfaces()
	for _, i := range interfaces {
		f.Interfaces = append(f.Interfaces, i.Name)
	}
	f.Root = names("/")
	f.Score = text("/proc/self/oom_score_adj")
	return f
}

// kind tells what a file is; a device, whether it opens.
func kind(name string) string {
	info, err := os.Lstat(name)
	if err != nil {
		return "absent"
	}
	if info.Mode()&os.ModeDevice == 0 {
		return info.Mode().String()
	}
	_, err = os.Open(name)
	return fmt.Sprintf("device, %v", errors.Unwrap(err))
}

func text(name string) string {
	data, err := os.ReadFile(name)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(data))
}

func names(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return []string{err.Error()}
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func pids() []int {
	var all []int
	for _, name := range names("/proc") {
		if pid, err := strconv.Atoi(name); err == nil {
			all = append(all, pid)
		}
	}
	slices.Sort(all)
	return all
}
