package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/kevinburke/ssh_config"

	"nixsd-native/internal/fetch"
	"nixsd-native/internal/image"
	"nixsd-native/internal/wire"
	"nixsd-native/nix"
)

// A password in a URL is not seen in what is printed, in any form that it takes on the
// way.
func FuzzSecrets(f *testing.F) {
	f.Add("alice", `S3/kr"1t<&>ü`, "see %s", true)
	f.Add("", "ghp_0123456789", "[%s]", false)
	f.Add("a:b", "p%40@ss:word1", "%s%s", true)
	f.Fuzz(func(t *testing.T, name, password, format string, inProxy bool) {
		login := url.UserPassword(name, password).String()
		address := "https://" + login + "@host.test/x"
		args, env := []string{"build", "--substituter", address}, environment{}
		if inProxy {
			args, env = args[:1], environment{"https_proxy": address}
		}
		var b bytes.Buffer
		w := findSecrets(env, args).hide(&b)
		inJSON, err := json.Marshal(name + ":" + password)
		if err != nil || len(password) < shortestSecret {
			return
		}
		for _, form := range []string{address, login, name + ":" + password, string(inJSON), name + ":" + url.QueryEscape(password)} {
			b.Reset()
			io.WriteString(w, strings.ReplaceAll(format, "%s", form)+"\n")
			rest := strings.ReplaceAll(b.String(), hidden, "")
			if around := strings.ReplaceAll(format, "%s", ""); strings.Contains(rest, form) && !strings.Contains(around, form) {
				t.Fatalf("of %q there is %q", form, b.String())
			}
		}
		if shown := fetch.WithoutPassword(address); strings.Contains(shown, login) {
			t.Errorf("%q is shown as %q", address, shown)
		}
	})
}

// A login is one line of six words as curl reads a netrc, or is refused.
func FuzzNetrcLine(f *testing.F) {
	f.Add("https://joe:pa%40ss@cache.test:8443/x")
	f.Add("https://joe:a%0amachine@cache.test")
	f.Add("https://joe:pw@[::1%25eth0]/")
	f.Fuzz(func(t *testing.T, s string) {
		line, err := netrcLine(s)
		if err != nil || line == "" {
			return
		}
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		password, _ := u.User.Password()
		words := strings.Fields(line)
		if strings.Count(line, "\n") != 1 || len(words) != 6 || words[1] != u.Hostname() || words[3] != u.User.Username() || words[5] != password {
			t.Errorf("netrcLine(%q) = %q", s, line)
		}
	})
}

// Any command line is understood or refused, in words that a terminal bears, before
// anything is done.
func FuzzParseCommandLine(f *testing.F) {
	for _, args := range []string{
		"build\x00--demo\x00-o\x00x.img", "build\x00--option\x00cores\x004", "bundle\x00create\x00f", "binfmt\x00status", "help\x00build",
		"build\x00--qemu-suite\x00sid\x00--debian-mirror\x00http://u:p@m/", "shell\x00--\x00ls", "build\x00--option=x=\x00--cores\x00-1",
	} {
		f.Add(args)
	}
	f.Fuzz(func(t *testing.T, joined string) {
		j, err := parse(strings.Split(joined, "\x00"), io.Discard)
		if (j == nil) == (err == nil) {
			t.Errorf("parse(%q) = %v, %v", joined, j, err)
		}
		if err != nil && !errors.Is(err, errHelp) && !is[*usageError](err) {
			t.Errorf("parse(%q): %T %v; want a usage error", joined, err, err)
		}
	})
}

// What a machine tells of itself is a version, a system and a number, or nothing.
func FuzzParseAbout(f *testing.F) {
	f.Add("nix-daemon (Nix) 2.26.3\naarch64\n4\n")
	f.Add("Welcome\nnix (Nix) 2.26\nx86_64\n-1\n")
	f.Add("nix (Nix) 2\x1b[2J\naarch64\n99999999")
	f.Fuzz(func(t *testing.T, out string) {
		a := parseAbout(out)
		if strings.ContainsFunc(a.version, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }) || a.processors < 0 || a.processors >= 1<<16 {
			t.Errorf("parseAbout(%q) = %+v", out, a)
		}
		if a.version == "" && a != (aboutMachine{}) {
			t.Errorf("parseAbout(%q) = %+v without a version", out, a)
		}
	})
}

