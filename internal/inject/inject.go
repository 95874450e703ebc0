// Package inject decides how files, secrets mostly, get into the ext4 file system of a
// finished image: what may be put where, what debugfs(8) is told, and whether what is
// there afterwards is what was wanted. It runs nothing.
package inject

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A File is to be put into an image.
type File struct {
	Dest     string // absolute path
	Mode     uint32 // permission bits
	UID, GID uint32
	Data     []byte
}

// DefaultMode is that of a file whose mode nobody named.
const DefaultMode = 0o600

// A Spec is what --file says: SRC:DEST[:MODE[:UID:GID]].
type Spec struct {
	Source string
	File   // without Data
}

// maxID is the largest id: all bits set stand for none (chown(2)).
const maxID = 1<<32 - 2

// ParseSpec reads a Spec. DEST is the first part, but for the source, that begins with a
// slash, so the source may have colons.
func ParseSpec(text string) (Spec, error) {
	s := Spec{File: File{Mode: DefaultMode}}
	at := strings.Index(text, ":/")
	if at <= 0 {
		return s, errors.New("it is not SRC:DEST, with an absolute path for DEST")
	}
	s.Source = text[:at]
	parts := strings.Split(text[at+1:], ":")
	s.Dest = parts[0]
	if len(parts) == 3 || len(parts) > 4 {
		return s, errors.New("behind DEST come MODE, or MODE:UID:GID")
	}
	if len(parts) > 1 {
		mode, err := strconv.ParseUint(parts[1], 8, 32)
		if err != nil || mode > 0o777 {
			return s, fmt.Errorf("the mode must be octal, from 0 to 777, not %q", parts[1])
		}
		s.Mode = uint32(mode)
	}
	if len(parts) == 4 {
		for i, to := range []*uint32{&s.UID, &s.GID} {
			id, err := strconv.ParseUint(parts[2+i], 10, 32)
			if err != nil || id > maxID {
				return s, fmt.Errorf("%q is no id: names of users are not known outside of the image", parts[2+i])
			}
			*to = uint32(id)
		}
	}
	return s, CheckDest(s.Dest)
}

// Bounds in bytes: of a name, by ext4, and of a path, of which debugfs reads lines of at
// most 8,191 (BUFSIZ).
const (
	maxName = 255
	maxPath = 1024
)

// hidden are the folders whose content on the disk a running system does not see, as
// something is mounted over it, or that Nix alone may change.
var hidden = map[string]string{
	"/nix": "it belongs to Nix, and everybody may read it", "/boot/firmware": "another partition is mounted there",
	"/proc": "", "/sys": "", "/dev": "", "/run": "", "/tmp": "",
}

// CheckDest refuses a path that a file cannot, or should not, be put to.
func CheckDest(dest string) error {
	switch {
	case !path.IsAbs(dest) || path.Clean(dest) != dest || dest == "/":
		return fmt.Errorf("%q is no absolute path of a file, or has . or .. in it", dest)
	case len(dest) > maxPath || !utf8.ValidString(dest) || strings.ContainsFunc(dest, unicode.IsControl):
		return fmt.Errorf("%.80q is too long, or has characters that are no text", dest)
	}
	for part := range strings.SplitSeq(dest, "/") {
		if len(part) > maxName {
			return fmt.Errorf("a name in %.80q has more than %d bytes", dest, maxName)
		}
	}
	for dir, why := range hidden {
		if dest == dir || strings.HasPrefix(dest, dir+"/") {
			if why == "" {
				why = "it is made anew at every boot"
			}
			return fmt.Errorf("nothing can be put into %s: %s", dir, why)
		}
	}
	return nil
}
