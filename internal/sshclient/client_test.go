package sshclient

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// A server is golang.org/x/crypto's ssh server, with a few commands.
type server struct {
	port  int
	hosts []ssh.Signer
}

func newSigner(t testing.TB, key any) ssh.Signer {
	t.Helper()
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newEd25519(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newECDSA(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// pemOf is a key in OpenSSH's format.
func pemOf(t testing.TB, key any, passphrase string) []byte {
	t.Helper()
	var block *pem.Block
	var err error
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(key, "test")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "test", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block)
}

// serve starts a server that lets user nix in with a key.
func serve(t *testing.T, allowed ssh.PublicKey, hosts ...ssh.Signer) server {
	t.Helper()
	config := &ssh.ServerConfig{PublicKeyCallback: func(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if c.User() == "nix" && bytes.Equal(key.Marshal(), allowed.Marshal()) {
			return nil, nil
		}
		return nil, errors.New("no")
	}}
	for _, h := range hosts {
		config.AddHostKey(h)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			go connection(raw, config)
		}
	}()
	return server{l.Addr().(*net.TCPAddr).Port, hosts}
}

func connection(raw net.Conn, config *ssh.ServerConfig) {
	conn, channels, requests, err := ssh.NewServerConn(raw, config)
	if err != nil {
		return
	}
	defer conn.Close()
	go ssh.DiscardRequests(requests)
	for c := range channels {
		ch, requests, err := c.Accept()
		if err != nil {
			return
		}
		go session(conn, ch, requests)
	}
}

// session knows the commands: exit N; cat; big N, which prints N bytes; drop.
func session(conn *ssh.ServerConn, ch ssh.Channel, requests <-chan *ssh.Request) {
	defer ch.Close()
	r, ok := <-requests
	if !ok {
		return
	}
	var command struct{ Line string }
	ssh.Unmarshal(r.Payload, &command)
	r.Reply(r.Type == "exec", nil)
	status, n := uint32(0), 0
	switch word, _, _ := strings.Cut(command.Line, " "); word {
	case "exit":
		fmt.Sscanf(command.Line, "exit %d", &status)
		fmt.Fprintln(ch.Stderr(), "leaving")
	case "cat":
		io.Copy(ch, ch)
	case "big":
		fmt.Sscanf(command.Line, "big %d", &n)
		ch.Write(bytes.Repeat([]byte("x"), n))
	case "drop":
		conn.Close()
		return
	}
	ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
}

func (s server) target(t *testing.T, known string, keys ...[]byte) Target {
	t.Helper()
	target := Target{Alias: "builder", User: "nix", Host: "127.0.0.1", Port: s.port}
	var err error
	if target.Known, err = NewKnown([]byte(known)); err != nil {
		t.Fatal(err)
	}
	for i, text := range keys {
		key, err := ParseKey(fmt.Sprintf("key%d", i), text)
		if err != nil {
			t.Fatal(err)
		}
		target.Keys = append(target.Keys, key)
	}
	return target
}

// The line by which a connection says that it knew the host is enough to know it again.
func TestDial(t *testing.T) {
	mine, host, second := newEd25519(t), newSigner(t, newEd25519(t)), newSigner(t, newECDSA(t))
	s := serve(t, newSigner(t, mine).PublicKey(), second, host)
	known := "# comment\nnonsense\n" + LineFor("127.0.0.1", s.port, host.PublicKey()) + "\n"
	for range 2 {
		c, err := Dial(t.Context(), s.target(t, known, pemOf(t, newECDSA(t), ""), pemOf(t, mine, "")))
		if err != nil {
			t.Fatal(err)
		}
		if c.Key != 1 || !bytes.Equal(c.HostKey.Marshal(), host.PublicKey().Marshal()) {
			t.Errorf("key %d let in, at a host with a key of type %s; want 1 and the known one", c.Key, c.HostKey.Type())
		}
		out, status, err := c.Output(t.Context(), "big 100000")
		if len(out) != maxOutput || status != 0 || err != nil {
			t.Errorf("Output = %d bytes, %d, %v", len(out), status, err)
		}
		known = LineFor("127.0.0.1", s.port, c.HostKey)
		c.Close()
	}
}

func TestDialRefuses(t *testing.T) {
	mine, host := newEd25519(t), newSigner(t, newEd25519(t))
	s := serve(t, newSigner(t, mine).PublicKey(), host)
	key := pemOf(t, mine, "")
	line := func(k ssh.PublicKey) string { return LineFor("127.0.0.1", s.port, k) }
	other := newSigner(t, newEd25519(t)).PublicKey()
	nobody := s
	nobody.port = 1
	for _, c := range []struct {
		name, says, hint string
		kind             Kind
		target           Target
	}{
		{"unknown host", "host key is unknown", "ssh-keyscan -p", UnknownHost, s.target(t, line(other)[1:], key)},
		{"nothing known", "host key is unknown", ssh.FingerprintSHA256(host.PublicKey()), UnknownHost, Target{User: "nix", Host: "127.0.0.1", Port: s.port}},
		{"changed key", "not the known one", "ssh-keygen -R '[127.0.0.1]:", ChangedHost, s.target(t, line(other), key)},
		{"other kind of key", "no host key of the known kind", "ssh-keygen -R", ChangedHost, s.target(t, line(newSigner(t, newECDSA(t)).PublicKey()), key)},
		{"revoked key", "is refused", "ssh-keygen -R", ChangedHost, s.target(t, "@revoked * "+strings.TrimSpace(string(ssh.MarshalAuthorizedKey(host.PublicKey()))), key)},
		{"refused key", "lets nix in with none of these keys: key0", "ssh-copy-id", Refused, s.target(t, line(host.PublicKey()), pemOf(t, newEd25519(t), ""))},
		{"no key", "no key to log in with", "--builder-key", Refused, s.target(t, line(host.PublicKey()))},
		{"dead host", "does not answer", "ssh -p 1", Unreachable, nobody.target(t, line(host.PublicKey()), key)},
	} {
		_, err := Dial(t.Context(), c.target)
		var e *Error
		if !errors.As(err, &e) || e.Kind != c.kind || !strings.Contains(e.Error(), c.says) || !strings.Contains(strings.Join(e.Hints(), "\n"), c.hint) {
			t.Errorf("%s: Dial = %v, %+v; want kind %d, %q, hint %q", c.name, err, e, c.kind, c.says, c.hint)
		}
	}
}

// A host that accepts, but says nothing, is given up in time.
func TestDialSilent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	s := server{port: l.Addr().(*net.TCPAddr).Port}
	if _, err := Dial(ctx, s.target(t, "")); err == nil || !strings.Contains(err.Error(), "no answer in time") {
		t.Errorf("Dial = %v", err)
	}
}

