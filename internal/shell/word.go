// Package shell words what somebody may paste into a shell.
package shell

import (
	"strings"
	"unicode"
)

// Word returns s as a Bourne shell, or fish, takes it for one word; what needs no quotes
// gets none.
func Word(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("-_./:,=+@%", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		return s
	}
	return Quote(s)
}

// Quote is Word with quotes in any case.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// Path is Word for the path of a file that no program takes for a flag.
func Path(s string) string {
	if strings.HasPrefix(s, "-") {
		s = "./" + s
	}
	return Word(s)
}
