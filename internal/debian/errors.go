package debian

import (
	"fmt"
	"strings"
	"time"
)

// FallbackMirror is Debian's own mirror, for hosts that name none.
const FallbackMirror = "http://ftp.debian.org/debian"

// Snapshots keeps what Debian's mirrors have no more: each file by its SHA-1, and the whole
// archive at each moment.
const Snapshots = "https://snapshot.debian.org"

// A FormatError says that foreign data is malformed, or beyond one of the
// bounds of this package.
type FormatError struct {
	What   string // the kind of data, such as "InRelease" or "Packages"
	Line   int    // counted from 1; 0 if the data as a whole is meant
	Reason string
}

func (e *FormatError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("malformed %s, line %d: %s", e.What, e.Line, e.Reason)
	}
	return fmt.Sprintf("malformed %s: %s", e.What, e.Reason)
}

// A SignatureError says that no signature of a release is a good one.
type SignatureError struct {
	Keys    []string // fingerprints (or key ids) the signatures name
	Unknown bool     // none of the keys is in the keyring
	Reason  string
}

func (e *SignatureError) Error() string {
	return fmt.Sprintf("release signature does not verify: %s (signed by %s)",
		e.Reason, strings.Join(e.Keys, ", "))
}

// Hints says what the user can do.
func (e *SignatureError) Hints() []string {
	hints := []string{"take another mirror: --debian-mirror " + FallbackMirror}
	if e.Unknown {
		hints = append(hints, "a release newer than this program may have new keys: update the program")
	}
	return hints
}

// An ExpiredError says that a signature, a key or a release is not valid at
// the time the host believes it is.
type ExpiredError struct {
	What   string    // such as "release trixie" or "key 4CB50190207B4758"
	When   time.Time // the end of validity, or its begin if Future
	Future bool      // not valid yet, instead of no longer
	Now    time.Time // what the clock said
}

func (e *ExpiredError) Error() string {
	verb := "expired on"
	if e.Future {
		verb = "is not valid before"
	}
	const form = "2006-01-02 15:04 UTC"
	return fmt.Sprintf("%s %s %s, and the clock of this host says %s (it may be wrong)",
		e.What, verb, e.When.UTC().Format(form), e.Now.UTC().Format(form))
}

// Hints says what the user can do.
func (e *ExpiredError) Hints() []string {
	hints := []string{"check the clock of this host: date -u"}
	if !e.Future {
		hints = append(hints, "the mirror may be out of date, take another: --debian-mirror "+FallbackMirror)
	}
	return hints
}

// A SuiteError says that a mirror answered with a genuine release of another
// suite than the one asked for.
type SuiteError struct {
	Asked           string
	Suite, Codename string // what the release says of itself
}

func (e *SuiteError) Error() string {
	return fmt.Sprintf("asked for the release of %s, got that of suite %q, codename %q",
		e.Asked, e.Suite, e.Codename)
}

// A NotListedError says that a release has no index of a component and
// architecture.
type NotListedError struct {
	Suite, Path string
}

func (e *NotListedError) Error() string {
	return fmt.Sprintf("release %s lists no %s", e.Suite, e.Path)
}

// A MirrorsError says that no mirror has a usable release. It unwraps to the
// mirrors' errors, those that speak of verification before those of transport.
type MirrorsError struct {
	Suite string
	Errs  []error
}

func (e *MirrorsError) Error() string {
	if len(e.Errs) == 0 {
		return fmt.Sprintf("no Debian mirror given for %s", e.Suite)
	}
	var s []string
	for _, err := range e.Errs {
		s = append(s, err.Error())
	}
	return fmt.Sprintf("no usable release of %s: %s", e.Suite, strings.Join(s, "; "))
}

// Unwrap returns the errors of the mirrors.
func (e *MirrorsError) Unwrap() []error { return e.Errs }

// A DependencyError says that an index cannot satisfy a dependency.
type DependencyError struct {
	Chain    []string // from a root down to the package that has the dependency; empty for a root itself
	Relation string   // the dependency, such as "libc6 (>= 2.41) | libc"
	Reason   string
}

func (e *DependencyError) Error() string {
	if len(e.Chain) == 0 {
		return fmt.Sprintf("package %s: %s", e.Relation, e.Reason)
	}
	return fmt.Sprintf("%s needs %s: %s", strings.Join(e.Chain, " → "), e.Relation, e.Reason)
}
