package main

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// hidden is what is printed for a secret.
const hidden = "***"

// secrets are the names and passwords in the URLs of the proxies' variables and of the
// command line, in every form in which a message could have them.
type secrets struct{ replace *strings.Replacer }

// urlStart matches a URL's beginning, authority matches its host with what stands before.
var (
	urlStart  = regexp.MustCompile(`[a-zA-Z][a-zA-Z0-9+.-]*://`)
	authority = regexp.MustCompile(`^[^/?#\s]*`)
)

// loginsIn returns the logins in the URLs of an argument. Of ssh and the like, a name
// without a password is none.
func loginsIn(arg string) []string {
	var all []string
	for _, at := range urlStart.FindAllStringIndex(arg, -1) {
		scheme, rest := arg[at[0]:at[1]], arg[at[1]:]
		host := authority.FindString(rest)
		if _, err := url.Parse(scheme + host); err != nil { // a password with a slash, which is a mistake
			host, _, _ = strings.Cut(rest, " ")
		}
		end := strings.LastIndexByte(host, '@')
		if end > 0 && (strings.Contains(scheme, "http") || strings.Contains(host[:end], ":")) {
			all = append(all, host[:end])
		}
	}
	return all
}

// findSecrets looks for logins in the proxies' variables and in all arguments.
func findSecrets(env environment, args []string) secrets {
	var logins []string
	for _, name := range proxyVariables {
		if strings.HasPrefix(strings.ToLower(name), "no_") {
			continue
		}
		value := env[name] // may lack the scheme, and its password may hold a slash
		if i := strings.Index(value, "://"); i >= 0 {
			value = value[i+len("://"):]
		}
		if at := strings.LastIndexByte(value, '@'); at > 0 {
			logins = append(logins, value[:at])
		}
	}
	for _, arg := range args {
		logins = append(logins, loginsIn(arg)...)
	}
	var forms []string
	for _, login := range logins {
		forms = append(forms, loginForms(login)...)
	}
	// The longest first: of two that begin at the same place, the Replacer takes the first.
	slices.SortFunc(forms, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	var pairs []string
	for _, form := range slices.Compact(forms) {
		pairs = append(pairs, form, hidden)
	}
	if pairs == nil {
		return secrets{}
	}
	return secrets{strings.NewReplacer(pairs...)}
}

// loginForms lists how a login, NAME:PASSWORD or a token alone, could appear: as it
// stands in the URL, decoded, percent-encoded, as a header has it, and each of these in
// JSON or quoted.
func loginForms(login string) []string {
	name, password, pair := strings.Cut(login, ":")
	if !pair {
		name, password = "", login
	}
	var forms []string
	for _, f := range spellings(password) {
		if !pair {
			forms = append(forms, f+"@")
		}
		for _, n := range spellings(name) {
			forms = append(forms, n+":"+f)
		}
		if telling(f) {
			forms = append(forms, f)
		}
	}
	plain := login
	if pair {
		plain = decoded(name) + ":" + decoded(password)
	}
	forms = append(forms, base64.StdEncoding.EncodeToString([]byte(plain)))
	for _, f := range slices.Clone(forms) {
		forms = append(forms, inJSON(f, true), inJSON(f, false))
	}
	return slices.DeleteFunc(forms, func(f string) bool { return len(f) < shortestSecret })
}

// shortestSecret is the least that is looked for, in bytes: to hide every "a" or ":"
// would spoil the text, and tell the secret.
const shortestSecret = 3

// telling reports whether a password alone, without its name, is recognized for sure. A
// plain word is not: it may be a part of a path that is a result, or of JSON.
func telling(password string) bool {
	return len(password) >= 6 && strings.Trim(password, "abcdefghijklmnopqrstuvwxyz-_.") != ""
}

// spellings lists forms of a name or password: as given, decoded, and encoded again,
// with digits of both cases.
func spellings(s string) []string {
	d := decoded(s)
	all := []string{s, d, url.PathEscape(d), url.QueryEscape(d), strings.TrimPrefix(url.UserPassword("", d).String(), ":")}
	for _, f := range slices.Clone(all) {
		all = append(all, percentDigits.ReplaceAllStringFunc(f, strings.ToLower), percentDigits.ReplaceAllStringFunc(f, strings.ToUpper))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

var percentDigits = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

func decoded(s string) string {
	if d, err := url.PathUnescape(s); err == nil {
		return d
	}
	return s
}

// inJSON returns s as a part of a string in JSON.
func inJSON(s string, html bool) string {
	var line lineBuffer
	e := json.NewEncoder(&line)
	e.SetEscapeHTML(html)
	e.Encode(s)
	return string(line[1 : len(line)-1])
}

// hide returns a writer to w that replaces the secrets in what it is given. Whoever
// writes there writes whole lines, so that no secret is cut in two.
func (s secrets) hide(w io.Writer) io.Writer {
	if s.replace == nil {
		return w
	}
	return &hidingWriter{w, s.replace}
}

type hidingWriter struct {
	w       io.Writer
	replace *strings.Replacer
}

func (h *hidingWriter) Write(p []byte) (int, error) {
	if _, err := h.replace.WriteString(h.w, string(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// withoutLogin returns a URL, or what else s is, without name and password.
func withoutLogin(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.User == nil || u.Host == "" {
		return s
	}
	u.User = nil
	return u.String()
}

// withLogin gives URLs the name and password that a flag has for the same host: a lock
// has none.
func (w *workspace) withLogin(urls []string) []string {
	all := slices.Clone(urls)
	for _, flag := range []string{w.nixos.nixpkgs, w.nixos.tarball, w.sources.qemu.Deb} {
		f, err := url.Parse(flag)
		if err != nil || f.User == nil {
			continue
		}
		for i, s := range all {
			if u, err := url.Parse(s); err == nil && u.User == nil && u.Scheme == f.Scheme && u.Host == f.Host {
				u.User = f.User
				all[i] = u.String()
			}
		}
	}
	return all
}
