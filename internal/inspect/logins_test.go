package inspect

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// sha512 is a password as mkpasswd(1) prints it.
const sha512 = "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/"

func TestPasswords(t *testing.T) {
	for line, want := range map[string]string{
		"me:" + sha512 + ":1::::::":             PasswordSet,
		"me$:$y$j9T$abc$def:1:0:99999:7:::":     PasswordSet,
		"_me-2:$md5,rounds=5000$GUBv$xx:::::::": PasswordSet,
		"me:rl.3StKT.4T8M:1::::::":              PasswordSet,
		"me::1::::::":                           PasswordEmpty,
		"me:*:1::::::":                          PasswordNone,
		"me:!" + sha512 + ":1::::::":            PasswordNone,
		"me:secret:1::::::":                     PasswordNone,
		"me:$6:1::::::":                         PasswordNone,
		"me:rl.3StKT.4T8Mx:1::::::":             PasswordNone,
		"word: text":                            "no line",
		"me:" + sha512:                          "no line",
		"me:" + sha512 + ":1:::::::":            "no line",
		"2me:" + sha512 + ":1::::::":            "no line",
		"my name:" + sha512 + ":1::::::":        "no line",
		":" + sha512 + ":1::::::":               "no line",
	} {
		got := "no line"
		for _, field := range passwords("# comment\n" + line + "\n") {
			got = hashed(field)
		}
		if got != want {
			t.Errorf("%q is %s; want %s", line, got, want)
		}
	}
}

// plainSystem lies in the root folder, as the demo's does, with users me and guest.
func plainSystem() sample {
	s := nixOS()
	const menu = "/boot/extlinux/extlinux.conf"
	s.root[menu] = strings.ReplaceAll(s.root[menu], "init="+top+"/init ", "")
	maps.Copy(s.root, map[string]string{
		"/etc/os-release": "NAME=plain\n", "/etc/ssh/sshd_config": "", "/etc/ssh/authorized_keys.d/me": pubKey,
		"/etc/passwd": "me:x:1000:100::/home/me:/bin/sh\nguest:x:1001:100::/home/guest:/bin/sh\n",
		"/etc/shadow": "me:*:1::::::\nguest:" + sha512 + ":1::::::\n",
	})
	return s
}

// loginsOf words who could log in: "me key" or "me set".
func loginsOf(r *Report) (all []string) {
	for _, l := range r.System.Logins {
		for range l.Keys {
			all = append(all, l.User+" key")
		}
		if l.Password != PasswordNone {
			all = append(all, l.User+" "+l.Password)
		}
	}
	return all
}

// Who is not in a system's own passwd is not let in; what is no line of shadow is no
// password.
func TestPlainLogins(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string // "" for none
		want  []string
	}{
		"as built":     {nil, []string{"guest set", "me key"}},
		"no passwd":    {map[string]string{"/etc/passwd": ""}, []string{"guest set", "me key"}},
		"other passwd": {map[string]string{"/etc/passwd": "hi\n"}, nil},
		"without me":   {map[string]string{"/etc/passwd": "guest:x:1001:100::/home/guest:/bin/sh\n"}, []string{"guest set"}},
		"other shadow": {map[string]string{"/etc/shadow": "guest: hello\nme: hello\n"}, []string{"me key"}},
		"neither":      {map[string]string{"/etc/shadow": "guest: hello\n", "/etc/ssh/authorized_keys.d/me": ""}, nil},
		"a home's key": {map[string]string{"/home/guest/.ssh/authorized_keys": pubKey}, []string{"guest key", "guest set", "me key"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := plainSystem()
			s.put(c.files)
			checkLogins(t, s.read(t), c.want)
		})
	}
}

// put adds files; those without text it removes.
func (s sample) put(files map[string]string) {
	maps.Copy(s.root, files)
	maps.DeleteFunc(s.root, func(name, _ string) bool { text, ok := files[name]; return ok && text == "" })
}

func checkLogins(t *testing.T, r *Report, want []string) {
	t.Helper()
	if got := loginsOf(r); !slices.Equal(got, want) {
		t.Errorf("logins %q; want %q", got, want)
	}
	if got := slices.ContainsFunc(r.Warnings, func(w string) bool { return strings.HasPrefix(w, "nobody could log in") }); got != (want == nil) {
		t.Errorf("warnings %q; want one that nobody could log in: %v", r.Warnings, want == nil)
	}
}

// NixOS adds its declared users to a passwd that it finds, and keeps others and their
// passwords only with mutableUsers.
func TestNixOSLogins(t *testing.T) {
	const (
		mutable   = `{"mutableUsers":true,"users":[{"name":"me"},{"name":"guest","initialPassword":"!x"}]}`
		immutable = `{"mutableUsers":false,"users":[{"name":"me"},{"name":"guest","hashedPassword":"` + sha512 + `"}]}`
		passwd    = "guest:x:1001:100::/home/guest:/bin/sh\nold:x:1002:100::/home/old:/bin/sh\n"
		shadow    = "guest:*:1::::::\nold:" + sha512 + ":1::::::\n"
	)
	for name, c := range map[string]struct {
		users, passwd, shadow string
		want                  []string
	}{
		"as built":              {mutable, "", "", []string{"guest set", "me key"}},
		"other passwd":          {mutable, "hi\n", "", []string{"guest set", "me key"}},
		"a user that is there":  {mutable, passwd, "", []string{"me key"}},
		"other shadow":          {mutable, "", "guest: hello\n", []string{"guest set", "me key"}},
		"a password that stays": {mutable, "", shadow, []string{"me key"}},
		"users that stay":       {mutable, passwd, shadow, []string{"me key", "old set"}},
		"immutable":             {immutable, passwd, shadow, []string{"guest set", "me key"}},
		"no hash":               {`{"users":[{"name":"me"},{"name":"guest","hashedPassword":"secret"}]}`, "", "", []string{"me key"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := nixOS()
			s.put(map[string]string{users: c.users, "/etc/passwd": c.passwd, "/etc/shadow": c.shadow})
			checkLogins(t, s.read(t), c.want)
		})
	}
}
