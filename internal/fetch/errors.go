package fetch

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"

	"nixsd-native/internal/shell"
)

// NotCachedError says that the cache does not hold a file.
type NotCachedError struct {
	SHA256 string
	Dir    string // the cache folder
}

func (e *NotCachedError) Error() string {
	return fmt.Sprintf("no file with sha256 %s in %s", e.SHA256, e.Dir)
}

func isNotCached(err error) bool {
	_, ok := errors.AsType[*NotCachedError](err)
	return ok
}

// StorageError says that the cache folder cannot be used: disk full,
// read-only, not a folder. It wraps the system call's error.
type StorageError struct {
	Dir string // the cache folder
	Err error
}

func (e *StorageError) Error() string { return fmt.Sprintf("cache folder %s: %v", e.Dir, e.Err) }
func (e *StorageError) Unwrap() error { return e.Err }

// Hints tells how to get a folder that can be used.
func (e *StorageError) Hints() []string {
	if diskFull(e.Err) {
		return []string{
			"free some space: df -h " + shell.Word(e.Dir),
			"or keep the cache on another disk: --cache-dir DIR",
		}
	}
	if errors.Is(e.Err, syscall.EFBIG) {
		return []string{"the file system or a limit (ulimit -f) allows no file of this size; use another folder: --cache-dir DIR"}
	}
	if uid := os.Geteuid(); errors.Is(e.Err, fs.ErrPermission) && isAnothers(e.Dir, uid) {
		return []string{
			fmt.Sprintf("downloads are done as user %d: sudo chown %d %s, or remove the folder if it is empty", uid, uid, shell.Word(e.Dir)),
			"or use another folder: --cache-dir DIR",
		}
	}
	return []string{fmt.Sprintf("use a folder that can be written instead of %s: --cache-dir DIR", e.Dir)}
}

// isAnothers reports whether a folder is there and belongs to another user.
func isAnothers(dir string, uid int) bool {
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		return false
	}
	owned, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(owned.Uid) != uid
}

// Attempt is a source and why it was of no use in the end.
type Attempt struct {
	URL string // without credentials
	Err error

	answered bool // by the source, with whatever
}

// NetworkError says that no source delivered a file. It wraps the attempts'
// errors.
type NetworkError struct {
	Name     string
	SHA256   string // empty if the hash is not known
	Dir      string // the cache folder, empty for a document
	Attempts []Attempt
}

func (e *NetworkError) Error() string {
	return fmt.Sprintf("cannot download %s: %s", e.Name, summary(e.Attempts))
}

// Unwrap returns the errors of the attempts.
func (e *NetworkError) Unwrap() []error { return causes(e.Attempts) }

// Hints tells what to try, by what the sources said.
func (e *NetworkError) Hints() []string {
	hints := CertificateHints(e)
	switch {
	case proxyWantsLogin(e):
		hints = append(hints, "the proxy wants a name and password: export https_proxy=http://USER:PASSWORD@HOST:PORT")
	case len(e.Attempts) > 0 && !anyAnswer(e.Attempts):
		hints = append(hints, "behind a proxy, name it first: export http_proxy=http://HOST:PORT https_proxy=http://HOST:PORT"+
			" (with sudo: sudo --preserve-env=http_proxy,https_proxy,no_proxy)")
	}
	if fromDebian(e.Name, e.Attempts) {
		hints = append(hints, "name another Debian mirror: --debian-mirror URL")
	}
	return append(hints, byHand(e.Name, e.SHA256, e.Dir)...)
}

// HashError says that what the sources delivered is not the wanted file: at
// least one delivered other bytes, and no other delivered the right ones. The
// attempts that failed without a complete body are listed too.
// Nothing wrong is kept.
type HashError struct {
	Name    string
	Want    string // sha256
	Dir     string // the cache folder
	Sources []Attempt
}

func (e *HashError) Error() string {
	return fmt.Sprintf("%s does not verify: want sha256 %s: %s", e.Name, e.Want, summary(e.Sources))
}

// Hints tells what may be behind it.
func (e *HashError) Hints() []string {
	return append([]string{
		"the source has another file now, or a proxy or login page on the way changed it; compare the sha256 with the publisher's",
	}, byHand(e.Name, e.Want, e.Dir)...)
}

// Missing is a file that the cache does not hold.
type Missing struct {
	Name   string
	SHA256 string // empty if the hash is not known
	Size   int64  // bytes, 0 if unknown
	URLs   []string
}

// OfflineError names all files that would have to be downloaded.
type OfflineError struct {
	Dir     string // the cache folder, empty for a document
	Missing []Missing
	Command string // that fills the cache; empty means "nixsd-native fetch"
	Bundle  string // command that bundles; empty means "nixsd-native bundle create FILE"
	Online  bool   // the network may be used, but was not to be
}

