package fetch

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

const hidden = "***@"

// userInfo matches the user name and password of any URL in a text.
var userInfo = regexp.MustCompile(`(//)[^/?#\s"]*@`)

// schemes are those of proxies, mirrors and Nix's stores. What else stands before "://" may
// be a part of a password.
var schemes = []string{"http", "https", "socks5", "socks5h", "ssh", "ssh-ng", "s3", "file", "ftp"}

// redactURL returns the URL with "***@" for its user name and password.
func redactURL(s string) string {
	u, err := url.Parse(s)
	if err == nil && u.Host != "" && u.User == nil {
		return s
	}
	if err != nil || u.Host == "" || !slices.Contains(schemes, strings.ToLower(u.Scheme)) && u.Scheme != "" {
		return redactLoose(s)
	}
	u.User = nil
	return strings.Replace(u.String(), "//", "//"+hidden, 1)
}

// redactLoose is for what may not parse, such as a proxy's address whose
// password holds a slash: it hides all before the last @ but the scheme.
func redactLoose(s string) string {
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return s
	}
	scheme := ""
	if i := strings.Index(s[:at], "://"); i >= 0 && slices.Contains(schemes, strings.ToLower(s[:i])) {
		scheme = s[:i+len("://")]
	}
	return scheme + hidden + s[at+1:]
}

// redacted is an error whose text shows no user info; what it wraps may.
type redacted struct{ err error }

func (e redacted) Error() string { return userInfo.ReplaceAllString(e.err.Error(), "$1"+hidden) }
func (e redacted) Unwrap() error { return e.err }

// hostOf returns the host of a URL for messages.
func hostOf(s string) string {
	if u, err := url.Parse(s); err == nil && u.Host != "" {
		return u.Host
	}
	return redactLoose(s)
}

// WithoutPassword returns a URL as it may be shown to people.
func WithoutPassword(url string) string { return redactURL(url) }
