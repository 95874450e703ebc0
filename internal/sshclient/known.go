package sshclient

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// Known are the host keys of a known_hosts file, see sshd(8). The zero value knows nobody.
type Known struct {
	check       ssh.HostKeyCallback
	authorities bool
	anybody     bool
}

// Anybody takes every host's key, which Conn.HostKey tells: for a host that has none yet,
// and that proves in another way who it is.
func Anybody() Known { return Known{anybody: true} }

// NewKnown reads the text of a known_hosts file. As with ssh(1), lines that are none, or
// have a key of a kind that is not known here, are passed over.
func NewKnown(text []byte) (Known, error) {
	var good []string
	var k Known
	for line := range strings.Lines(string(text)) {
		marker, _, _, _, _, err := ssh.ParseKnownHosts([]byte(line))
		if err != nil {
			continue
		}
		k.authorities = k.authorities || marker == "cert-authority"
		good = append(good, strings.TrimRight(line, "\r\n"))
	}
	var err error
	if k.check, err = checker(good); err == nil || errors.As(err, new(*os.PathError)) {
		return k, err
	}
	// One has patterns of hosts that are none; who is asked first does not look at them.
	good = slices.DeleteFunc(good, func(line string) bool { _, err := checker([]string{line}); return err != nil })
	k.check, err = checker(good)
	return k, err
}

// checker makes a check of lines, by way of a file, as knownhosts reads nothing else.
func checker(lines []string) (ssh.HostKeyCallback, error) {
	f, err := os.CreateTemp("", "nixsd-known-*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(strings.Join(lines, "\n") + "\n")
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	check, err := knownhosts.New(f.Name())
	if err != nil {
		return nil, fmt.Errorf("known_hosts: %s", strings.ReplaceAll(err.Error(), f.Name()+":", "line "))
	}
	return check, nil
}

// LineFor is the line of a known_hosts file by which a host's key, or the authority that
// signed it, is known.
func LineFor(host string, port int, key ssh.PublicKey) string {
	name := knownhosts.Normalize(Target{Host: host, Port: port}.address())
	if cert, ok := key.(*ssh.Certificate); ok {
		return "@cert-authority " + knownhosts.Line([]string{name}, cert.SignatureKey)
	}
	return knownhosts.Line([]string{name}, key)
}

// want lists the keys that a host may have.
func (k Known) want(address string) []ssh.PublicKey {
	var mismatch *knownhosts.KeyError
	if k.check == nil || !errors.As(k.check(address, noAddr{}, noKey{}), &mismatch) {
		return nil
	}
	var all []ssh.PublicKey
	for _, w := range mismatch.Want {
		all = append(all, w.Key)
	}
	return all
}

// algorithms are those of the host keys that are known, so that a host with several
// shows one of these; nil, for all, if there are none, or certificates.
func (k Known) algorithms(address string) []string {
	if k.authorities {
		return nil
	}
	var all []string
	for _, key := range k.want(address) {
		if key.Type() == ssh.KeyAlgoRSA { // SHA-1 is out (OpenSSH 8.8)
			all = append(all, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
			continue
		}
		all = append(all, key.Type())
	}
	return all
}

// verify checks the key that a host shows.
func (k Known) verify(t Target, remote hostAddr, key ssh.PublicKey) error {
	if k.anybody {
		return nil
	}
	if k.check == nil {
		return unknownHost(t, key)
	}
	err := k.check(t.address(), remote, key)
	var mismatch *knownhosts.KeyError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &mismatch) && len(mismatch.Want) == 0:
		return unknownHost(t, key)
	case errors.As(err, &mismatch):
		return changedHost(t, "its host key is not the known one")
	}
	return changedHost(t, "its host key is refused: "+strings.TrimPrefix(err.Error(), "knownhosts: "))
}

// noKey is nobody's key and noAddr nobody's address; with them one finds out what is known.
type (
	noKey  struct{}
	noAddr struct{}
)

func (noKey) Type() string                        { return "none" }
func (noKey) Marshal() []byte                     { return nil }
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("no key") }
func (noAddr) Network() string                    { return "tcp" }
func (noAddr) String() string                     { return "0.0.0.0:0" }
