package inspect

import (
	"maps"
	"path"
	"regexp"
	"slices"

	"golang.org/x/crypto/ssh"
)

// logins gathers who could log in.
type logins struct {
	*tree
	byName  map[string]*Login
	unknown bool // passwords are kept in a way that is not known
}

func newLogins(t *tree) *logins { return &logins{tree: t, byName: map[string]*Login{}} }

func (l *logins) user(name string) *Login {
	if l.byName[name] == nil {
		l.byName[name] = &Login{User: name, Keys: []Key{}, Password: PasswordNone}
	}
	return l.byName[name]
}

// authorized takes the keys that sshd reads in /etc.
func (l *logins) authorized(etc string) {
	folder := path.Join(etc, "ssh/authorized_keys.d")
	for _, name := range l.list(folder) {
		l.addKeys(name, path.Join(folder, name))
	}
}

// addKeys takes the keys of a file in the form of sshd(8).
func (l *logins) addKeys(user, file string) {
	rest := []byte(l.text(file))
	for len(rest) > 0 {
		key, comment, _, next, err := ssh.ParseAuthorizedKey(rest)
		if err != nil {
			return
		}
		rest = next
		u := l.user(user)
		u.Keys = append(u.Keys, Key{ssh.FingerprintSHA256(key), key.Type(), comment})
	}
}

// accounts reads passwd(5) and shadow(5), and the keys in the users' own folders. Who is
// not in passwd is not let in, whatever else there is: sshd and login ask getpwnam(3).
func (l *logins) accounts() {
	data, err := l.head("/etc/passwd", maxText)
	users := homes(string(data))
	for name, home := range users {
		l.addKeys(name, path.Join(home, ".ssh/authorized_keys"))
	}
	for name, field := range passwords(l.text("/etc/shadow")) {
		l.user(name).Password = hashed(field)
	}
	if err == nil {
		maps.DeleteFunc(l.byName, func(name string, _ *Login) bool {
			_, there := users[name]
			return !there
		})
	}
}

// autologin finds who getty logs in.
var autologin = regexp.MustCompile(`--autologin[ =](\S+)`)

// automatic finds who is logged in at the console without being asked.
func (l *logins) automatic(etc string) {
	units := path.Join(etc, "systemd/system")
	for _, unit := range []string{"getty@.service", "getty@.service.d/overrides.conf", "autovt@.service", "serial-getty@.service", "serial-getty@.service.d/overrides.conf"} {
		if m := autologin.FindStringSubmatch(l.text(path.Join(units, unit))); m != nil {
			l.user(m[1]).Auto = true
		}
	}
}

// canLogin reports whether there is a way in. sshd takes no empty password.
func (u Login) canLogin() bool { return len(u.Keys) > 0 || u.Password != PasswordNone || u.Auto }

// addLogins reports who could log in, by name, and warns if nobody could.
func (d *disk) addLogins(l *logins) {
	r := d.report
	keys := false
	for _, name := range slices.Sorted(maps.Keys(l.byName)) {
		if u := l.byName[name]; u.canLogin() {
			r.System.Logins = append(r.System.Logins, *u)
			keys = keys || len(u.Keys) > 0
		}
	}
	switch {
	case len(r.System.Logins) == 0 && !l.unknown:
		r.warn("nobody could log in: there is neither an ssh key nor a password")
	case keys && !r.System.SSH:
		r.warn("there are ssh keys, but sshd does not start")
	}
}
