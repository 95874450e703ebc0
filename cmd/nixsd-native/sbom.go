package main

import (
	"context"
	"io"
	"maps"
	"runtime/debug"
	"slices"
	"strings"

	"nixsd-native/internal/demo"
	"nixsd-native/internal/licenses"
	"nixsd-native/internal/sbom"
	"nixsd-native/nix"
	"nixsd-native/sandbox"
)

// closure asks Nix once what goes into all images. What the store lacks, as the image came
// out of a cache, the caches tell; what none tells is not in the answer.
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
	closure := map[string]nix.ClosurePath{}
	if len(roots) > 0 {
		if out, err = b.runNix(ctx, nix.ClosureArgs(b.nix, "", roots...), b.nixEnv); err != nil {
			return nil, err
		}
		if closure, err = nix.ParseClosure(strings.NewReader(out)); err != nil {
			return nil, err
		}
	}
	for _, root := range missing {
		maps.Copy(closure, b.cachedClosure(ctx, root))
	}
	return closure, ctx.Err()
}

// cachedClosure is what the first cache says that knows a path, if trusted keys signed all
// of it.
func (b *build) cachedClosure(ctx context.Context, root string) map[string]nix.ClosurePath {
	for _, cache := range b.caches {
		var out strings.Builder
		exit, err := b.runInSandbox(ctx, sandbox.Command{Argv: nix.ClosureArgs(b.nix, cache.URL, root), Env: b.nixEnv, Dir: "/"}, nil,
			func(r io.Reader) { io.Copy(&out, io.LimitReader(r, maxNixOutput)) },
			func(r io.Reader) { io.Copy(io.Discard, r) })
		if err != nil || exit != (sandbox.Exit{}) {
			continue
		}
		if closure, err := nix.ParseClosure(strings.NewReader(out.String())); err == nil && b.allSigned(closure) {
			return closure
		}
	}
	return nil
}

func (b *build) allSigned(closure map[string]nix.ClosurePath) bool {
	for _, p := range closure {
		if ok, err := p.Signed(b.trusted); err != nil || !ok {
			return false
		}
	}
	return true
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
		b.rep.Warn("the bill of materials of %s is incomplete: neither the store nor a cache tells what is in the image", name)
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
