package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"

	"nixsd-native/nix"
)

// insideNetrc is where Nix finds the logins of caches: in their URLs it would write them
// into its database, and into its messages.
const insideNetrc = insideOwn + "/netrc"

// netrc returns the logins of the given caches as curl reads them.
func (f *cacheFlags) netrc() string {
	var b strings.Builder
	for _, s := range f.substituters {
		line, _ := netrcLine(s) // checked
		b.WriteString(line)
	}
	return b.String()
}

// netrcLine returns the line of a netrc file for a URL's login, or "" if it has none.
func netrcLine(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.User == nil {
		return "", nil
	}
	if host := u.Hostname(); host == "" || strings.ContainsFunc(host, unicode.IsSpace) {
		return "", errors.New("a login without a host")
	}
	name := u.User.Username()
	password, _ := u.User.Password()
	for _, word := range []string{name, password} {
		switch {
		case word == "":
			return "", errors.New("a login is a name and a password: https://NAME:PASSWORD@HOST")
		case strings.ContainsAny(word, " \t\r\n\"\\") || word[0] == '#':
			return "", errors.New("a login with blanks, quotes or backslashes, or a # at its start, cannot be handed to Nix")
		}
	}
	return fmt.Sprintf("machine %s login %s password %s\n", u.Hostname(), name, password), nil
}

// hideLogins moves the logins of caches out of Nix's settings.
func (w *workspace) hideLogins(conf *nix.Conf) {
	if w.netrc == "" {
		return
	}
	clean := make([]string, len(conf.Substituters))
	for i, s := range conf.Substituters {
		clean[i] = withoutLogin(s)
	}
	conf.Substituters = clean
	options := map[string]string{"netrc-file": insideNetrc}
	for name, value := range conf.Options {
		options[name] = value
	}
	conf.Options = options
}
