package inspect

import (
	"iter"
	"regexp"
	"strings"
)

// userName is one that shadow(5) may have (useradd(8)).
var userName = regexp.MustCompile(`^[a-z_][a-z0-9_-]*\$?$`)

// homes returns the folders of the users in a passwd(5). Other lines count for nothing.
func homes(text string) map[string]string {
	all := map[string]string{}
	for f := range fieldLines(text, 7) {
		all[f[0]] = f[5]
	}
	return all
}

// passwords returns the field with the password of each user in a shadow(5). Other lines
// count for nothing.
func passwords(text string) map[string]string {
	all := map[string]string{}
	for f := range fieldLines(text, 9) {
		if userName.MatchString(f[0]) {
			all[f[0]] = f[1]
		}
	}
	return all
}

// fieldLines yields the lines of n fields that name somebody. Of two about the same user,
// the first one counts (getpwnam(3)).
func fieldLines(text string, n int) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		seen := map[string]bool{}
		for line := range strings.Lines(text) {
			f := strings.Split(strings.TrimSpace(line), ":")
			if len(f) != n || f[0] == "" || seen[f[0]] {
				continue
			}
			if seen[f[0]] = true; !yield(f) {
				return
			}
		}
	}
}

// crypted is a password as crypt(5) has it: $id$…, or the traditional one of DES.
var crypted = regexp.MustCompile(`^(\$[0-9a-z]+[$,][!-~]+|[./0-9A-Za-z]{13})$`)

// hashed tells what the field with a password means: one that is no hash, as "*" and "!…"
// are, is nobody's.
func hashed(field string) string {
	switch {
	case field == "":
		return PasswordEmpty
	case crypted.MatchString(field):
		return PasswordSet
	}
	return PasswordNone
}
