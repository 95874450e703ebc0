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

// A Session talks to the child side over the control socket. It runs one command
// at a time.
type Session struct {
	conn      *wire.Conn
	mu        sync.Mutex
	killAfter time.Duration
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
	return &Session{conn: conn, killAfter: patience}, nil
}

// Close ends the sandbox and everything in it.
func (s *Session) Close() error { return s.conn.Close() }

// Run runs c to its end. A nil stream is /dev/null. When ctx ends, the command's
// process group gets SIGTERM, later SIGKILL, and Run returns the cause of ctx.
func (s *Session) Run(ctx context.Context, c Command, stdin, stdout, stderr *os.File) (Exit, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
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
	if err := s.conn.Send(request{Run: &c}, files...); err != nil {
		return Exit{}, s.gone(err)
	}
	stop := s.signalWhenDone(ctx)
	defer stop()
	var r reply
	if _, err := s.conn.Recv(&r); err != nil {
		return Exit{}, s.gone(err)
	}
	switch {
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
		s.conn.Send(request{Signal: int(syscall.SIGTERM)})
		select {
		case <-finished:
		case <-time.After(s.killAfter):
			s.conn.Send(request{Signal: int(syscall.SIGKILL)})
		}
	})
	return func() { close(finished); watch.Wait() }
}

// Open opens a regular file inside the root for reading. The last element of name
// must not be a link.
func (s *Session) Open(name string) (*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.conn.Send(request{Open: name}); err != nil {
		return nil, s.gone(err)
	}
	var r reply
	files, err := s.conn.Recv(&r)
	if err != nil {
		return nil, s.gone(err)
	}
	if r.Failure != nil || len(files) != 1 {
		wire.CloseAll(files)
		if r.Failure == nil {
			return nil, errors.New("the sandbox answered nonsense")
		}
		return nil, r.Failure
	}
	return files[0], nil
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
var ErrGone = errors.New("the sandbox was killed")
