package sshclient

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// A host that is understood is understood the same when it is written anew.
func FuzzSplitHost(f *testing.F) {
	for _, s := range []string{"nix@b:22", "[fe80::1%eth0]:22", "::1", "a@b@c", "[::1]", "b:0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		user, host, port, err := SplitHost(s)
		if err != nil {
			return
		}
		again := host
		if port != 0 {
			again = net.JoinHostPort(host, strconv.Itoa(port))
		}
		if user != "" {
			again = user + "@" + again
		}
		u, h, p, err := SplitHost(again)
		if err != nil || u != user || h != host || p != port {
			t.Errorf("SplitHost(%q) = %q, %q, %d; SplitHost(%q) = %q, %q, %d, %v", s, user, host, port, again, u, h, p, err)
		}
		if strings.HasPrefix(again, "-") {
			t.Errorf("SplitHost(%q) gives %q, a flag", s, again)
		}
	})
}

// knownT are lines of a known_hosts file.
const knownT = `h ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIc8T8T4x0cpQMY7J2cjZ3RPdJ2zZ0K1qjJ5h0u7mC1b
[h]:2222,10.0.0.* ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIc8T8T4x0cpQMY7J2cjZ3RPdJ2zZ0K1qjJ5h0u7mC1b
@cert-authority *.test ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIc8T8T4x0cpQMY7J2cjZ3RPdJ2zZ0K1qjJ5h0u7mC1b
@revoked * ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIc8T8T4x0cpQMY7J2cjZ3RPdJ2zZ0K1qjJ5h0u7mC1b
|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIc8T8T4x0cpQMY7J2cjZ3RPdJ2zZ0K1qjJ5h0u7mC1b
# comment
`

// Lines that are none are passed over, as ssh does, whatever they are; none of them makes
// a key known that no line has, nor lets the good line before them be forgotten.
func FuzzNewKnown(f *testing.F) {
	good, bad := newSigner(f, newEd25519(f)).PublicKey(), newSigner(f, newEd25519(f)).PublicKey()
	first := LineFor("good.test", DefaultPort, good) + "\n"
	for line := range strings.Lines(knownT) {
		f.Add(line)
	}
	f.Add("h,|1|a|b ssh-ed25519 x\n* * *\n@ h")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := NewKnown([]byte(first + text))
		if err != nil {
			t.Fatalf("NewKnown(%q) = %v", text, err)
		}
		if len(k.want("good.test:22")) == 0 {
			t.Errorf("behind %q the first line is forgotten", text)
		}
		addr := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: DefaultPort}
		if err := k.verify(Target{Host: "good.test", Port: DefaultPort}, addr, bad); err == nil {
			t.Errorf("%q makes another key known", text)
		}
	})
}

// A private key is understood, or the reason is one that can be told.
func FuzzParseKey(f *testing.F) {
	f.Add(pemOf(f, newEd25519(f), ""))
	f.Add(pemOf(f, newECDSA(f), ""))
	f.Add(pemOf(f, newEd25519(f), "secret"))
	f.Fuzz(func(t *testing.T, pem []byte) {
		k, err := ParseKey("k", pem)
		if err == nil {
			if _, err := ssh.ParsePublicKey(k.signer.PublicKey().Marshal()); err != nil {
				t.Errorf("its public half: %v", err)
			}
			return
		}
		if told := (*Error)(nil); !errors.As(err, &told) || fmt.Sprint(err) == "" || strings.Contains(err.Error(), "\n") {
			t.Errorf("%T: %q; want an *Error in one line", err, err)
		}
	})
}
