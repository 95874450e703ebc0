package main

import (
	"context"
	"runtime/debug"
	"slices"
	"strings"

	"nixsd-native/internal/demo"
	"nixsd-native/internal/licenses"
	"nixsd-native/internal/sbom"
	"nixsd-native/nix"
)

// closure asks Nix once what goes into all images. What is not in the store, as the image
// came out of a cache, is not in the answer.
func (b *build) closure(ctx context.Context) (map[string]nix.ClosurePath, error) {
	var roots []string
	for _, t := range b.left() {
		if len(t.contents) == 0 {
			t.contents = []string{t.result}
		}
		roots = append(roots, t.contents...)
	}
	slices.Sort(roots)
	roots = slices.Compact(roots)
	out, err := b.runNix(ctx, nix.InvalidArgs(b.nix, roots...), b.nixEnv)
	if err != nil {
		return nil, err
	}
	missing := strings.Fields(out)
	roots = slices.DeleteFunc(roots, func(p string) bool { return slices.Contains(missing, p) })
	if len(roots) == 0 {
		return nil, nil
	}
	if out, err = b.runNix(ctx, nix.ClosureArgs(b.nix, roots...), b.nixEnv); err != nil {
		return nil, err
	}
	return nix.ParseClosure(strings.NewReader(out))
}

// billOf makes the bill of materials of a target's image.
func (b *build) billOf(t *target, closure map[string]nix.ClosurePath, name, sha256 string) (string, error) {
	bill := sbom.Image{Name: name, SHA256: sha256, StorePath: t.result, Tool: programComponent(), Inputs: b.inputComponents()}
	for _, root := range t.contents {
		if _, ok := closure[root]; ok {
			bill.Roots = append(bill.Roots, root)
		} else {
			bill.Unknown = true
		}
	}
	for _, p := range nix.Reachable(closure, bill.Roots) {
		name, version := nix.SplitName(p.Path)
		bill.Closure = append(bill.Closure, sbom.StorePath{
			Path: p.Path, Name: name, Version: version, NarSHA256: p.NarSHA256, NarSize: p.NarSize, References: p.References,
		})
	}
	if bill.Unknown {
		b.rep.Warn("the image came from a cache, and the store lacks what is in it: %s.cdx.json is incomplete", strings.TrimSuffix(name, ".img"))
	}
	if b.plan != nil {
		board := b.plan.Sets[demo.Board]
		for _, p := range board.Packages {
			if demo.InImage(board.Groups, p.Name) {
				bill.Packages = append(bill.Packages, sbom.Debian(p.Name, p.Version, p.Architecture, p.SHA256))
			}
		}
	}
	var text strings.Builder
	err := bill.Write(&text)
	return text.String(), err
}

// inputComponents are what images are made of, and the tools for it.
func (b *build) inputComponents() []sbom.Component {
	var all []sbom.Component
	for _, in := range []input{b.inputs.nix, b.inputs.nixpkgs} {
		c := sbom.Component{Name: in.Name, Version: in.Revision, SHA256: in.SHA256}
		if nix.IsRevision(in.Revision) {
			c.PURL = "pkg:github/nixos/nixpkgs@" + in.Revision
		}
		if in.Name != "" {
			all = append(all, c)
		}
	}
	if e := b.inputs.emulator; e != nil {
		name, _, _ := strings.Cut(e.Name, "_")
		all = append(all, sbom.Debian(name, e.Version, "amd64", e.SHA256))
	}
	for _, p := range b.patchSums() {
		all = append(all, sbom.Component{Name: "patch of nixpkgs", SHA256: p})
	}
	return all
}

// programComponent is this program, with what is compiled into it.
func programComponent() sbom.Component {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = new(debug.BuildInfo)
	}
	return sbom.Program(info, programVersion(), licenses.ByModule())
}
