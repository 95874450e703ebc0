package binfmt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	proofTimeout   = 10 * time.Second // emulated, it takes some 20 ms
	maxProofOutput = 4 << 10          // bytes kept of each stream
	busyTries      = 50               // for ETXTBSY, see startProbe
	busyPause      = 10 * time.Millisecond
)

// Prove runs the program of [ProbeELF] from a new folder in dir, which it
// removes again. dir is an absolute path, must allow executing, and only the
// caller may be able to write to it. An aarch64 program that does not run is a
// [*ProofError]; the end of ctx is ctx's error.
func Prove(ctx context.Context, dir string) error { return prove(ctx, dir, proofTimeout) }

func prove(ctx context.Context, dir string, timeout time.Duration) error {
	if !filepath.IsAbs(dir) { // an empty one would mean $TMPDIR
		return fmt.Errorf("run an aarch64 program: the folder %q is not an absolute path", dir)
	}
	room, err := os.MkdirTemp(dir, "nixsd-probe-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(room) // with a core file, if there is one
	probe := filepath.Join(room, "aarch64-probe")
	if err := os.WriteFile(probe, ProbeELF(), 0o700); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	result := runProbe(limited, probe)
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("run an aarch64 program: %w", err)
	}
	if failure := result.judge(); failure != nil {
		failure.Path = dir
		return failure
	}
	return nil
}

func runProbe(ctx context.Context, probe string) outcome {
	runtime.LockOSThread() // the parent of Pdeathsig is a thread
	defer runtime.UnlockOSThread()
	var stdout, stderr bounded
	cmd, err := startProbe(ctx, probe, &stdout, &stderr)
	if err != nil {
		return outcome{start: err, noexec: isNoExec(filepath.Dir(probe))}
	}
	if err := cmd.Wait(); cmd.ProcessState == nil {
		return outcome{start: err}
	}
	o := outcome{
		timedOut: ctx.Err() != nil,
		status:   cmd.ProcessState.ExitCode(),
		stdout:   string(stdout.kept),
		stderr:   string(stderr.kept),
	}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		o.signal = ws.Signal()
	}
	return o
}

// startProbe tries again on ETXTBSY: a process forked at this moment elsewhere
// in the program can hold the file open for writing (golang.org/issue/22315).
func startProbe(ctx context.Context, probe string, stdout, stderr *bounded) (*exec.Cmd, error) {
	for try := 1; ; try++ {
		cmd := exec.CommandContext(ctx, probe)
		cmd.Dir = filepath.Dir(probe)
		cmd.Env = []string{}
		cmd.Stdout, cmd.Stderr = stdout, stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
		cmd.WaitDelay = killDelay
		err := cmd.Start()
		if err == nil || try == busyTries || !errors.Is(err, syscall.ETXTBSY) {
			return cmd, err
		}
		time.Sleep(busyPause)
	}
}

func isNoExec(dir string) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && st.Flags&unix.ST_NOEXEC != 0
}

// bounded keeps the first bytes written to it and drops the rest.
type bounded struct{ kept []byte }

func (b *bounded) Write(p []byte) (int, error) {
	b.kept = append(b.kept, p[:min(len(p), maxProofOutput-len(b.kept))]...)
	return len(p), nil
}
