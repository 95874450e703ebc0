package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"nixsd-native/internal/wire"
)

// patience is how long a command may go on after it was told to end.
const patience = 10 * time.Second

// A Session talks to the child side over the control socket. It runs one command at a
// time, and opens files meanwhile: who reads what a command says may have to look.
type Session struct {
	conn      *wire.Conn
	killAfter time.Duration

	running, opening, sending sync.Mutex
	exits, opened             chan response // one at a time is due
	over                      chan struct{}
	err                       error // why it is over
}

// A response is a reply and its files.
type response struct {
	reply
	files []*os.File
}

// Attach waits until the sandbox at the other end of conn is ready. Errors of its
// construction are *Failure; one that died without a word is an io.EOF in the
// error's chain.
func Attach(conn *wire.Conn) (*Session, error) {
	var r reply
	if _, err := conn.Recv(&r); err != nil {
		return nil, fmt.Errorf("the sandbox ended before it was ready: %w", err)
	}
	if r.Failure != nil {
		return nil, r.Failure
	}
	s := &Session{
		conn: conn, killAfter: patience,
		exits: make(chan response, 1), opened: make(chan response, 1), over: make(chan struct{}),
	}
	go s.receive()
	return s, nil
}

// receive hands out the answers until the other end is gone, or the session closed.
func (s *Session) receive() {
	defer close(s.over)
	for {
		var a response
		if a.files, s.err = s.conn.Recv(&a.reply); s.err != nil {
			return
		}
		to := s.exits
		if a.Opened {
			to = s.opened
		}
		select {
		case to <- a:
		default: // nobody asked
			wire.CloseAll(a.files)
		}
	}
}

// answer waits for what was asked for.
func (s *Session) answer(from <-chan response) (response, error) {
	select {
	case a := <-from:
		return a, nil
	case <-s.over:
	}
	select {
	case a := <-from: // came just before the end
		return a, nil
	default:
		return response{}, s.gone(s.err)
	}
}

func (s *Session) send(r request, files ...*os.File) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	return s.conn.Send(r, files...)
}

// Close ends the sandbox and everything in it.
func (s *Session) Close() error { return s.conn.Close() }

// Run runs c to its end. A nil stream is /dev/null. When ctx ends, the command's
// process group gets SIGTERM, later SIGKILL, and Run returns the cause of ctx.
func (s *Session) Run(ctx context.Context, c Command, stdin, stdout, stderr *os.File) (Exit, error) {
	s.running.Lock()
	defer s.running.Unlock()
	if c.Self { // the child side itself is busy
		s.opening.Lock()
		defer s.opening.Unlock()
	}
	if ctx.Err() != nil {
		return Exit{}, context.Cause(ctx)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return Exit{}, err
	}
	defer null.Close()
	files := []*os.File{stdin, stdout, stderr}
	for i, f := range files {
		if f == nil {
			files[i] = null
		}
	}
	if err := s.send(request{Run: &c}, files...); err != nil {
		return Exit{}, s.gone(err)
	}
	stop := s.signalWhenDone(ctx)
	defer stop()
	r, err := s.answer(s.exits)
	wire.CloseAll(r.files)
	switch {
	case err != nil:
		return Exit{}, err
	case r.Failure != nil && r.Failure.Errno == int(syscall.EAGAIN):
		return Exit{}, tooManyTasks(r.Failure.Message)
	case r.Failure != nil:
		return Exit{}, r.Failure
	case ctx.Err() != nil:
		return Exit{}, context.Cause(ctx)
	case r.Exit == nil:
		return Exit{}, errors.New("the sandbox answered nonsense")
	}
	return *r.Exit, nil
}

// signalWhenDone ends the running command when ctx does. The returned function
// stops watching.
func (s *Session) signalWhenDone(ctx context.Context) (stop func()) {
	finished := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-finished:
			return
		case <-ctx.Done():
		}
		s.send(request{Signal: int(syscall.SIGTERM)})
		select {
		case <-finished:
		case <-time.After(s.killAfter):
			s.send(request{Signal: int(syscall.SIGKILL)})
		}
	})
	return func() { close(finished); watch.Wait() }
}

// Open opens a regular file inside the root for reading. The last element of name
// must not be a link.
func (s *Session) Open(name string) (*os.File, error) {
	s.opening.Lock()
	defer s.opening.Unlock()
	if err := s.send(request{Open: name}); err != nil {
		return nil, s.gone(err)
	}
	r, err := s.answer(s.opened)
	if err != nil {
		return nil, err
	}
	if r.Failure != nil || len(r.files) != 1 {
		wire.CloseAll(r.files)
		if r.Failure == nil {
			return nil, errors.New("the sandbox answered nonsense")
		}
		return nil, r.Failure
	}
	return r.files[0], nil
}

// CPUTime returns the processor time that everything in the sandbox has used so far.
func (s *Session) CPUTime() (time.Duration, error) {
	s.opening.Lock()
	defer s.opening.Unlock()
	if err := s.send(request{CPU: true}); err != nil {
		return 0, s.gone(err)
	}
	r, err := s.answer(s.opened)
	wire.CloseAll(r.files)
	if err == nil && r.Failure != nil {
		err = r.Failure
	}
	return r.CPU, err
}

// gone tells a sandbox that was killed from other errors of the socket.
func (s *Session) gone(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		return ErrGone
	}
	return err
}

// ErrGone says that the sandbox ended while it was needed: killed, or out of
// memory.
var ErrGone error = &HostError{
	Cause:  "the sandbox was killed, most likely because memory ran out",
	Advice: []string{"look for \"Out of memory\" in the kernel's log, sudo dmesg | tail, and run the command again: nothing is built twice"},
}
