package fetch

import (
	"encoding/hex"
	"fmt"
	"path"
	"strings"
)

const (
	sumLen = 64 // hex digits of a sha256

	// maxName keeps <sha256>-<name> well below NAME_MAX (255 bytes), also on
	// eCryptfs, whose names end at 143 bytes.
	maxName = 72
)

// parseSum returns s, 64 hex digits, in lower case.
func parseSum(s string) (string, error) {
	if _, err := hex.DecodeString(s); err != nil || len(s) != sumLen {
		return "", fmt.Errorf("%q is not a sha256 of %d hex digits", s, sumLen)
	}
	return strings.ToLower(s), nil
}

// entryName is the name of a file in the cache folder.
func entryName(sum, name string) string { return sum + "-" + fileName(name) }

// hashPrefix returns the sum a file is named after, "" if it is not: the whole
// name, or what stands before the first dash.
func hashPrefix(name string) string {
	prefix, _, _ := strings.Cut(name, "-")
	if sum, err := parseSum(prefix); err != nil || sum != prefix {
		return ""
	}
	return prefix
}

// fileName turns a name, which may be foreign, into one that is safe in a
// folder and on a terminal: its last element, at most maxName bytes of
// A-Z a-z 0-9 + - . _ ~ = @ , %, not starting with a dot. The end is kept
// when it is too long, for the suffix's sake.
func fileName(name string) string {
	name = path.Base(strings.TrimRight(name, "/"))
	name = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		case strings.ContainsRune("+-._~=@,%", r):
			return r
		}
		return '_'
	}, name)
	if len(name) > maxName {
		name = name[len(name)-maxName:]
	}
	name = strings.TrimLeft(name, ".")
	if name == "" {
		return "file"
	}
	return name
}

// Shown returns a name as [Client.Progress] and the cache have it.
func Shown(name string) string { return fileName(name) }
