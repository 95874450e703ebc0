package nix

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"nixsd-native/internal/sshclient"
)

// A Machine is a remote builder as Nix's setting builders describes it: "URI systems key
// jobs speed features mandatory hostkey", of which all but the first may be left out, or
// be "-" (manual, "Remote builds"; src/libstore/machines.cc).
type Machine struct {
	Scheme              string // ssh or ssh-ng
	User, Host          string // User may be ""
	Port                int    // 0 if none is given
	Query               string // settings of the store, as they stand behind "?"
	Systems             []string
	Key                 string // file of the private key, or ""
	Jobs                int    // at a time; 0 if it is not said
	Speed               string // a number, or ""
	Features, Mandatory []string
	HostKey             string // base 64 of a line such as "ssh-ed25519 AAAA…", or ""
}

// Bounds of what somebody may ask for.
const (
	maxMachines = 100
	maxJobs     = 1024
)

// BuilderOf is the Machine for a host that builds for boards: [USER@]HOST[:PORT].
func BuilderOf(host string) (Machine, error) {
	return parseMachine("ssh-ng://" + host + " " + System)
}

// StoreMachine is the Machine behind a store's URL, ssh-ng://[USER@]HOST[:PORT].
func StoreMachine(uri string) (Machine, error) { return parseMachine(uri) }

// MachineFiles lists the files that a specification refers to as @FILE.
func MachineFiles(spec string) []string {
	var all []string
	for _, entry := range machineEntries(spec) {
		if file, ok := strings.CutPrefix(entry, "@"); ok {
			all = append(all, strings.TrimSpace(file))
		}
	}
	return all
}

