package debian

import (
	"errors"
	"fmt"
	"strings"
)

// relation is one alternative of a dependency, as Debian Policy section 7.1
// writes it: name[:qualifier] [(operator version)].
type relation struct {
	name      string
	qualifier string // "", "any", "native" or an architecture
	op        string // "", "<<", "<=", "=", ">=" or ">>"
	version   string
}

func (r relation) String() string {
	s := r.name
	if r.qualifier != "" {
		s += ":" + r.qualifier
	}
	if r.op != "" {
		s += " (" + r.op + " " + r.version + ")"
	}
	return s
}

// group is a list of alternatives.
type group []relation

func (g group) String() string {
	var s []string
	for _, r := range g {
		s = append(s, r.String())
	}
	return strings.Join(s, " | ")
}

// parseDepends reads a field such as Depends.
func parseDepends(s string) ([]group, error) {
	var groups []group
	for part := range strings.SplitSeq(s, ",") {
		if strings.TrimSpace(part) == "" {
			continue // policy forbids it, dpkg accepts it
		}
		var g group
		for alternative := range strings.SplitSeq(part, "|") {
			r, err := parseRelation(alternative)
			if err != nil {
				return nil, &FormatError{What: "dependency", Reason: fmt.Sprintf("%q: %v", alternative, err)}
			}
			g = append(g, r)
		}
		groups = append(groups, g)
	}
	return groups, nil
}

func parseRelation(s string) (relation, error) {
	s = strings.TrimSpace(s)
	head, rest := s, ""
	if i := strings.IndexAny(s, " \t\n("); i >= 0 {
		head, rest = s[:i], strings.TrimSpace(s[i:])
	}
	var r relation
	var qualified bool
	r.name, r.qualifier, qualified = strings.Cut(head, ":")
	if !isPlainName(r.name) || qualified && !isPlainName(r.qualifier) {
		return relation{}, fmt.Errorf("not a package name: %q", head)
	}
	if rest == "" {
		return r, nil
	}
	inner, ok1 := strings.CutPrefix(rest, "(")
	inner, ok2 := strings.CutSuffix(inner, ")")
	if !ok1 || !ok2 {
		return relation{}, errors.New("not a version constraint")
	}
	inner = strings.TrimSpace(inner)
	n := 0
	for n < len(inner) && strings.IndexByte("<=>", inner[n]) >= 0 {
		n++
	}
	r.op, r.version = inner[:n], strings.TrimSpace(inner[n:])
	switch r.op {
	case "<", ">":
		r.op += "=" // what dpkg takes the old operators for
	case "<<", "<=", "=", ">=", ">>":
	default:
		return relation{}, fmt.Errorf("unknown operator %q", r.op)
	}
	if !isVersion(r.version) {
		return relation{}, fmt.Errorf("version %q", r.version)
	}
	return r, nil
}

// admits reports whether a version satisfies the constraint of r, if any.
func (r relation) admits(version string) bool {
	c := 0
	if r.op != "" {
		c = CompareVersions(version, r.version)
	}
	switch r.op {
	case "<<":
		return c < 0
	case "<=":
		return c <= 0
	case "=":
		return c == 0
	case ">=":
		return c >= 0
	case ">>":
		return c > 0
	}
	return true
}

// metBy reports whether the package of that name satisfies r by itself.
func (r relation) metBy(p *Package) bool {
	return r.name == p.Name && r.admits(p.Version) && r.architectureOf(p)
}

// provider is a package and a name it provides.
type provider struct {
	p    *Package
	what relation
}

// provides lists what p provides; nothing if the field is malformed.
func (p *Package) provides() []relation {
	groups, err := parseDepends(p.Provides)
	if err != nil {
		return nil
	}
	var all []relation
	for _, g := range groups {
		if len(g) == 1 {
			all = append(all, g[0])
		}
	}
	return all
}

// providedBy reports whether v satisfies r. A constraint needs a versioned
// Provides (Policy section 7.5).
func (r relation) providedBy(v provider) bool {
	return r.name == v.what.name && r.architectureOf(v.p) &&
		(r.op == "" || v.what.op == "=" && r.admits(v.what.version))
}

func (r relation) architectureOf(p *Package) bool {
	switch r.qualifier {
	case "", "any", "native":
		return true
	}
	return r.qualifier == p.Architecture
}
