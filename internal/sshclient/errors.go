package sshclient

import (
	"fmt"
	"net"
	"strconv"

	"golang.org/x/crypto/ssh"
)

// A Kind classifies why there is no connection.
type Kind int

// Kinds of an Error.
const (
	Unreachable Kind = iota // nobody answers, or not as an ssh server does
	UnknownHost             // its host key is not in known_hosts
	ChangedHost             // known_hosts has another host key
	Refused                 // no key lets us in
	BadKey                  // a key that cannot be used
)

// An Error says why there is no connection to a host.
type Error struct {
	Kind   Kind
	Host   string // as the user knows it
	Reason string
	Advice []string
}

func (e *Error) Error() string { return e.Host + ": " + e.Reason }

// Hints tells what to do.
func (e *Error) Hints() []string { return e.Advice }

// keyscan is the command that makes a host known.
func keyscan(host string, port int) string {
	if port == DefaultPort {
		return fmt.Sprintf("ssh-keyscan %s >> ~/.ssh/known_hosts", host)
	}
	return fmt.Sprintf("ssh-keyscan -p %d %s >> ~/.ssh/known_hosts", port, host)
}

func unknownHost(t Target, key ssh.PublicKey) *Error {
	return &Error{UnknownHost, t.name(), "its host key is unknown, so it may be anybody", []string{
		keyscan(t.Host, t.Port),
		fmt.Sprintf("and compare with the fingerprint that the machine itself shows: it should be %s (%s)", ssh.FingerprintSHA256(key), key.Type()),
	}}
}

func changedHost(t Target, what string) *Error {
	name := t.Host
	if t.Port != DefaultPort {
		name = "[" + t.Host + "]:" + strconv.Itoa(t.Port)
	}
	return &Error{ChangedHost, t.name(), what + ": it is another machine, or somebody listens in", []string{
		fmt.Sprintf("only if the machine was set up anew: ssh-keygen -R '%s' && %s", name, keyscan(t.Host, t.Port)),
	}}
}

func refused(t Target) *Error {
	if len(t.Keys) == 0 {
		return &Error{Refused, t.name(), "there is no key to log in with", []string{
			"name one with --builder-key FILE, or make one: ssh-keygen -t ed25519",
		}}
	}
	names := ""
	for _, k := range t.Keys {
		names += ", " + k.Name
	}
	return &Error{Refused, t.name(), fmt.Sprintf("it lets %s in with none of these keys: %s", t.User, names[2:]), []string{
		fmt.Sprintf("let one in: ssh-copy-id -i %s.pub -p %d %s@%s; or name another with --builder-key FILE", t.Keys[0].Name, t.Port, t.User, t.Host),
	}}
}

func unreachable(t Target, err error) *Error {
	reason := err.Error()
	if op, ok := err.(*net.OpError); ok {
		reason = op.Err.Error()
	}
	return &Error{Unreachable, t.name(), "it does not answer: " + reason, []string{
		fmt.Sprintf("see whether ssh reaches it: ssh -p %d %s@%s nix-store --version", t.Port, t.User, t.Host),
	}}
}
