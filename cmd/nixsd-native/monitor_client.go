package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"nixsd-native/internal/monitor"
	"nixsd-native/internal/wire"
	"nixsd-native/qemu"
	"nixsd-native/sandbox"
)

// monitorFD is the worker's end of the socket to the monitor.
const monitorFD = 3

// monitorClient is the worker's side of the monitor.
type monitorClient struct {
	mu    sync.Mutex
	conn  *wire.Conn
	hello monitorReply
}

// workerMain is the part of a command that runs without privileges while the
// monitor has them.
func workerMain(args []string) int {
	a := newApp(hostEnvironment(), args)
	if err := monitor.ProveDropped(); err != nil {
		return a.report(err)
	}
	syscall.CloseOnExec(monitorFD)
	conn, err := wire.NewConn(os.NewFile(monitorFD, "monitor"))
	if err != nil {
		return a.report(err)
	}
	j, err := parse(args, io.Discard)
	if err != nil {
		return a.report(err)
	}
	ctx, stop := signalContext()
	defer stop()
	syscall.Umask(0o002) // what one caller puts into the cache is the next one's, too
	client := &monitorClient{conn: conn}
	if client.hello, _, err = client.ask(monitorRequest{Hello: true}); err != nil {
		return a.report(err)
	}
	a.privileges = client
	return a.report(j.run(ctx, a))
}

// ask sends a request and waits for its answer.
func (c *monitorClient) ask(q monitorRequest, files ...*os.File) (monitorReply, *os.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.conn.Send(q, files...); err != nil {
		return monitorReply{}, nil, fmt.Errorf("the monitor is gone: %v", err)
	}
	return c.answer()
}

func (c *monitorClient) answer() (monitorReply, *os.File, error) {
	var r monitorReply
	files, err := c.conn.Recv(&r)
	if err != nil {
		return monitorReply{}, nil, fmt.Errorf("the monitor is gone: %v", err)
	}
	if r.Error != nil {
		wire.CloseAll(files)
	}
	switch {
	case r.Busy:
		return r, nil, &monitor.BusyError{Lock: filepath.Join(c.hello.State, "lock")}
	case r.Error != nil:
		return r, nil, r.Error
	}
	if len(files) == 0 {
		return r, nil, nil
	}
	return r, files[0], nil
}

// do is ask for requests that are answered with success or failure.
func (c *monitorClient) do(q monitorRequest, files ...*os.File) error {
	_, _, err := c.ask(q, files...)
	return err
}

// askFile is ask for requests that are answered with a file.
func (c *monitorClient) askFile(q monitorRequest) (*os.File, error) {
	_, file, err := c.ask(q)
	if err == nil && file == nil {
		err = errors.New("the monitor answered without a file")
	}
	return file, err
}

func (c *monitorClient) Dirs() (state, cache string) { return c.hello.State, c.hello.Cache }

func (c *monitorClient) Targets() []located { return c.hello.Targets }

func (c *monitorClient) OpenLock() (*os.File, error) {
	_, file, err := c.ask(monitorRequest{OpenLock: true})
	return file, err
}

func (c *monitorClient) WriteLock(text []byte) error { return c.do(monitorRequest{WriteLock: text}) }

func (c *monitorClient) Open(name string) (*os.File, error) {
	return c.askFile(monitorRequest{Open: name})
}

func (c *monitorClient) OpenStored(path string) (*os.File, error) {
	return c.askFile(monitorRequest{OpenStored: path})
}

// Lock may be told to wait before the lock is there.
func (c *monitorClient) Lock(ctx context.Context, waiting func()) error {
	if waiting == nil {
		return c.do(monitorRequest{Lock: true, NoWait: true})
	}
	type result struct {
		r   monitorReply
		err error
	}
	results := make(chan result, 2)
	go func() {
		r, _, err := c.ask(monitorRequest{Lock: true})
		results <- result{r, err}
		if err == nil && r.Waiting {
			c.mu.Lock()
			defer c.mu.Unlock()
			r, _, err = c.answer()
			results <- result{r, err}
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case got := <-results:
			if got.err != nil || !got.r.Waiting {
				return got.err
			}
			waiting()
		}
	}
}

func (c *monitorClient) TryLock() error { return c.do(monitorRequest{TryLock: true}) }

func (c *monitorClient) RegisterHost(_ context.Context, p qemu.Package, deb *os.File, persistent bool) error {
	var files []*os.File
	if deb != nil {
		files = []*os.File{deb}
	}
	return c.do(monitorRequest{Register: &registerRequest{p, persistent}}, files...)
}

func (c *monitorClient) TryHost(context.Context) error { return c.do(monitorRequest{TryHost: true}) }

func (c *monitorClient) Stripped() []string { return c.hello.Stripped }

func (c *monitorClient) UnregisterHost(context.Context) error {
	return c.do(monitorRequest{Unregister: true})
}

func (c *monitorClient) Recover(context.Context) (bool, error) {
	r, _, err := c.ask(monitorRequest{Recover: true})
	return r.Removed, err
}

func (c *monitorClient) RemoveFolders() error { return c.do(monitorRequest{RemoveFolders: true}) }

func (c *monitorClient) Sandbox(_ context.Context, q sandboxRequest, emulator *os.File) (*sandbox.Session, sandboxInfo, error) {
	ours, theirs, err := wire.Pair()
	if err != nil {
		return nil, sandboxInfo{}, err
	}
	files := []*os.File{theirs}
	if emulator != nil {
		files = append(files, emulator)
	}
	r, _, err := c.ask(monitorRequest{Sandbox: &q}, files...)
	theirs.Close()
	if err != nil {
		ours.Close()
		return nil, sandboxInfo{}, err
	}
	session, err := attach(ours)
	return session, r.Sandbox, err
}

func (c *monitorClient) OpenOutput() (string, error) {
	r, _, err := c.ask(monitorRequest{Output: true})
	return r.OutputFile, err
}

func (c *monitorClient) Create(name string) (*os.File, error) {
	return c.askFile(monitorRequest{Create: name})
}

func (c *monitorClient) Lend(name string) error { return c.do(monitorRequest{Lend: name}) }

func (c *monitorClient) Commit(names ...string) ([]string, error) {
	r, _, err := c.ask(monitorRequest{Commit: names})
	return r.Paths, err
}
