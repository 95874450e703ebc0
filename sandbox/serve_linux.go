package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"nixsd-native/internal/wire"
)

// A request is one of these; a reply answers each but Signal.
type request struct {
	Run    *Command // with standard input, output and error as files
	Signal int      // to the running command
	Open   string   // a regular file, read-only
	CPU    bool     // the processor time used so far
}

type reply struct {
	Ready   bool
	Opened  bool // it answers Open or CPU
	CPU     time.Duration
	Exit    *Exit
	Failure *Failure
}

// serve runs one command at a time, on the caller's thread. When the other end is
// gone it returns; as this is process 1 of the namespace, everything else in it
// ends with it.
func serve(conn *wire.Conn, self Self) {
	requests := make(chan incoming)
	go receive(conn, requests)
	for in := range requests {
		switch {
		case in.Run != nil:
			r, more := run(conn, in, requests, self)
			if !more {
				return
			}
			conn.Send(r)
		default:
			attend(conn, in.request)
		}
		wire.CloseAll(in.files)
	}
}

type incoming struct {
	request
	files []*os.File
}

func receive(conn *wire.Conn, out chan<- incoming) {
	defer close(out)
	for {
		var in incoming
		var err error
		if in.files, err = conn.Recv(&in.request); err != nil {
			return
		}
		out <- in
	}
}

// run runs a command to its end, passes signals on to it and opens files meanwhile. more
// is false if the session was over first.
func run(conn *wire.Conn, in incoming, requests <-chan incoming, self Self) (r reply, more bool) {
	if len(in.files) != 3 || len(in.Run.Argv) == 0 {
		return reply{Failure: failureOf(errors.New("a command needs arguments and three streams"))}, true
	}
	if in.Run.Self {
		return runSelf(in, requests, self)
	}
	cmd := &exec.Cmd{
		Path: in.Run.Argv[0], Args: in.Run.Argv, Env: in.Run.Env, Dir: in.Run.Dir,
		Stdin: in.files[0], Stdout: in.files[1], Stderr: in.files[2],
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := cmd.Start(); err != nil {
		return reply{Failure: failureOf(err)}, true
	}
	defer cmd.Process.Release()
	done := make(chan Exit, 1)
	go reap(cmd.Process.Pid, done)
	for {
		select {
		case exit := <-done:
			return reply{Exit: &exit}, true
		case next, more := <-requests:
			if !more {
				return reply{}, false
			}
			if next.Signal != 0 {
				unix.Kill(-cmd.Process.Pid, unix.Signal(next.Signal))
			}
			attend(conn, next.request)
			wire.CloseAll(next.files)
		}
	}
}

// runSelf calls self on this goroutine. A signal ends its context, and so does the
// end of the session.
func runSelf(in incoming, requests <-chan incoming, self Self) (r reply, more bool) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	finished := make(chan struct{})
	more = true
	var watch sync.WaitGroup
	watch.Go(func() {
		for more {
			var next incoming
			select {
			case <-finished:
				return
			case next, more = <-requests:
				cancel()
				wire.CloseAll(next.files)
			}
		}
	})
	status := self(ctx, *in.Run, in.files[0], in.files[1], in.files[2])
	close(finished)
	watch.Wait()
	return reply{Exit: &Exit{Status: status}}, more
}

// reap waits, as process 1 must, for every process. When pid ends, so does all that
// it left running, which could keep its streams open or meet the next command.
func reap(pid int, done chan<- Exit) {
	exit := Exit{Status: 1}
	for {
		var ws unix.WaitStatus
		got, err := unix.Wait4(-1, &ws, 0, nil)
		switch {
		case err == unix.EINTR:
		case err != nil: // ECHILD: none is left
			done <- exit
			return
		case got == pid:
			exit = exitOf(ws)
			if os.Getpid() == 1 { // elsewhere -1 is the whole system
				unix.Kill(-1, unix.SIGKILL)
			}
		}
	}
}

func exitOf(ws unix.WaitStatus) Exit {
	if ws.Signaled() {
		return Exit{Signal: int(ws.Signal())}
	}
	return Exit{Status: ws.ExitStatus()}
}

// attend does what can be done beside a command.
func attend(conn *wire.Conn, r request) {
	if r.Open != "" {
		open(conn, r.Open)
	}
	if r.CPU {
		r := reply{Opened: true}
		var err error
		if r.CPU, err = cpuTime(os.DirFS("/proc")); err != nil {
			r.Failure = failureOf(err)
		}
		conn.Send(r)
	}
}

// open passes a file of the root back. It does not follow a link at the end, and
// nothing but a regular file can be asked for.
func open(conn *wire.Conn, name string) {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		conn.Send(reply{Opened: true, Failure: failureOf(&os.PathError{Op: "open", Path: name, Err: err})})
		return
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		conn.Send(reply{Opened: true, Failure: failureOf(fmt.Errorf("%s is no regular file", name))})
		return
	}
	conn.Send(reply{Opened: true}, f)
}