// ParseMachines reads machines that ";" or the end of a line separates. @FILE stands for
// what is in a file, which read returns; there it stands for nothing more.
func ParseMachines(spec string, read func(file string) (string, error)) ([]Machine, error) {
	var all []Machine
	for _, entry := range machineEntries(spec) {
		if file, ok := strings.CutPrefix(entry, "@"); ok {
			text, err := read(strings.TrimSpace(file))
			if err != nil {
				return nil, err
			}
			inner, err := ParseMachines(text, func(other string) (string, error) {
				return "", fmt.Errorf("%s refers to another file, %s", file, other)
			})
			if err != nil {
				return nil, err
			}
			all = append(all, inner...)
			continue
		}
		m, err := parseMachine(entry)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	if len(all) > maxMachines {
		return nil, fmt.Errorf("more than %d machines", maxMachines)
	}
	return all, nil
}

// machineEntries splits a specification, without comments and what is empty.
func machineEntries(spec string) []string {
	var all []string
	for line := range strings.Lines(spec) {
		line, _, _ = strings.Cut(line, "#")
		for entry := range strings.SplitSeq(line, ";") {
			if entry = strings.TrimSpace(entry); entry != "" {
				all = append(all, entry)
			}
		}
	}
	return all
}

var (
	speedNumber = regexp.MustCompile(`^[0-9]{1,6}(\.[0-9]{1,6})?$`)
	systemName  = regexp.MustCompile(`^[a-z0-9_]+-[a-z0-9]+$`)
	featureName = regexp.MustCompile(`^[\w.+:-]+$`)
	queryText   = regexp.MustCompile(`^[\w%&=./:+~-]*$`)
)

func parseMachine(entry string) (m Machine, err error) {
	fields := strings.Fields(entry)
	if len(fields) > 8 {
		return m, fmt.Errorf("machine %s: %d fields; there are at most 8: URI systems key jobs speed features mandatory hostkey", fields[0], len(fields))
	}
	fields = slices.Concat(fields, make([]string, 8-len(fields)))
	for i := range fields {
		if fields[i] == "-" {
			fields[i] = ""
		}
	}
	if err := m.setURI(fields[0]); err != nil {
		return m, err
	}
	m.Key, m.Speed, m.HostKey = fields[2], fields[4], fields[7]
	m.Systems, m.Features, m.Mandatory = list(fields[1]), list(fields[5]), list(fields[6])
	if len(m.Systems) == 0 {
		m.Systems = []string{System} // Nix means this machine's, for which no image needs help
	}
	if fields[3] != "" {
		if m.Jobs, err = strconv.Atoi(fields[3]); err != nil || m.Jobs < 1 || m.Jobs > maxJobs {
			return m, fmt.Errorf("machine %s: %q is no number of builds at a time, 1 to %d", m.Host, fields[3], maxJobs)
		}
	}
	return m, m.check()
}

func list(field string) []string {
	return strings.FieldsFunc(field, func(r rune) bool { return r == ',' })
}

// setURI takes apart ssh-ng://[USER@]HOST[:PORT][?SETTINGS].
func (m *Machine) setURI(uri string) error {
	scheme, rest, ok := strings.Cut(uri, "://")
	if !ok || scheme != "ssh" && scheme != "ssh-ng" {
		return fmt.Errorf("machine %q: only ssh-ng://HOST and ssh://HOST are remote builders", uri)
	}
	rest, m.Query, _ = strings.Cut(rest, "?")
	user, host, port, err := sshclient.SplitHost(strings.TrimSuffix(rest, "/"))
	if err != nil {
		return fmt.Errorf("machine %q: %v", uri, err)
	}
	if host == "localhost" { // for which Nix starts no ssh
		return fmt.Errorf("machine %q: name this machine 127.0.0.1", uri)
	}
	m.Scheme, m.User, m.Host, m.Port = scheme, user, host, port
	settings, err := url.ParseQuery(m.Query)
	if err != nil || !queryText.MatchString(m.Query) {
		return fmt.Errorf("machine %q: what stands behind \"?\" is no list of settings", uri)
	}
	for _, name := range []string{"ssh-key", "base64-ssh-public-host-key"} {
		if settings.Has(name) {
			return fmt.Errorf("machine %q: %s has a field of its own: URI systems key jobs speed features mandatory hostkey", uri, name)
		}
	}
	return nil
}

func (m *Machine) check() error {
	for _, system := range m.Systems {
		if !systemName.MatchString(system) {
			return fmt.Errorf("machine %s: %q is no system such as %s", m.Host, system, System)
		}
	}
	for _, f := range slices.Concat(m.Features, m.Mandatory) {
		if !featureName.MatchString(f) {
			return fmt.Errorf("machine %s: %q is no feature", m.Host, f)
		}
	}
	if strings.ContainsFunc(m.Key, unicode.IsControl) {
		return fmt.Errorf("machine %s: %q is no path of a key", m.Host, m.Key)
	}
	if m.Speed != "" && !speedNumber.MatchString(m.Speed) {
		return fmt.Errorf("machine %s: %q is no speed, a number such as 1 or 2.5", m.Host, m.Speed)
	}
	if m.HostKey != "" {
		if _, err := m.HostKeyLine(); err != nil {
			return fmt.Errorf("machine %s: its host key is not in base 64: %v", m.Host, err)
		}
	}
	return nil
}

// HostKeyLine is the host's public key as it stands in its .pub file; "" if the
// specification has none.
func (m Machine) HostKeyLine() (string, error) {
	text, err := base64.StdEncoding.DecodeString(m.HostKey)
	return strings.TrimSpace(string(text)), err
}

// Does reports whether m builds for a system.
func (m Machine) Does(system string) bool { return slices.Contains(m.Systems, system) }

// URI is the store's, without its settings and its user: for people.
func (m Machine) URI() string { return m.Scheme + "://" + m.authority("") }

func (m Machine) authority(user string) string {
	host := m.Host
	switch {
	case m.Port != 0:
		host = net.JoinHostPort(host, strconv.Itoa(m.Port))
	case strings.Contains(host, ":"):
		host = "[" + host + "]"
	}
	if user != "" {
		return user + "@" + host
	}
	return host
}

// StoreURL is the store's, with the key that lets Nix in.
func (m Machine) StoreURL() string {
	query := "ssh-key=" + url.QueryEscape(m.Key)
	if m.Query != "" {
		query += "&" + m.Query
	}
	return m.Scheme + "://" + m.authority(m.User) + "?" + query
}

// Line is m for the setting builders.
func (m Machine) Line() string {
	uri := m.Scheme + "://" + m.authority(m.User)
	if m.Query != "" {
		uri += "?" + m.Query
	}
	jobs := ""
	if m.Jobs > 0 {
		jobs = strconv.Itoa(m.Jobs)
	}
	fields := []string{
		uri, strings.Join(m.Systems, ","), m.Key, jobs, m.Speed,
		strings.Join(m.Features, ","), strings.Join(m.Mandatory, ","), m.HostKey,
	}
	for i := range fields {
		if fields[i] == "" {
			fields[i] = "-"
		}
	}
	return strings.Join(fields, " ")
}

// BuildersSetting is the setting builders for machines.
func BuildersSetting(all []Machine) string {
	var lines []string
	for _, m := range all {
		lines = append(lines, m.Line())
	}
	return strings.Join(lines, " ; ")
}
