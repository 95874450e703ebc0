package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/kevinburke/ssh_config"
	"golang.org/x/crypto/ssh"

	"nixsd-native/internal/shell"
	"nixsd-native/internal/sshclient"
	"nixsd-native/nix"
)

// logins know how the caller reaches hosts: what ~/.ssh and the flags say.
type logins struct {
	read   func(name string) ([]byte, error)
	ssh    string // ~/.ssh
	user   string // who logs in where nobody is named
	key    string // --builder-key, or ""
	config *ssh_config.Config
	known  []byte
	files  map[string]keyFile
}

// A keyFile is a file with a private key, read once.
type keyFile struct {
	pem []byte
	key sshclient.Key
	err error
}

// systemKnownHosts are the host keys that all users of this machine know.
const systemKnownHosts = "/etc/ssh/ssh_known_hosts"

func (w *workspace) newLogins(key string) (*logins, error) {
	l := &logins{
		read: w.readSecret, ssh: filepath.Join(sshHome(), ".ssh"), user: loginOf(strconv.Itoa(os.Geteuid())).Username,
		key: key, files: map[string]keyFile{},
	}
	for _, name := range []string{filepath.Join(l.ssh, "known_hosts"), systemKnownHosts} {
		if text, err := l.read(name); err == nil {
			l.known = append(append(l.known, text...), '\n')
		}
	}
	text, err := l.read(filepath.Join(l.ssh, "config"))
	if err == nil {
		if l.config, err = ssh_config.Decode(bytes.NewReader(text)); err != nil {
			w.rep.Note("%s/config is left out: %v", l.ssh, err)
		}
	}
	if l.config == nil {
		l.config = &ssh_config.Config{}
	}
	return l, nil
}

// option is what the configuration says of a host.
func (l *logins) option(host, name string) string {
	value, _ := l.config.Get(host, name)
	return value
}

// target finds out who logs in where, with what.
func (l *logins) target(m nix.Machine) (t sshclient.Target, err error) {
	t = sshclient.Target{Alias: m.URI(), Host: m.Host, Port: m.Port, User: cmp.Or(m.User, l.option(m.Host, "User"), l.user)}
	if name := l.option(m.Host, "HostName"); name != "" {
		if _, t.Host, _, err = sshclient.SplitHost(strings.ReplaceAll(name, "%h", m.Host)); err != nil {
			return t, fmt.Errorf("%s/config: HostName: %v", l.ssh, err)
		}
	}
	if t.Port == 0 {
		t.Port, _ = strconv.Atoi(l.option(m.Host, "Port"))
		t.Port = cmp.Or(t.Port, sshclient.DefaultPort)
	}
	for _, name := range []string{"ProxyJump", "ProxyCommand"} {
		if via := l.option(m.Host, name); via != "" && via != "none" {
			return t, fmt.Errorf("%s/config reaches it through another machine (%s), which is not supported", l.ssh, name)
		}
	}
	if t.Keys, err = l.keys(m); err != nil {
		return t, err
	}
	known := l.known
	if m.HostKey != "" {
		if known, err = statedKey(m, t); err != nil {
			return t, err
		}
	}
	t.Known, err = sshclient.NewKnown(known)
	return t, err
}

// statedKey makes a known_hosts of the host key in a machine's description.
func statedKey(m nix.Machine, t sshclient.Target) ([]byte, error) {
	line, err := m.HostKeyLine()
	if err != nil {
		return nil, err
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return nil, errors.New("its description has a host key that is none; it is made by: base64 -w0 /etc/ssh/ssh_host_ed25519_key.pub")
	}
	return []byte(sshclient.LineFor(t.Host, t.Port, key) + "\n"), nil
}

// keys are those that a machine's description names, else the flag, else the
// configuration, else the usual ones, as far as they exist.
func (l *logins) keys(m nix.Machine) ([]sshclient.Key, error) {
	if name := cmp.Or(expandHome(m.Key), l.key); name != "" {
		f := l.file(name)
		if errors.Is(f.err, os.ErrPermission) { // root's, and named in an @FILE only
			f.err = &sshclient.Error{Kind: sshclient.BadKey, Host: name, Reason: bare(f.err).Error(), Advice: []string{
				"name it on the command line, which root reads before it gives its rights up: --builder-key " + shell.Word(name)}}
		} else if is[*os.PathError](f.err) {
			return nil, usageErrorf("name an existing file with a private key", "key %s: %v", name, bare(f.err))
		}
		return []sshclient.Key{f.key}, f.err
	}
	names, _ := l.config.GetAll(m.Host, "IdentityFile")
	if len(names) == 0 {
		for _, name := range defaultKeys {
			names = append(names, filepath.Join(l.ssh, name))
		}
	}
	var keys []sshclient.Key
	var bad error
	for _, name := range names {
		switch f := l.file(expandHome(name)); {
		case f.err == nil:
			keys = append(keys, f.key)
		case errors.Is(f.err, os.ErrPermission) && runningAsWorker(): // root, who opened all there was, had none
		case !errors.Is(f.err, os.ErrNotExist):
			bad = f.err
		}
	}
	if len(keys) > 0 {
		return keys, nil
	}
	return nil, bad
}

// file reads a key.
func (l *logins) file(name string) keyFile {
	f, ok := l.files[name]
	if !ok {
		if f.pem, f.err = l.read(name); f.err == nil {
			f.key, f.err = sshclient.ParseKey(name, f.pem)
		}
		l.files[name] = f
	}
	return f
}
