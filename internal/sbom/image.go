package sbom

import (
	"io"
	"slices"
	"strconv"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// A StorePath is one of an image's closure.
type StorePath struct {
	Path       string
	Name       string
	Version    string
	NarSHA256  string // hex
	NarSize    int64  // bytes
	References []string
}

// An Image is what the bill of materials of an image says.
type Image struct {
	Name      string // of the file
	SHA256    string // likewise, in hex
	StorePath string // of the result that it was taken from
	Tool      Component

	Roots    []string // of the closure
	Closure  []StorePath
	Unknown  bool        // the store does not tell the closure
	Packages []Component // further ones whose files are in the image
	Inputs   []Component // what it was made of or with
}

// Write writes the image's bill of materials.
func (i Image) Write(w io.Writer) error {
	image := Component{
		Name: i.Name, SHA256: i.SHA256, ref: "image", kind: cdx.ComponentTypeOS,
		Properties: map[string]string{"nix:output_path": i.StorePath},
	}.cdx()
	all := slices.Clone(i.Packages)
	needs := []cdx.Dependency{dependency(image.BOMRef, i.Roots, refs(i.Packages)...)}
	for _, p := range i.Closure {
		all = append(all, p.component())
		needs = append(needs, dependency(p.Path, p.References))
	}
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Component: &image, Tools: &cdx.ToolsChoice{Components: components([]Component{i.Tool})}}
	bom.Components, bom.Dependencies = components(all), &needs
	bom.Formulation = &[]cdx.Formula{{BOMRef: "inputs", Components: components(i.Inputs)}}
	bom.Compositions = i.completeness(cdx.BOMReference(image.BOMRef))
	return write(w, bom)
}

// completeness says whether the closure is told whole. Of files that are copied into the
// image, such as a board's firmware, nothing is claimed.
func (i Image) completeness(image cdx.BOMReference) *[]cdx.Composition {
	closure := cdx.CompositionAggregateComplete
	if i.Unknown {
		closure = cdx.CompositionAggregateIncomplete
	}
	return &[]cdx.Composition{
		{Aggregate: closure, Dependencies: &[]cdx.BOMReference{image}},
		{Aggregate: cdx.CompositionAggregateUnknown, Assemblies: &[]cdx.BOMReference{image}},
	}
}

// component names a store path as sbomnix does. The hash is that of the path's NAR, the
// only one that Nix has of a folder.
func (p StorePath) component() Component {
	c := Component{
		Name: p.Name, Version: p.Version, SHA256: p.NarSHA256, ref: p.Path, kind: cdx.ComponentTypeApplication, PURL: "pkg:nix/" + escape(p.Name),
		Properties: map[string]string{"nix:output_path": p.Path, "nix:nar_size": strconv.FormatInt(p.NarSize, 10)},
	}
	if p.Version != "" {
		c.PURL += "@" + escape(p.Version)
	}
	return c
}

func refs(all []Component) []string {
	var ids []string
	for _, c := range all {
		ids = append(ids, c.identity())
	}
	return ids
}

// dependency says what something refers to, itself left out.
func dependency(ref string, to []string, more ...string) cdx.Dependency {
	all := slices.Concat(to, more)
	all = slices.DeleteFunc(all, func(r string) bool { return r == ref })
	slices.SortFunc(all, strings.Compare)
	all = slices.Compact(all)
	return cdx.Dependency{Ref: ref, Dependencies: &all}
}
