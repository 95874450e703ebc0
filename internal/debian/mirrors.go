package debian

import (
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Bounds of what is read of the host's configuration.
const (
	maxSourceFile  = 1 << 20
	maxSourceFiles = 256
)

// suites are the names of Debian's suites since Debian 11 that a mirror's
// dists/ has, each also with -updates and -backports. The codenames of Debian
// 14 and 15 are known: https://www.debian.org/releases/.
var suites = []string{
	"stable", "testing", "unstable", "oldstable", "oldoldstable",
	"bullseye", "bookworm", "trixie", "forky", "duke", "sid",
}

// sourceFile is the form of names that apt reads, see sources.list(5).
var sourceFile = regexp.MustCompile(`^[A-Za-z0-9_.-]+\.(list|sources)$`)

// HostMirrors returns the Debian mirrors that the host uses, in the order of its
// apt sources, without duplicates and without a slash at the end: nil if the
// host is not Debian, or if it has none that can be used. root is the host's
// root folder.
//
// A mirror must be plain http or https without a password, and have component
// main of a suite of Debian's own archive. Other people's repositories are told
// from it by their suite or component names, by Signed-By naming another key,
// or else by a path that does not end in "debian". What cannot be read counts
// as absent.
func HostMirrors(root fs.FS) []string {
	if !isDebian(root) {
		return nil
	}
	var mirrors []string
	for _, name := range sourceFiles(root) {
		text, err := readFile(root, name)
		if err != nil {
			continue
		}
		parse := parseSourceList
		if strings.HasSuffix(name, ".sources") {
			parse = parseDeb822Sources
		}
		for _, s := range parse(text) {
			mirrors = append(mirrors, s.mirrors()...)
		}
	}
	var unique []string
	for _, m := range mirrors {
		if !slices.Contains(unique, m) {
			unique = append(unique, m)
		}
	}
	return unique
}

// isDebian looks at os-release(5). Raspberry Pi OS says debian as well, and has
// Debian's archive beside its own.
func isDebian(root fs.FS) bool {
	for _, name := range []string{"etc/os-release", "usr/lib/os-release"} {
		text, err := readFile(root, name)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if id, ok := strings.CutPrefix(strings.TrimSpace(line), "ID="); ok {
				return strings.Trim(id, `"'`) == "debian"
			}
		}
		return false
	}
	return false
}

func sourceFiles(root fs.FS) []string {
	names := []string{"etc/apt/sources.list"}
	const parts = "etc/apt/sources.list.d"
	entries, _ := fs.ReadDir(root, parts) // sorted
	for _, e := range entries[:min(len(entries), maxSourceFiles)] {
		if sourceFile.MatchString(e.Name()) {
			names = append(names, path.Join(parts, e.Name()))
		}
	}
	return names
}

// readFile reads a small regular file.
func readFile(root fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(root, name) // before opening, which would wait for a pipe's writer
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrInvalid}
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSourceFile+1))
	if err == nil && len(text) > maxSourceFile {
		err = fmt.Errorf("%s: more than %d bytes", name, maxSourceFile)
	}
	return text, err
}

// source is an entry of the apt sources, for one or several archives.
type source struct {
	types, uris, suites, components []string
	signedBy                        string // "" where not given
}

// parseSourceList reads the one-line form: deb [options] uri suite component...
func parseSourceList(text []byte) []source {
	var all []source
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		kind, rest, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(line, "\t", " ")), " ")
		rest = strings.TrimSpace(rest)
		var signedBy string
		if inner, ok := strings.CutPrefix(rest, "["); ok {
			if inner, rest, ok = strings.Cut(inner, "]"); !ok {
				continue
			}
			signedBy = option(inner, "signed-by")
		}
		f := strings.Fields(rest)
		if len(f) < 3 {
			continue
		}
		all = append(all, source{
			types: []string{kind}, uris: f[:1], suites: f[1:2], components: f[2:], signedBy: signedBy,
		})
	}
	return all
}

// option returns the value of one of the options of the one-line form.
func option(options, name string) string {
	for _, o := range strings.Fields(options) {
		if key, value, _ := strings.Cut(o, "="); strings.EqualFold(key, name) {
			return value
		}
	}
	return ""
}

// parseDeb822Sources reads the form of *.sources. What follows a malformed line
// is ignored.
func parseDeb822Sources(text []byte) []source {
	var kept strings.Builder
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			kept.WriteString(line)
		}
	}
	var all []source
	entries, _ := stanzas("apt sources", []byte(kept.String()))
	for _, e := range entries {
		switch strings.ToLower(e["enabled"]) {
		case "no", "false", "off", "disable", "without", "0": // apt's words for no
			continue
		}
		all = append(all, source{
			types:      strings.Fields(e["types"]),
			uris:       strings.Fields(e["uris"]),
			suites:     strings.Fields(e["suites"]),
			components: strings.Fields(e["components"]),
			signedBy:   strings.TrimSpace(e["signed-by"]),
		})
	}
	return all
}

// mirrors returns the URLs of s that are mirrors of the Debian archive.
func (s source) mirrors() []string {
	if !slices.Contains(s.types, "deb") || !slices.Contains(s.components, "main") ||
		!slices.ContainsFunc(s.suites, isDebianSuite) {
		return nil
	}
	debianKey := strings.HasPrefix(path.Base(s.signedBy), "debian-archive-")
	if s.signedBy != "" && !debianKey {
		return nil
	}
	var urls []string
	for _, uri := range s.uris {
		u, err := url.Parse(uri)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" ||
			u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Contains(uri, "$(") {
			continue
		}
		if debianKey || isDebianPath(u) {
			urls = append(urls, strings.TrimRight(uri, "/"))
		}
	}
	return urls
}

func isDebianSuite(s string) bool {
	s = strings.TrimSuffix(strings.TrimSuffix(s, "/"), "-updates")
	return slices.Contains(suites, strings.TrimSuffix(s, "-backports"))
}

// isDebianPath guesses from a URL whether it is a mirror of Debian's archive:
// its path ends in "debian", or in that and the time of a snapshot. Raspberry Pi
// OS's own archive looks the same.
func isDebianPath(u *url.URL) bool {
	if strings.Contains(u.Host, "raspberry") {
		return false
	}
	folder := strings.TrimRight(u.Path, "/")
	if "https://"+u.Host == Snapshots {
		folder = path.Dir(folder)
	}
	return strings.EqualFold(path.Base(folder), "debian")
}
