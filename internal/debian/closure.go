package debian

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// ClosureOptions changes what [Index.Closure] returns. The zero value leaves
// out nothing.
type ClosureOptions struct {
	// Skip, if not nil, names packages (or virtual packages) to leave out. A
	// dependency on one is taken as satisfied, and what only it needs is left
	// out as well.
	Skip func(name string) bool
}

// Closure returns the roots and everything they need through Depends and
// Pre-Depends, sorted by name. Roots may be names that others provide.
//
// What a dependency leaves open is decided so that the same index and set of
// roots give the same packages: dependencies with one possible package come
// first; then, for each "a | b" in order of appearance, an alternative that was
// chosen already, else the first that exists, else the first that is provided
// wins. Among several providers the one of the highest Priority wins, then the
// first by name. Conflicts, Breaks and Recommends are not looked at.
//
// The error is a *DependencyError, or a *FormatError for a dependency field
// that is malformed.
func (ix *Index) Closure(roots []string, opt ClosureOptions) ([]Package, error) {
	r := &resolver{
		ix:       ix,
		skip:     opt.Skip,
		parent:   map[string]string{},
		left:     map[string]bool{},
		provided: map[string][]provider{},
	}
	if r.skip == nil {
		r.skip = func(string) bool { return false }
	}
	sorted := slices.Sorted(slices.Values(roots))
	for _, root := range sorted {
		if err := r.resolve(want{group: group{{name: root}}}); err != nil {
			return nil, err
		}
	}
	if err := r.run(); err != nil {
		return nil, err
	}
	slices.SortFunc(r.chosen, func(a, b *Package) int { return strings.Compare(a.Name, b.Name) })
	var all []Package
	for _, p := range r.chosen {
		all = append(all, *p)
	}
	return all, nil
}

// want is a dependency to satisfy.
type want struct {
	group group
	of    string // the package that has it; "" for a root
}

type resolver struct {
	ix       *Index
	skip     func(string) bool
	chosen   []*Package            // in order of choice
	parent   map[string]string     // of each chosen package: for whom it was chosen first
	left     map[string]bool       // names that were chosen but are to be skipped
	provided map[string][]provider // by name, what chosen and left out packages provide
	expanded int                   // how many of chosen were expanded
	open     []want                // dependencies that leave a choice
}

// run expands the chosen packages until nothing is wanted any more.
func (r *resolver) run() error {
	for {
		switch {
		case r.expanded < len(r.chosen):
			p := r.chosen[r.expanded]
			r.expanded++
			if err := r.expand(p); err != nil {
				return err
			}
		case len(r.open) > 0:
			w := r.open[0]
			r.open = r.open[1:]
			if err := r.resolve(w); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

// expand resolves the dependencies of p that leave no choice, and puts the
// others off.
func (r *resolver) expand(p *Package) error {
	for _, text := range []string{p.PreDepends, p.Depends} {
		groups, err := parseDepends(text)
		if err != nil {
			return fmt.Errorf("package %s: %w", p.Name, err)
		}
		for _, g := range groups {
			w := want{group: g, of: p.Name}
			if len(g) > 1 || r.ix.real(g[0]) == nil {
				r.open = append(r.open, w)
			} else if err := r.resolve(w); err != nil {
				return err
			}
		}
	}
	return nil
}

// resolve satisfies w with what is chosen, or chooses.
func (r *resolver) resolve(w want) error {
	for _, rel := range w.group {
		if r.satisfied(rel) {
			return nil
		}
	}
	for _, rel := range w.group {
		if r.skip(rel.name) {
			r.left[rel.name] = true
			return nil
		}
		if p := r.candidate(rel); p != nil {
			r.choose(p, w.of)
			return nil
		}
	}
	return &DependencyError{Chain: r.chain(w.of), Relation: w.group.String(), Reason: r.reason(w.group)}
}

func (r *resolver) choose(p *Package, of string) {
	for _, rel := range p.provides() {
		r.provided[rel.name] = append(r.provided[rel.name], provider{p, rel})
	}
	if r.skip(p.Name) {
		r.left[p.Name] = true
		return
	}
	r.parent[p.Name] = of
	r.chosen = append(r.chosen, p)
}

// satisfied reports whether what is chosen, or left out, satisfies rel.
func (r *resolver) satisfied(rel relation) bool {
	if r.left[rel.name] {
		return true
	}
	if p := r.ix.real(rel); p != nil {
		if _, ok := r.parent[p.Name]; ok {
			return true
		}
	}
	return slices.ContainsFunc(r.provided[rel.name], rel.providedBy)
}

// candidate returns the best package for rel, nil if there is none.
func (r *resolver) candidate(rel relation) *Package {
	if p := r.ix.real(rel); p != nil {
		return p
	}
	for _, v := range r.ix.providers(rel.name) {
		if rel.providedBy(v) {
			return v.p
		}
	}
	return nil
}

// real returns the package that has rel's name and satisfies it, or nil.
func (ix *Index) real(rel relation) *Package {
	if i, ok := ix.byName[rel.name]; ok && rel.metBy(&ix.packages[i]) {
		return &ix.packages[i]
	}
	return nil
}

// providers lists the packages that provide a name, best first. A look at all
// Provides fields takes a millisecond or two, and few names need it, so it is
// not worth an index.
func (ix *Index) providers(name string) []provider {
	var found []provider
	for i := range ix.packages {
		p := &ix.packages[i]
		if !strings.Contains(p.Provides, name) {
			continue
		}
		for _, rel := range p.provides() {
			if rel.name == name {
				found = append(found, provider{p, rel})
			}
		}
	}
	slices.SortStableFunc(found, func(a, b provider) int {
		return cmp.Or(cmp.Compare(a.p.rank, b.p.rank), strings.Compare(a.p.Name, b.p.Name))
	})
	return found
}

// chain lists the packages from a root down to name.
func (r *resolver) chain(name string) []string {
	var chain []string
	for name != "" {
		chain = append(chain, name)
		name = r.parent[name]
	}
	slices.Reverse(chain)
	return chain
}

// reason says what the index has instead of g.
func (r *resolver) reason(g group) string {
	var has []string
	for _, rel := range g {
		if p, ok := r.ix.Lookup(rel.name); ok {
			has = append(has, fmt.Sprintf("%s %s (%s)", p.Name, p.Version, p.Architecture))
		}
		for _, v := range r.ix.providers(rel.name) {
			has = append(has, fmt.Sprintf("%s, provided by %s", v.what, v.p.Name))
		}
	}
	if len(has) == 0 {
		return "the index has no such package"
	}
	return "the index has only " + strings.Join(has, ", ")
}
