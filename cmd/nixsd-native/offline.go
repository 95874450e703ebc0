package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"nixsd-native/internal/debian"
	"nixsd-native/internal/fetch"
	"nixsd-native/internal/shell"
	"nixsd-native/nix"
)

// mustBeHere ends a build without network whose forecast has something to download:
// all of it is told, and nothing is built.
func (b *build) mustBeHere(dry nix.Forecast) error {
	if !b.sources.offline {
		return nil
	}
	var names, where []string
	for _, drv := range dry.Build {
		urls, ok, err := b.downloads(drv)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		name := nix.DerivationName(drv)
		from := "a place that only its builder knows"
		if len(urls) > 0 {
			from = fetch.WithoutPassword(urls[0])
		}
		names, where = append(names, name), append(where, name+" is at "+from)
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	slices.Sort(where)
	return &codedError{exitNetwork,
		fmt.Sprintf("offline, and not in the store: %s", strings.Join(fetch.First(names), ", ")),
		append([]string{
			"on a machine with network, run: " + b.bundleLine() + "; then here: nixsd-native build --bundle FILE, with the flags of now",
			"or build once with network, without --offline: the store keeps what that needed",
		}, fetch.First(where)...),
	}
}

// downloads reads from the store where a derivation downloads from.
func (b *build) downloads(drv string) (urls []string, ok bool, err error) {
	f, err := b.session.Open(drv)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	return nix.DerivationDownloads(f)
}

// bundleOffer is the command that bundles, where it is not the usual one.
func (w *workspace) bundleOffer() string {
	if w.demo {
		return "nixsd-native bundle create FILE --demo"
	}
	return ""
}

// bundleLine is the command line that bundles what this build needs.
func (b *build) bundleLine() string {
	line := "nixsd-native bundle create FILE"
	if b.demo {
		line += " --demo"
	}
	for _, name := range b.configs {
		line += " " + shell.Path(name)
	}
	for _, ref := range b.nixos.flakes {
		line += " --flake " + shell.Word(ref)
	}
	return line + " --sources"
}

// download is what Nix says of a file that it cannot download while it evaluates.
var download = regexp.MustCompile(`unable to download '([^']+)'`)

// explainDownload names what a configuration wants from a network while it is evaluated,
// which nobody can know before.
func (b *build) explainDownload(ctx context.Context, failed *nix.BuildError) error {
	m := download.FindStringSubmatch(failed.Summary)
	switch {
	case !b.sources.offline || m == nil:
		return nil
	case b.plan != nil && strings.HasPrefix(m[1], "file://"+insideInputs+"/"):
		return b.missingPackages(ctx)
	}
	return &codedError{exitNetwork, "offline, and the configuration downloads while it is evaluated: " + fetch.WithoutPassword(m[1]), []string{
		"build once with network, without --offline: Nix keeps what has a fixed hash",
		"or put the file beside the configuration and name it there by its path",
	}}
}

// missingPackages names all of the demo's packages that are neither in the store nor in
// the cache: its expressions fetch them one by one, when one is needed.
func (b *build) missingPackages(ctx context.Context) error {
	missing := &fetch.OfflineError{Dir: b.client.Cache.Dir(), Command: b.fetchLine(), Bundle: b.bundleOffer()}
	for _, set := range b.plan.Sets {
		for _, p := range set.Packages {
			if !set.built(p.Name) || b.hasPackage(ctx, p) {
				continue
			}
			missing.Missing = append(missing.Missing, fetch.Missing{Name: debName(p), SHA256: p.SHA256, Size: p.Size, URLs: p.Sources(b.mirrors())})
		}
	}
	slices.SortFunc(missing.Missing, func(a, b fetch.Missing) int { return strings.Compare(a.Name, b.Name) })
	return missing
}

// built reports whether builds use a package: those of Nix's tarball are in that.
func (s demoPlanSet) built(name string) bool {
	for group, names := range s.Groups {
		if group != "nix" && slices.Contains(names, name) {
			return true
		}
	}
	return false
}

// hasPackage reports whether a package is in the cache, or was fetched into the store.
func (b *build) hasPackage(ctx context.Context, p debian.Package) bool {
	if _, err := b.client.Cache.Find(ctx, p.SHA256, p.Size); !is[*fetch.NotCachedError](err) {
		return true
	}
	f, err := b.session.Open(nix.FetchedPath(p.Name+".deb", p.SHA256))
	if err == nil {
		f.Close()
	}
	return err == nil
}
