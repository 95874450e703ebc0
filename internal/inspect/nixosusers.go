package inspect

import (
	"encoding/json"
	"regexp"
)

// usersFile finds what the activation script makes users of (nixpkgs:
// nixos/modules/config/users-groups.nix).
var usersFile = regexp.MustCompile(`/nix/store/[0-9a-z]{32}-users-groups\.json`)

// A nixosUser is one in that file.
type nixosUser struct {
	Name                  string
	HashedPasswordFile    *string
	HashedPassword        *string
	Password              *string
	InitialHashedPassword *string
	InitialPassword       *string
}

// password is the one that the script gives: to who is in passwd(5) already, no initial one.
func (u nixosUser) password(exists bool) string {
	switch {
	case u.HashedPasswordFile != nil:
		return PasswordSet
	case u.Password != nil:
		return plain(*u.Password)
	case u.HashedPassword != nil:
		return hashed(*u.HashedPassword)
	case exists:
		return PasswordNone
	case u.InitialPassword != nil:
		return plain(*u.InitialPassword)
	case u.InitialHashedPassword != nil:
		return hashed(*u.InitialHashedPassword)
	}
	return PasswordNone
}

// plain is hashed for a password itself.
func plain(password string) string {
	if password == "" {
		return PasswordEmpty
	}
	return PasswordSet
}

// declared takes the passwords that the configuration gives.
func (l *logins) declared(activate string) {
	file := usersFile.FindString(activate)
	if file == "" {
		l.unknown = true
		return
	}
	var all struct {
		Users        []nixosUser
		MutableUsers bool
	}
	if err := json.Unmarshal([]byte(l.text(file)), &all); err != nil {
		l.unknown = true
		return
	}
	l.merge(all.Users, all.MutableUsers)
}

// merge does as NixOS at the first boot, which finds a passwd(5) and a shadow(5) only if
// they were put into the image: it adds to passwd all declared users that it lacks, so
// their keys let in whatever it says. With mutableUsers, passwords in shadow win over
// declared ones, and other users stay (nixpkgs: nixos/modules/config/update-users-groups.pl).
func (l *logins) merge(declared []nixosUser, mutable bool) {
	users, fields := homes(l.text("/etc/passwd")), passwords(l.text("/etc/shadow"))
	for _, u := range declared {
		_, exists := users[u.Name]
		l.user(u.Name).Password = u.password(exists)
		users[u.Name] = ""
	}
	if !mutable {
		return
	}
	for name := range users {
		if field, kept := fields[name]; kept {
			l.user(name).Password = hashed(field)
		}
	}
}