func (e *OfflineError) Error() string {
	names := make([]string, len(e.Missing))
	for i, m := range e.Missing {
		names[i] = m.Name
	}
	text := "not in the cache: " + strings.Join(First(names), ", ")
	if e.Online {
		return text
	}
	return "offline, and " + text
}

// Hints tells how to fill the cache, and what each file is.
func (e *OfflineError) Hints() []string {
	command := cmp.Or(e.Command, "nixsd-native fetch")
	hints := []string{"on a machine with network, run: " + command}
	if e.Online {
		hints = []string{"download it: " + command}
	} else if e.Dir != "" {
		hints = append(hints, "or, there, put all that a build needs into one file: "+cmp.Or(e.Bundle, "nixsd-native bundle create FILE")+"; and here: build --bundle FILE")
	}
	if e.Dir != "" && slices.ContainsFunc(e.Missing, func(m Missing) bool { return m.SHA256 != "" }) {
		hints = append(hints, fmt.Sprintf("or copy the missing files into %s by hand, under any name; they are found by their hash", e.Dir))
	}
	var lines []string
	for _, m := range e.Missing {
		line := m.Name
		if m.SHA256 != "" {
			line += " (sha256 " + m.SHA256 + ")"
		}
		if len(m.URLs) > 0 {
			line += " is at " + m.URLs[0]
		}
		if line != m.Name {
			lines = append(lines, line)
		}
	}
	return append(hints, First(lines)...)
}

// maxListed is how many names people are told at once.
const maxListed = 20

// First returns the first 20 of a list and, if there are more, how many more there are.
func First(all []string) []string {
	if len(all) <= maxListed {
		return all
	}
	return append(slices.Clone(all[:maxListed]), fmt.Sprintf("and %d more", len(all)-maxListed))
}

// statusError is an HTTP answer that is of no use.
type statusError struct {
	code  int
	proxy bool // the proxy's, not the source's
}

func (e *statusError) Error() string {
	s := strings.TrimSpace(fmt.Sprintf("%d %s", e.code, http.StatusText(e.code)))
	if e.proxy {
		return "the proxy answers " + s
	}
	return s
}

// summary joins the last cause of each host, in the order of the sources.
func summary(tried []Attempt) string {
	if len(tried) == 0 {
		return "no source is known"
	}
	var hosts, parts []string
	for _, a := range tried {
		host := hostOf(a.URL)
		part := fmt.Sprintf("%s: %v", host, a.Err)
		if i := slices.Index(hosts, host); i >= 0 {
			parts[i] = part
			continue
		}
		hosts, parts = append(hosts, host), append(parts, part)
	}
	return strings.Join(parts, "; ")
}

func causes(tried []Attempt) []error {
	errs := make([]error, len(tried))
	for i, a := range tried {
		errs[i] = a.Err
	}
	return errs
}

// CertificateHints tells the two troubles with certificates that a user can end, if err
// is one of them.
func CertificateHints(err error) []string {
	if unknownAuthority(err) {
		return []string{"no authority this system trusts has signed the certificate; if a proxy inspects TLS," +
			" name its certificate file: export SSL_CERT_FILE=/path/to/ca.pem (with sudo: sudo --preserve-env=SSL_CERT_FILE)"}
	}
	if c, ok := errors.AsType[x509.CertificateInvalidError](err); ok && c.Reason == x509.Expired {
		return []string{"the certificate is not valid today; check this machine's clock: date"}
	}
	return nil
}

func unknownAuthority(err error) bool {
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, none := errors.AsType[x509.SystemRootsError](err)
	return unknown || none
}

func proxyWantsLogin(err error) bool {
	s, ok := errors.AsType[*statusError](err)
	return ok && s.code == http.StatusProxyAuthRequired
}

// anyAnswer reports whether a source was reached.
func anyAnswer(tried []Attempt) bool {
	return slices.ContainsFunc(tried, func(a Attempt) bool { return a.answered })
}

func fromDebian(name string, tried []Attempt) bool {
	return strings.HasSuffix(name, ".deb") ||
		slices.ContainsFunc(tried, func(a Attempt) bool { return strings.Contains(a.URL, "/debian/") })
}

// byHand is the hint that always works, for files with a known hash.
func byHand(name, sum, dir string) []string {
	if sum == "" || dir == "" {
		return nil
	}
	return []string{fmt.Sprintf("copy %s into %s by hand; it is found by its hash (sha256 %s)", name, dir, sum)}
}
