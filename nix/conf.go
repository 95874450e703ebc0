package nix

import (
	"fmt"
	"slices"
	"strings"
)

// BuildUsers is the group of the build users; its members are made by Accounts.
const BuildUsers = "nixbld"

// A Conf is what a nix.conf says. The zero value builds x86_64 or native
// derivations in Nix's sandbox with one build user id.
type Conf struct {
	// ManyUsers is set where there are ids for build users. Without, builders have
	// the id of the store's owner, kept apart by Nix's sandbox alone.
	ManyUsers bool
	// NoSandbox turns Nix's own sandbox off.
	NoSandbox bool
	// ExtraPlatforms are systems that emulation lets this host build for.
	ExtraPlatforms []string
	// Shell is what builders find as /bin/sh; empty means Nix's own default.
	Shell string

	Substituters, TrustedKeys []string
	// Builders describes remote builders, see BuildersSetting. They fetch from caches what
	// those have, so that it does not go through this machine.
	Builders string
	// Cores and Jobs are as Nix's cores and max-jobs; 0 means all.
	Cores, Jobs int
	// Options are further settings, name to value, which win.
	Options map[string]string
}

// Connections and store paths at a time. 400 small paths from a cache 50 ms away take
// 1.5 s with these, 2.7 s with Nix's own 25 and 16, and 1.2 s with twice as many, which
// is not worth what servers think of it (TestSubstitutionSpeed in internal/e2e).
const (
	httpConnections  = "64"
	substitutionJobs = "32"
)

// Text returns the nix.conf. A value with a line break is an error: it could smuggle
// in a setting. So is one with a "#": Nix takes the rest for a comment.
func (c Conf) Text() (string, error) {
	group, dropGroups := "", "false"
	if c.ManyUsers {
		group, dropGroups = BuildUsers, "true"
	}
	jobs := "auto"
	if c.Jobs > 0 {
		jobs = fmt.Sprint(c.Jobs)
	}
	settings := map[string]string{
		"build-users-group":                 group,
		"require-drop-supplementary-groups": dropGroups,
		"sandbox":                           fmt.Sprint(!c.NoSandbox),
		"sandbox-fallback":                  "false", // an unsandboxed build must not pass unnoticed
		"filter-syscalls":                   "true",  // Nix itself runs natively
		"build-dir":                         "/nix/var/nix/builds",
		"extra-platforms":                   strings.Join(c.ExtraPlatforms, " "),
		"substituters":                      strings.Join(c.Substituters, " "),
		"trusted-public-keys":               strings.Join(c.TrustedKeys, " "),
		"cores":                             fmt.Sprint(c.Cores),
		"max-jobs":                          jobs,
		"http-connections":                  httpConnections,
		"max-substitution-jobs":             substitutionJobs,
		"connect-timeout":                   "15",   // seconds, as Nix 2.32 and newer have it
		"stalled-download-timeout":          "60",   // seconds; Nix's own 300 look like a hang
		"fallback":                          "true", // what a cache fails to deliver is built
		"require-sigs":                      "true",
		"experimental-features":             "nix-command flakes",
	}
	if c.Builders != "" {
		settings["builders"], settings["builders-use-substitutes"] = c.Builders, "true"
	}
	if c.Shell != "" {
		settings["sandbox-paths"] = "/bin/sh=" + c.Shell
	}
	for name, value := range c.Options {
		settings[name] = value
	}
	return format(settings)
}

func format(settings map[string]string) (string, error) {
	names := make([]string, 0, len(settings))
	for name := range settings {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		value := settings[name]
		if name == "" || strings.ContainsAny(name, " \t\n\r=#") || strings.ContainsAny(value, "#\n\r\x00") {
			return "", fmt.Errorf("setting %q = %q does not fit on a line of nix.conf", name, value)
		}
		fmt.Fprintf(&b, "%s = %s\n", name, value)
	}
	return b.String(), nil
}

// Build users as upstream's installer makes them: 32 from uid 30001 on, in group
// 30000.
const (
	buildUsers   = 32
	firstUserID  = 30001
	buildGroupID = 30000
)

// Accounts returns /etc/passwd and /etc/group of a root with or without build
// users.
func Accounts(manyUsers bool) (passwd, group string) {
	var p, g strings.Builder
	p.WriteString("root:x:0:0:root:/root:/bin/sh\n")
	g.WriteString("root:x:0:\n")
	if manyUsers {
		var members []string
		for i := range buildUsers {
			name := fmt.Sprintf("%s%d", BuildUsers, i+1)
			members = append(members, name)
			fmt.Fprintf(&p, "%s:x:%d:%d:Nix build user %d:/var/empty:/bin/false\n", name, firstUserID+i, buildGroupID, i+1)
		}
		fmt.Fprintf(&g, "%s:x:%d:%s\n", BuildUsers, buildGroupID, strings.Join(members, ","))
	}
	p.WriteString("nobody:x:65534:65534:nobody:/var/empty:/bin/false\n")
	g.WriteString("nogroup:x:65534:\n")
	return p.String(), g.String()
}