func TestParseKey(t *testing.T) {
	key := newEd25519(t)
	for _, c := range []struct{ name, text, says string }{
		{"encrypted", string(pemOf(t, key, "secret")), "has a passphrase"},
		{"public half", string(ssh.MarshalAuthorizedKey(newSigner(t, key).PublicKey())), "no private key"},
		{"nothing", "", "no private key"},
	} {
		_, err := ParseKey("id", []byte(c.text))
		var e *Error
		if !errors.As(err, &e) || e.Kind != BadKey || !strings.Contains(err.Error(), c.says) || len(e.Hints()) == 0 {
			t.Errorf("%s: ParseKey = %v; want %q", c.name, err, c.says)
		}
	}
}

// The program does what Nix expects of ssh.
func TestProgram(t *testing.T) {
	mine, host := newEd25519(t), newSigner(t, newEd25519(t))
	s := serve(t, newSigner(t, mine).PublicKey(), host)
	dir := t.TempDir()
	key, known := filepath.Join(dir, "key"), filepath.Join(dir, "known")
	for name, text := range map[string]string{key: string(pemOf(t, mine, "")), known: LineFor("127.0.0.1", s.port, host.PublicKey())} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dest := fmt.Sprintf("nix@127.0.0.1:%d", s.port)
	const local = "-oPermitLocalCommand=yes\x00-oLocalCommand=echo started"
	for _, c := range []struct {
		name, args, in string
		status         int
		out, errs      string
	}{
		{"status", dest + "\x00-x\x00-i\x00" + key + "\x00" + local + "\x00--\x00exit 7", "", 7, "started\n", "leaving\n"},
		{"streams", dest + "\x00-x\x00-i\x00" + key + "\x00" + local + "\x00--\x00cat", "hello", 0, "started\nhello", ""},
		{"with a master", dest + "\x00-S\x00/s\x00-i\x00" + key + "\x00" + local + "\x00--\x00cat", "hello", 0, "hello", ""},
		{"check", "-O\x00check\x00" + dest, "", statusFailed, "", "ssh: no master is running\n"},
		{"cut off", dest + "\x00-i\x00" + key + "\x00--\x00drop", "", statusFailed, "", "ssh: "},
		{"unknown host", dest + "\x00-oUserKnownHostsFile=/dev/null\x00-i\x00" + key + "\x00" + local + "\x00cat", "", statusFailed, "", "host key is unknown"},
		{"no key file", dest + "\x00-i\x00" + dir + "/none\x00cat", "", statusFailed, "", "no such file"},
	} {
		var out, errs bytes.Buffer
		p := Program{User: "root", KnownHosts: known, In: strings.NewReader(c.in), Out: &out, Errs: &errs}
		status := p.Main(t.Context(), strings.Split(c.args, "\x00"))
		if status != c.status || out.String() != c.out || !strings.Contains(errs.String(), c.errs) {
			t.Errorf("%s: status %d, output %q, errors %q; want %d, %q, %q", c.name, status, out.String(), errs.String(), c.status, c.out, c.errs)
		}
	}
}

// A master holds its connection until it is cut.
func TestHold(t *testing.T) {
	mine, host := newEd25519(t), newSigner(t, newEd25519(t))
	s := serve(t, newSigner(t, mine).PublicKey(), host)
	c, err := Dial(t.Context(), s.target(t, LineFor("127.0.0.1", s.port, host.PublicKey()), pemOf(t, mine, "")))
	if err != nil {
		t.Fatal(err)
	}
	go c.watch(100 * time.Millisecond) // is answered, also on a busy machine
	held := make(chan error, 1)
	go func() { held <- c.client.Wait() }()
	select {
	case err := <-held:
		t.Fatalf("ended at once: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	c.Close()
	<-held
}

func TestSecureKinds(t *testing.T) {
	for _, kinds := range [][]string{nil, {ssh.KeyAlgoED25519}} {
		got := orSecure(kinds)
		if kinds != nil && !slices.Equal(got, kinds) {
			t.Errorf("orSecure(%q) = %q", kinds, got)
		}
		if !slices.Contains(got, ssh.KeyAlgoED25519) || slices.Contains(got, ssh.KeyAlgoRSA) || slices.Contains(got, "ssh-dss") {
			t.Errorf("orSecure(%q) = %q; want none that is broken", kinds, got)
		}
	}
}
