package nix

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"time"
)

// LockName is the lock file's name, beside the configuration.
const LockName = "nixsd.lock"

// lockVersion is the schema that this program writes.
const lockVersion = 1

// maxLock bounds a lock file in bytes; one has about 1 kB.
const maxLock = 256 << 10

// A Lock records what a configuration is built from, so that every later build is
// from the same.
type Lock struct {
	Version int `json:"version"`
	// Flags are those that the lock was made with, name to value: what it was
	// resolved from.
	Flags   map[string]string        `json:"flags,omitempty"`
	Nixpkgs LockedNixpkgs            `json:"nixpkgs,omitzero"` // none for a flake, which has a lock of its own
	Nix     map[string]LockedTarball `json:"nix"`              // by system
	QEMU    LockedDeb                `json:"qemu"`
	// Checksum is the sha256 of the lock without it: a lock is changed by the
	// program, not by hand.
	Checksum string `json:"checksum"`
}

// LockedTarball is a file by URL and hash.
type LockedTarball struct {
	URL    string `json:"url"`
	SHA256 string `json:"sha256"` // hex
}

// LockedNixpkgs is a version of nixpkgs.
type LockedNixpkgs struct {
	LockedTarball
	Channel  string `json:"channel,omitempty"`  // where it was resolved from
	Revision string `json:"revision,omitempty"` // of git, as far as it is known
	Date     string `json:"date"`               // when it was resolved, YYYY-MM-DD
}

// LockedDeb is the emulator's package.
type LockedDeb struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	SHA256  string `json:"sha256"`        // of the .deb, hex
	URL     string `json:"url,omitempty"` // where it came from, unless that is one of Debian's mirrors
}

// controlInJSON is a control character as encoding/json writes it.
var controlInJSON = regexp.MustCompile(`\\u00[01][0-9a-f]|\\[bfnrt]|\x7f|\xc2[\x80-\x9f]`)

var hexHash = regexp.MustCompile(`^[0-9a-f]{64}$`)

// ReadLock reads a lock file. A lock that is damaged, changed by hand, or of a newer
// program is a *LockError.
func ReadLock(r io.Reader) (Lock, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxLock+1))
	if err != nil {
		return Lock{}, err
	}
	if len(data) > maxLock {
		return Lock{}, &LockError{Reason: "is too large"}
	}
	var probe struct{ Version int }
	if err := json.Unmarshal(data, &probe); err != nil {
		return Lock{}, &LockError{Reason: "is no JSON: " + err.Error()}
	}
	if probe.Version > lockVersion {
		return Lock{}, &LockError{Reason: fmt.Sprintf("was written by a newer nixsd-native (schema %d, this one knows %d)", probe.Version, lockVersion), Newer: true}
	}
	var l Lock
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return Lock{}, &LockError{Reason: "is damaged: " + err.Error()}
	}
	return l, l.check()
}

func (l Lock) check() error {
	n := l.Nixpkgs
	if l.Version != lockVersion || len(l.Nix) == 0 || n != (LockedNixpkgs{}) && (!hexHash.MatchString(n.SHA256) || n.URL == "") {
		return &LockError{Reason: "is incomplete"}
	}
	for system, t := range l.Nix {
		if !hexHash.MatchString(t.SHA256) || t.URL == "" {
			return &LockError{Reason: "has no sound Nix for " + system}
		}
	}
	if text, err := json.Marshal(l); err != nil || controlInJSON.Match(text) {
		return &LockError{Reason: "holds control characters"}
	}
	sum, err := l.sum()
	if err != nil {
		return err
	}
	if sum != l.Checksum {
		return &LockError{Reason: "was changed by hand"}
	}
	return nil
}

// sum returns the checksum of everything else.
func (l Lock) sum() (string, error) {
	l.Checksum = ""
	data, err := json.Marshal(l)
	if err != nil {
		return "", err
	}
	hash := sha256.Sum256(data)
	return hex.EncodeToString(hash[:]), nil
}

// Text returns the lock as it is written to its file.
func (l Lock) Text() ([]byte, error) {
	l.Version = lockVersion
	var err error
	if l.Checksum, err = l.sum(); err != nil {
		return nil, err
	}
	if err := l.check(); err != nil {
		return nil, errors.New("the lock to be written " + err.(*LockError).Reason)
	}
	data, err := json.MarshalIndent(l, "", "  ")
	return append(data, '\n'), err
}

// Changes says, a line each, what differs from an older lock.
func (l Lock) Changes(old Lock) []string {
	var lines []string
	add := func(what, was, is string) {
		if was != is {
			lines = append(lines, fmt.Sprintf("%s: %s → %s", what, was, is))
		}
	}
	add("nixpkgs", old.Nixpkgs.label(), l.Nixpkgs.label())
	for _, system := range slices.Sorted(maps.Keys(l.Nix)) {
		add("nix for "+system, old.Nix[system].URL, l.Nix[system].URL)
	}
	add("qemu", old.QEMU.Version, l.QEMU.Version)
	return lines
}

// Name is what people know a version of nixpkgs by: a channel's version, or the end
// of the URL.
func (n LockedNixpkgs) Name() string {
	if version, _, ok := ChannelVersion(n.URL); ok {
		return version
	}
	return path.Base(n.URL)
}

// label names a version of nixpkgs for people.
func (n LockedNixpkgs) label() string {
	if n == (LockedNixpkgs{}) {
		return "none"
	}
	name := n.Revision
	if name == "" {
		name = n.URL
	}
	if len(n.Revision) > 12 {
		name = n.Revision[:12]
	}
	return fmt.Sprintf("%s (%s)", name, n.Date)
}

// Today returns a date as locks have it.
func Today(now time.Time) string { return now.UTC().Format("2006-01-02") }

// A LockError says what is wrong with a lock file.
type LockError struct {
	Reason string
	Newer  bool
}

func (e *LockError) Error() string { return LockName + " " + e.Reason }

// Hints tells how to get a good one.
func (e *LockError) Hints() []string {
	if e.Newer {
		return []string{"use the newer nixsd-native, or remove " + LockName + " to resolve everything anew"}
	}
	return []string{"take the file from your version control, or resolve everything anew: nixsd-native update"}
}
