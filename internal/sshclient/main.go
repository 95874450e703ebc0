package sshclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// A Program is the program ssh.
type Program struct {
	User       string // who logs in where nobody is named
	KnownHosts string // file of host keys
	In         io.Reader
	Out, Errs  io.Writer
}

// statusFailed is ssh(1)'s exit status for its own failures.
const statusFailed = 255

// connectTimeout bounds connecting and logging in.
const connectTimeout = 30 * time.Second

// Main does what a command line, argv[0] not in it, asks for and returns the exit status:
// the remote command's, or 255.
func (p Program) Main(ctx context.Context, args []string) int {
	in, err := ParseArgs(args)
	if err == nil && in.Check {
		err = errors.New("no master is running")
	}
	var status int
	if err == nil {
		status, err = p.do(ctx, in)
	}
	if err != nil {
		fmt.Fprintf(p.Errs, "ssh: %v\n", err)
		return statusFailed
	}
	return status
}

func (p Program) do(ctx context.Context, in Invocation) (int, error) {
	t, err := p.target(in)
	if err != nil {
		return 0, err
	}
	dialing, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	c, err := Dial(dialing, t)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	go c.watch(alivePeriod)
	if in.Started {
		if _, err := fmt.Fprintln(p.Out, "started"); err != nil {
			return 0, err
		}
	}
	if in.Hold {
		return 0, c.client.Wait()
	}
	return c.run(in.Command, p.In, p.Out, p.Errs)
}

// maxSmallFile bounds keys and known_hosts, in bytes.
const maxSmallFile = 4 << 20

func (p Program) target(in Invocation) (Target, error) {
	t := Target{User: cmp.Or(in.User, p.User), Host: in.Host, Port: cmp.Or(in.Port, DefaultPort)}
	for _, name := range in.Keys {
		pem, err := readSmall(name)
		if err != nil {
			return t, err
		}
		key, err := ParseKey(name, pem)
		if err != nil {
			return t, err
		}
		t.Keys = append(t.Keys, key)
	}
	text, err := readSmall(cmp.Or(in.KnownHosts, p.KnownHosts))
	if err != nil {
		return t, err
	}
	t.Known, err = NewKnown(text)
	return t, err
}

func readSmall(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSmallFile))
}
