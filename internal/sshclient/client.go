package sshclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

type hostAddr = net.Addr

// A Target is a host, and who logs in there with what.
type Target struct {
	Alias string // how the user calls it; "" for Host
	User  string
	Host  string
	Port  int
	Keys  []Key // tried in this order
	Known Known
}

func (t Target) address() string { return net.JoinHostPort(t.Host, strconv.Itoa(t.Port)) }

// name is what errors call the target.
func (t Target) name() string {
	if t.Alias != "" {
		return t.Alias
	}
	if t.Port != DefaultPort {
		return t.address()
	}
	return t.Host
}

// A Key is a private key.
type Key struct {
	Name   string // of its file
	signer ssh.Signer
}

// ParseKey reads a private key. One that cannot be used is an *Error of kind BadKey.
func ParseKey(name string, pem []byte) (Key, error) {
	signer, err := ssh.ParsePrivateKey(pem)
	var locked *ssh.PassphraseMissingError
	switch {
	case err == nil:
		return Key{name, signer}, nil
	case errors.As(err, &locked):
		return Key{}, &Error{BadKey, name, "the key has a passphrase, and a build cannot ask for one", []string{
			"make a key for builds, and let it in: ssh-keygen -t ed25519 -N '' -f ~/.ssh/nixsd; then add --builder-key ~/.ssh/nixsd",
		}}
	}
	return Key{}, &Error{BadKey, name, "this is no private key", []string{"name a file such as ~/.ssh/id_ed25519, not its .pub"}}
}

// Fingerprint is that of its public half, SHA256:….
func (k Key) Fingerprint() string { return ssh.FingerprintSHA256(k.signer.PublicKey()) }

// A Conn is a connection to a host that proved who it is.
type Conn struct {
	client  *ssh.Client
	HostKey ssh.PublicKey
	Address string // IP address that answered
	Key     int    // index of the key in Target.Keys that let us in
}

// Close ends the connection.
func (c *Conn) Close() error { return c.client.Close() }

// Dial connects and logs in, until ctx ends. A failure is an *Error.
func Dial(ctx context.Context, t Target) (*Conn, error) {
	var dialer net.Dialer
	raw, err := dialer.DialContext(ctx, "tcp", t.address())
	if err != nil {
		return nil, unreachable(t, timeless(ctx, err))
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	c := &Conn{}
	if tcp, ok := raw.RemoteAddr().(*net.TCPAddr); ok {
		c.Address = tcp.IP.String()
	}
	var badHost error
	kinds := t.Known.algorithms(t.address())
	config := &ssh.ClientConfig{
		User: t.User, HostKeyAlgorithms: orSecure(kinds),
		Auth: []ssh.AuthMethod{ssh.PublicKeys(t.signers(&c.Key)...)},
		HostKeyCallback: func(_ string, remote net.Addr, key ssh.PublicKey) error {
			badHost = t.Known.verify(t, remote, key)
			c.HostKey = key
			return badHost
		},
	}
	conn, channels, requests, err := ssh.NewClientConn(raw, t.address(), config)
	if err == nil {
		c.client = ssh.NewClient(conn, channels, requests)
		return c, nil
	}
	raw.Close()
	var other *ssh.AlgorithmNegotiationError
	switch {
	case badHost != nil:
		return nil, badHost
	case c.HostKey != nil && ctx.Err() == nil:
		return nil, refused(t)
	case errors.As(err, &other) && len(kinds) > 0 && strings.Contains(err.Error(), "host key"):
		return nil, changedHost(t, "it has no host key of the known kind")
	}
	return nil, unreachable(t, timeless(ctx, err))
}

// orSecure returns kinds or, if there are none, all but those that the library takes by
// default in spite of SHA-1 and DSA.
func orSecure(kinds []string) []string {
	if len(kinds) > 0 {
		return kinds
	}
	return ssh.SupportedAlgorithms().HostKeys
}

// timeless says of a time limit what it means.
func timeless(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errors.New("no answer in time")
	}
	return err
}

// signers are those of the target's keys; used is set to the last that signed.
func (t Target) signers(used *int) []ssh.Signer {
	var all []ssh.Signer
	for i, k := range t.Keys {
		if s, ok := k.signer.(ssh.AlgorithmSigner); ok {
			all = append(all, watched{s, func() { *used = i }})
		}
	}
	return all
}

// watched is a signer that tells when it signs: only when a server would take its key.
type watched struct {
	ssh.AlgorithmSigner
	signs func()
}

func (w watched) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	w.signs()
	return w.AlgorithmSigner.Sign(rand, data)
}

func (w watched) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	w.signs()
	return w.AlgorithmSigner.SignWithAlgorithm(rand, data, algorithm)
}

// maxOutput bounds what Output returns, in bytes.
const maxOutput = 64 << 10

// Output runs a command, without input, and returns what it prints, and its exit status.
func (c *Conn) Output(ctx context.Context, command string) (out string, status int, err error) {
	stop := context.AfterFunc(ctx, func() { c.client.Close() })
	defer stop()
	var b bytes.Buffer
	status, err = c.run(command, nil, &limited{&b, maxOutput}, io.Discard)
	return b.String(), status, timeless(ctx, err)
}

// run runs a command and returns its exit status.
func (c *Conn) run(command string, in io.Reader, out, errs io.Writer) (int, error) {
	s, err := c.client.NewSession()
	if err != nil {
		return 0, err
	}
	defer s.Close()
	s.Stdin, s.Stdout, s.Stderr = in, out, errs
	err = s.Run(command)
	var exit *ssh.ExitError
	if errors.As(err, &exit) {
		if exit.Signal() != "" {
			return 0, fmt.Errorf("the remote command was ended by SIG%s", exit.Signal())
		}
		return exit.ExitStatus(), nil
	}
	return 0, err
}

// limited passes on what fits and swallows the rest.
type limited struct {
	w    io.Writer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.left -= n
	if _, err := l.w.Write(p[:n]); err != nil {
		return 0, err
	}
	return len(p), nil
}

// A host that says nothing for three periods is gone: a build on a machine that lost its
// power would wait for ever.
const (
	alivePeriod = 20 * time.Second
	aliveMisses = 3
)

// watch closes the connection when the host is gone.
func (c *Conn) watch(period time.Duration) {
	for {
		time.Sleep(period)
		answered := make(chan error, 1)
		go func() {
			_, _, err := c.client.SendRequest("keepalive@openssh.com", true, nil)
			answered <- err
		}()
		select {
		case err := <-answered:
			if err != nil {
				return
			}
		case <-time.After(aliveMisses * period):
			c.client.Close()
			return
		}
	}
}
