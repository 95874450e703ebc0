package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A request is a command; the test has the same type.
type request struct {
	Args    []string
	UID     int
	Groups  []uint32
	Dir     string
	Env     []string
	Timeout time.Duration
}

// A reply says how a command ended.
type reply struct {
	Status   int // -1 if it was killed
	Out, Err string
	Took     time.Duration
}

// port is the name of the virtio-serial port to the test.
const port = "vmtest"

// serve runs the commands that come in through the port, one after the other.
func serve() error {
	f, err := openPort()
	if err != nil {
		return err
	}
	defer f.Close()
	requests, replies := json.NewDecoder(f), json.NewEncoder(f)
	if err := replies.Encode(reply{}); err != nil { // here we are
		return err
	}
	for {
		var r request
		if err := requests.Decode(&r); err != nil {
			return err
		}
		if err := replies.Encode(run(r)); err != nil {
			return err
		}
	}
}

// openPort finds the port by the name that QEMU gave it.
func openPort() (*os.File, error) {
	names, err := filepath.Glob("/sys/class/virtio-ports/*/name")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if text, err := os.ReadFile(name); err == nil && strings.TrimSpace(string(text)) == port {
			return os.OpenFile(filepath.Join("/dev", filepath.Base(filepath.Dir(name))), os.O_RDWR, 0)
		}
	}
	return nil, fmt.Errorf("no virtio-serial port is called %s", port)
}

func run(r request) reply {
	ctx, cancel := context.WithTimeout(context.Background(), r.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.Args[0], r.Args[1:]...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = r.Dir, r.Env, 10*time.Second
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(r.UID), Gid: uint32(r.UID), Groups: r.Groups}}
	var out, errs bytes.Buffer
	cmd.Stdout = &out
	cmd.Stderr = io.MultiWriter(&errs, os.Stderr) // the console, so that progress is seen
	begun := time.Now()
	err := cmd.Run()
	status := cmd.ProcessState.ExitCode()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		fmt.Fprintf(&errs, "guest: %v\n", err)
		status = -1
	}
	return reply{status, out.String(), errs.String(), time.Since(begun)}
}