// The configuration of ssh is the user's own, but any of it is read, or left out.
func FuzzSSHConfig(f *testing.F) {
	f.Add("Host *.test !x\n  User nix\n  Port 2222\n  IdentityFile ~/.ssh/k\n")
	f.Add("Host=\"a b\"\nHostName %h.test\nMatch all\n")
	f.Add("Include /dev/zero\n")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(strings.ToLower(text), "include") {
			return // it opens files of this machine
		}
		config, err := ssh_config.Decode(strings.NewReader(text))
		if err != nil {
			return
		}
		l := logins{config: config, user: "me", files: map[string]keyFile{}, read: func(string) ([]byte, error) { return nil, os.ErrNotExist }}
		target, err := l.target(nix.Machine{Host: "b.test", Scheme: "ssh-ng"})
		if err == nil && (target.Port <= 0 || strings.ContainsAny(target.Host, " \n/") || target.Host == "") {
			t.Errorf("%q leads to %q, port %d", text, target.Host, target.Port)
		}
	})
}

// A recorded plan is read whole or not at all, and is written as it was read.
func FuzzParseDemoPlan(f *testing.F) {
	f.Add([]byte(`{"version":2,"suite":"trixie","sets":{}}`))
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		plan, err := parseDemoPlan(bytes.NewReader(data))
		if err != nil {
			return
		}
		text, err := json.Marshal(plan)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseDemoPlan(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if text2, err := json.Marshal(again); err != nil || !bytes.Equal(text, text2) {
			t.Errorf("%q, read again, is %q, %v", text, text2, err)
		}
	})
}

// Whatever a worker asks of the monitor in one message, no file but the named ones and
// those of the output's and the store's folders is opened, made or changed. What changes
// the host's handlers is left out: what these do does not depend on the message.
func FuzzMonitorRequest(f *testing.F) {
	for _, text := range []string{
		`{"Hello":true}`, `{"Open":"named"}`, `{"Open":"../outside"}`, `{"OpenStored":"/nix/nixsd/stored"}`, `{"OpenStored":"/nix/nixsd/../../../outside"}`,
		`{"Output":true}`, `{"Create":"x.img"}`, `{"Create":"../outside"}`, `{"Commit":["x.img"]}`, `{"WriteLock":"e30="}`, `{"TryLock":true}`, `{}`, `[]`, `null`,
	} {
		f.Add([]byte(text), "x.img")
	}
	f.Fuzz(func(t *testing.T, message []byte, name string) {
		var q monitorRequest
		if json.Unmarshal(message, &q) != nil {
			return
		}
		q.Register, q.Unregister, q.Recover, q.RemoveFolders, q.Sandbox, q.Lock = nil, false, false, false, nil, false
		m, base := monitorT(t)
		steps := []monitorRequest{q, {Create: name}, {Commit: []string{name}}, {Open: name}, {OpenStored: name}}
		for _, q := range steps {
			_, file, err := m.answer(t.Context(), nil, q, nil)
			if file == nil {
				continue
			}
			where, lerr := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(file.Fd())))
			wire.CloseAll([]*os.File{file})
			if lerr != nil || !strings.HasPrefix(where, base+"/in/") || err != nil {
				t.Errorf("%+v opens %s, %v, %v", q, where, lerr, err)
			}
		}
		m.outputs.discard()
		if got, err := os.ReadFile(filepath.Join(base, "outside")); err != nil || string(got) != "safe" {
			t.Errorf("a file outside is %q, %v", got, err)
		}
		if got := inFolder(t, base); len(got) != 2 {
			t.Errorf("there is %q", got)
		}
	})
}

// monitorT is a monitor of a build with a folder for state, output, lock and files, base/in.
func monitorT(t *testing.T) (m *rootMonitor, base string) {
	t.Helper()
	base = t.TempDir()
	in := filepath.Join(base, "in")
	state, out := filepath.Join(in, "state"), filepath.Join(in, "out")
	own := filepath.Join(nixDir(state), "nixsd")
	err := errors.Join(os.MkdirAll(own, 0o755), os.MkdirAll(out, 0o755),
		os.WriteFile(filepath.Join(base, "outside"), []byte("safe"), 0o600), os.WriteFile(filepath.Join(in, "named"), nil, 0o600),
		os.WriteFile(filepath.Join(own, "stored"), nil, 0o600), os.Symlink(filepath.Join(base, "outside"), filepath.Join(own, "link")))
	if err != nil {
		t.Fatal(err)
	}
	n := needs{state: state, lockFile: filepath.Join(in, nix.LockName)}
	m = &rootMonitor{needs: n, lockFile: n.locateLock(image.Owner{}), outputs: locateOutputs(out)}
	named, err := openNamed(filepath.Join(in, "named"))
	m.files = map[string]namedFile{"named": {named, err}}
	if _, err := m.outputs.open(image.Owner{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		named.Close()
		m.lockFile.folder.Close()
		if m.lock != nil {
			m.lock.Close()
		}
	})
	return m, base
}
