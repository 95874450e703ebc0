package debian

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// maxRelease bounds an InRelease file; sid's has 190 kB.
const maxRelease = 2 << 20

// Release is what a suite's release file says, after its signature was
// verified.
type Release struct {
	Suite         string // such as "stable" or "stable-updates"
	Codename      string // such as "trixie" or "trixie-updates"
	Version       string // such as "13.8"; "" for suites that are never released
	Date          time.Time
	ValidUntil    time.Time        // zero for stable suites, which have none
	AcquireByHash bool             // indexes are also found under the name of their hash
	Files         map[string]Entry // by path below dists/<suite>/
	Signers       []string         // fingerprints of the keys with a good signature

	dist string // the folder below dists/ it came from, if known
}

// Entry pins a file that a release lists.
type Entry struct {
	SHA256 string // 64 lower-case hex digits
	Size   int64
}

// ParseRelease verifies a clear-signed InRelease file and reads it. At least
// one signature must be good: made by a key of the ring, neither of them
// revoked, expired or not yet valid at now, with a digest better than SHA-1.
// The release's own Valid-Until must not have passed. Text before or after the
// signed part makes the file malformed.
//
// The error is a *FormatError, *SignatureError or *ExpiredError.
func ParseRelease(clearsigned []byte, keys Keyring, now time.Time) (*Release, error) {
	if len(clearsigned) > maxRelease {
		return nil, releaseFormat(fmt.Sprintf("more than %d bytes", maxRelease))
	}
	text, signers, err := verifyClearsigned(clearsigned, keys, now)
	if err != nil {
		return nil, err
	}
	r, err := parseReleaseText(text)
	if err != nil {
		return nil, err
	}
	if !r.ValidUntil.IsZero() && now.After(r.ValidUntil) {
		return nil, &ExpiredError{What: "release " + r.name(), When: r.ValidUntil, Now: now}
	}
	r.Signers = signers
	return r, nil
}

// name is how the release is called in messages and in the URLs of its files.
func (r *Release) name() string {
	return cmp.Or(r.dist, r.Codename, r.Suite)
}

// parseReleaseText reads the signed text. Unknown fields are ignored.
func parseReleaseText(text []byte) (*Release, error) {
	if bytes.IndexByte(text, '\r') >= 0 {
		return nil, releaseFormat("a carriage return")
	}
	all, err := stanzas("InRelease", text)
	if err != nil {
		return nil, err
	}
	if len(all) != 1 {
		return nil, releaseFormat(fmt.Sprintf("%d stanzas; want 1", len(all)))
	}
	f := all[0]
	r := &Release{
		Suite:         f["suite"],
		Codename:      f["codename"],
		Version:       f["version"],
		AcquireByHash: f["acquire-by-hash"] == "yes",
	}
	if !isPlainName(cmp.Or(r.Suite, r.Codename)) || !isPlainName(cmp.Or(r.Codename, r.Suite)) {
		return nil, releaseFormat(fmt.Sprintf("suite %q, codename %q", r.Suite, r.Codename))
	}
	if r.Date, err = parseDate(f["date"]); err != nil {
		return nil, err
	}
	if s, ok := f["valid-until"]; ok {
		if r.ValidUntil, err = parseDate(s); err != nil {
			return nil, err
		}
	}
	r.Files, err = parseEntries(f["sha256"])
	return r, err
}

// parseDate reads a date of the RFC 2822 form that the archive uses, which is
// always in UTC.
func parseDate(s string) (time.Time, error) {
	const form = "Mon, 2 Jan 2006 15:04:05 "
	for _, utc := range []string{"UTC", "GMT", "+0000"} {
		if rest, ok := strings.CutSuffix(s, utc); ok {
			if t, err := time.Parse(form, rest); err == nil {
				return t, nil
			}
		}
	}
	return time.Time{}, releaseFormat(fmt.Sprintf("date %q", s))
}

// parseEntries reads the lines "hash size path" of the SHA256 field.
func parseEntries(text string) (map[string]Entry, error) {
	files := map[string]Entry{}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if len(f) != 3 {
			return nil, releaseFormat(fmt.Sprintf("SHA256 entry %q", strings.TrimSpace(line)))
		}
		hash, err := parseHash(f[0], 32)
		if err != nil {
			return nil, releaseFormat(fmt.Sprintf("hash of %q: %v", f[2], err))
		}
		size, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil || size < 0 {
			return nil, releaseFormat(fmt.Sprintf("size %q of %q", f[1], f[2]))
		}
		if !fs.ValidPath(f[2]) {
			return nil, releaseFormat(fmt.Sprintf("path %q", f[2]))
		}
		e := Entry{SHA256: hash, Size: size}
		if old, ok := files[f[2]]; ok && old != e {
			return nil, releaseFormat(fmt.Sprintf("two different entries for %q", f[2]))
		}
		files[f[2]] = e
	}
	return files, nil
}

// parseHash returns a hash of n bytes as lower-case hex digits.
func parseHash(s string, n int) (string, error) {
	if len(s) != 2*n {
		return "", fmt.Errorf("%d characters; want %d", len(s), 2*n)
	}
	s = strings.ToLower(s)
	if _, err := hex.DecodeString(s); err != nil {
		return "", errors.New("not hexadecimal")
	}
	return s, nil
}

// isPlainName reports whether s can be one segment of a URL's path, as the
// names of suites, components, architectures and packages must be.
func isPlainName(s string) bool {
	return s != "" && strings.IndexByte(".+~_-", s[0]) < 0 && isVersion(s) && strings.IndexByte(s, ':') < 0
}

// isVersion reports whether s has only characters that Debian version numbers
// have (and the underscore).
func isVersion(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c|0x20 < 'a' || c|0x20 > 'z' {
			if !isDigit(c) && strings.IndexByte(".+~_-:", c) < 0 {
				return false
			}
		}
	}
	return s != ""
}
