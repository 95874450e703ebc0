// Package bundle keeps everything that a build needs in one file, for a machine without
// network.
//
// The file is a tar archive compressed by zstd: `zstd -dc FILE | tar t` lists it. Its
// first member, index.json, names all others in their order, with sizes and hashes.
// Every member, its header in the archive with it, is a zstd frame of its own, and is
// followed by a skippable frame with the SHA-256 of that frame:
//
//	frame: header and text of index.json    check   ┐ zstd's decoders
//	frame: header and content of a member   check   │ pass checks over
//	…                                               │
//	frame: the last member, and tar's end   check   ┘
//
// With one frame for all, a damaged byte would be noticed far behind its place or, in
// bits that zstd's decoders ignore, never. So each byte belongs to one member, and to one
// hash, of the index too. The archive's headers are what the writer would write, byte for
// byte: nothing but regular files can be in it.
package bundle

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Version is the format's.
const Version = 1

// indexName is the first member's.
const indexName = "index.json"

// Bounds of what a reader believes. A closure of NixOS has some 3,000 paths, each with
// two members, and an index of about 1 MB.
const (
	maxIndex   = 32 << 20 // bytes of index.json
	maxMembers = 100_000
	maxLock    = 1 << 20 // bytes
	maxTotal   = 1 << 40 // bytes, all members together
)

// An Index says what is in a bundle.
type Index struct {
	Version int             `json:"version"`
	System  string          `json:"system"` // of the machine that builds, in Nix's words
	Demo    bool            `json:"demo,omitempty"`
	Lock    json.RawMessage `json:"lock,omitempty"` // a lock file's text; none for the demo
	Members []Member        `json:"members"`        // in the archive's order
}

// A Member is a regular file in a bundle.
type Member struct {
	// Path is one of inputs/<sha256>-<name>, inputs/demo/<name>.json, cache/nix-cache-info,
	// cache/<name>.narinfo and cache/nar/<name>.
	Path   string `json:"path"`
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // lower-case hex
}

// A File is a member and where its content is read from.
type File struct {
	Member
	Open func() (io.ReadCloser, error)
}

// Members' paths. Names are at most 255 bytes, as Linux has it, and do not begin with a
// dot; the first is that of a file in the cache of downloads.
var (
	inputPath = regexp.MustCompile(`^inputs/([0-9a-f]{64})-[A-Za-z0-9+._~=@,%-]{1,190}$`)
	demoPath  = regexp.MustCompile(`^inputs/demo/[A-Za-z0-9][A-Za-z0-9._-]{0,240}\.json$`)
	cachePath = regexp.MustCompile(`^cache/(nix-cache-info|[A-Za-z0-9]{1,240}\.narinfo|nar/[A-Za-z0-9][A-Za-z0-9._-]{0,250})$`)
	hexSHA256 = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// check returns what is wrong with an index, of the member if it is one's.
func (x *Index) check() (member, reason string) {
	switch {
	case x.Version != Version:
		return indexName, fmt.Sprintf("is of version %d; this program knows %d", x.Version, Version)
	case x.System == "":
		return indexName, "names no system"
	case len(x.Lock) > maxLock:
		return indexName, fmt.Sprintf("has a lock of more than %d bytes", maxLock)
	case len(x.Members) == 0:
		return indexName, "lists no members"
	case len(x.Members) > maxMembers:
		return indexName, fmt.Sprintf("lists more than %d members", maxMembers)
	}
	var total int64
	last := ""
	for _, m := range x.Members {
		if reason := m.check(); reason != "" {
			return m.Path, reason
		}
		if m.Path <= last {
			return m.Path, "is listed twice, or not in the order of paths"
		}
		last = m.Path
		if total += m.Size; total > maxTotal {
			return m.Path, fmt.Sprintf("brings the whole to more than %d bytes", int64(maxTotal))
		}
	}
	return "", ""
}

func (m Member) check() (reason string) {
	input := inputPath.FindStringSubmatch(m.Path)
	switch {
	case input == nil && !demoPath.MatchString(m.Path) && !cachePath.MatchString(m.Path):
		return "has a path that no member of a bundle has"
	case m.Size < 0 || m.Size > maxTotal:
		return fmt.Sprintf("has a size of %d bytes, which is out of bounds", m.Size)
	case !hexSHA256.MatchString(m.SHA256):
		return "has no sha256 of 64 hex digits"
	case input != nil && input[1] != m.SHA256:
		return "is named after another sha256 than its own"
	}
	return ""
}

// total is the size of all members together, in bytes.
func (x *Index) total() (n int64) {
	for _, m := range x.Members {
		n += m.Size
	}
	return n
}

// Inputs lists the members of inputs/, without that prefix.
func (x *Index) Inputs() []Member {
	var inputs []Member
	for _, m := range x.Members {
		if name, ok := strings.CutPrefix(m.Path, "inputs/"); ok {
			inputs = append(inputs, Member{name, m.Size, m.SHA256})
		}
	}
	return inputs
}

// An Error says which member of a bundle is damaged, or is what it must not be.
type Error struct {
	File   string // the bundle
	Member string // its path, or "" for what follows the last one
	Reason string
}

func (e *Error) Error() string {
	if e.Member == "" {
		return fmt.Sprintf("bundle %s: %s", e.File, e.Reason)
	}
	return fmt.Sprintf("bundle %s: member %.300q %s", e.File, e.Member, e.Reason)
}

// Hints tells what helps.
func (e *Error) Hints() []string {
	return []string{"nothing of it was used; copy it again from where it was made, or make a new one there: nixsd-native bundle create FILE"}
}
