package main

import (
	"errors"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"

	"nixsd-native/internal/inspect"
	"nixsd-native/internal/shell"
	"nixsd-native/internal/sshclient"
)

// keys are those to log in with.
func (g *guest) keys() (keys []sshclient.Key, done func(), err error) {
	done = func() {}
	if g.job.private != nil {
		pem, err := readAllBounded(g.job.private, g.job.identity, maxKeyFile)
		if err != nil {
			return nil, done, err
		}
		key, err := sshclient.ParseKey(g.job.identity, pem)
		if bad := (*sshclient.Error)(nil); errors.As(err, &bad) {
			if _, _, _, _, err := ssh.ParseAuthorizedKey(pem); err == nil {
				return nil, done, usageErrorf("name the private one: -i "+shell.Word(privateOf(g.job.identity)), "--identity %s is a public key", g.job.identity)
			}
			return nil, done, usageErrorf("name a private key without a passphrase, or give it to ssh-agent and leave --identity out", "--identity %s: it is no private key, or has a passphrase", g.job.identity)
		}
		return []sshclient.Key{key}, done, err
	}
	if socket := g.env["SSH_AUTH_SOCK"]; socket != "" {
		if all, conn, err := sshclient.AgentKeys(socket); err == nil {
			keys, done = all, func() { conn.Close() }
		}
	}
	for _, name := range defaultKeys {
		name = filepath.Join(sshHome(), ".ssh", name)
		if pem, err := readBounded(name, maxKeyFile); err == nil {
			if key, err := sshclient.ParseKey(name, pem); err == nil {
				keys = append(keys, key)
			}
		}
	}
	return keys, done, nil
}

// privateOf is where the private half of a public key would be.
func privateOf(public string) string {
	if name, ok := strings.CutSuffix(public, ".pub"); ok {
		return name
	}
	return "FILE"
}

// target finds out which key lets whom in, by what the image says.
func (g *guest) target(keys []sshclient.Key) (t sshclient.Target, err error) {
	t = sshclient.Target{Alias: "the machine", Host: "127.0.0.1", Port: g.Port}
	var let []string
	for _, l := range g.report.System.Logins {
		for _, k := range l.Keys {
			let = append(let, l.User+" "+k.Fingerprint)
			for _, key := range keys {
				if key.Fingerprint() == k.Fingerprint && (t.User == "" || l.User == "root") { // who may shut down
					t.User, t.Keys = l.User, []sshclient.Key{key}
				}
			}
		}
	}
	switch {
	case len(g.report.Boot) == 0:
		return t, &codedError{exitVerify, g.job.name + ": what it starts cannot be told, so there is nothing to check by", []string{g.byHand()}}
	case !g.report.System.SSH:
		return t, &codedError{exitVerify, g.job.name + ": sshd does not start in it, so there is nothing to check by", []string{"set services.openssh.enable = true in the configuration"}}
	case len(let) == 0:
		return t, &codedError{exitVerify, g.job.name + ": no key lets anybody in", []string{"build it with --ssh-key FILE.pub"}}
	case len(keys) == 0:
		return t, usageErrorf("name the private key with -i FILE", "%s lets in %s, but there is no private key to log in with: none in ssh-agent, and none without a passphrase at ~/.ssh/id_*", g.job.name, strings.Join(let, ", "))
	case t.User == "":
		return t, usageErrorf("name the private key with -i FILE, or build with --ssh-key FILE.pub", "%s lets in none of the keys at hand (%d), but %s", g.job.name, len(keys), strings.Join(let, ", "))
	}
	t.Known, err = g.hostKeys()
	return t, err
}

// hostKeys are those that the image has. If it has none, it makes some at its first boot,
// and prove tells whether it is this machine that answers.
func (g *guest) hostKeys() (sshclient.Known, error) {
	root, err := inspect.Root(g.image, g.report)
	if err != nil {
		return sshclient.Anybody(), nil
	}
	var lines []string
	for _, kind := range []string{"ed25519", "ecdsa", "rsa"} {
		private, err := root.Content("/etc/ssh/ssh_host_"+kind+"_key", maxKeyFile)
		if err != nil {
			continue
		}
		if signer, err := ssh.ParsePrivateKey(private); err == nil {
			lines = append(lines, sshclient.LineFor("127.0.0.1", g.Port, signer.PublicKey()))
		}
	}
	if len(lines) == 0 {
		return sshclient.Anybody(), nil
	}
	return sshclient.NewKnown([]byte(strings.Join(lines, "\n")))
}
