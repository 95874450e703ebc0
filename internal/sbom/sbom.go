// Package sbom writes bills of materials, of an image and of this program, as JSON of
// CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/). The same materials make the same
// bytes: there is no time in it, and its serial number is made of the rest.
package sbom

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// A Component is something that an image, or a program, is made of or by.
type Component struct {
	Name     string
	Version  string
	SHA256   string   // hex
	PURL     string   // package URL, https://github.com/package-url/purl-spec
	Licenses []string // SPDX expressions, all of which hold

	Properties map[string]string
	Parts      []Component

	kind cdx.ComponentType
	ref  string
}

// Debian returns a Debian package. Its file is what sha256 is of.
func Debian(name, version, arch, sha256 string) Component {
	return Component{
		Name: name, Version: version, SHA256: sha256, kind: cdx.ComponentTypeLibrary,
		PURL: "pkg:deb/debian/" + escape(name) + "@" + escape(version) + "?arch=" + escape(arch),
	}
}

// escape is the percent-encoding of package URLs.
func escape(s string) string {
	return strings.NewReplacer("%3A", ":", "+", "%20").Replace(url.QueryEscape(s))
}

// identity is the component's bom-ref: it has to be the document's only one of it.
func (c Component) identity() string {
	for _, id := range []string{c.ref, c.PURL} {
		if id != "" {
			return id
		}
	}
	return strings.TrimSuffix("input:"+c.Name+"@"+c.SHA256, "@")
}

func (c Component) cdx() cdx.Component {
	out := cdx.Component{BOMRef: c.identity(), Type: c.kind, Name: c.Name, Version: c.Version, PackageURL: c.PURL}
	if out.Type == "" {
		out.Type = cdx.ComponentTypeFile
	}
	if c.SHA256 != "" {
		out.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: c.SHA256}}
	}
	if len(c.Licenses) > 0 {
		var all cdx.Licenses
		for _, id := range c.Licenses {
			all = append(all, cdx.LicenseChoice{License: &cdx.License{ID: id}})
		}
		out.Licenses = &all
	}
	out.Properties = properties(c.Properties)
	if len(c.Parts) > 0 {
		out.Components = components(c.Parts)
	}
	return out
}

func components(all []Component) *[]cdx.Component {
	out := []cdx.Component{}
	for _, c := range all {
		out = append(out, c.cdx())
	}
	slices.SortFunc(out, func(a, b cdx.Component) int { return strings.Compare(a.BOMRef, b.BOMRef) })
	return &out
}

func properties(values map[string]string) *[]cdx.Property {
	var all []cdx.Property
	for name, value := range values {
		if value != "" {
			all = append(all, cdx.Property{Name: name, Value: value})
		}
	}
	if all == nil {
		return nil
	}
	slices.SortFunc(all, func(a, b cdx.Property) int { return strings.Compare(a.Name, b.Name) })
	return &all
}

// write writes a document with a serial number made of its content, as a UUID of version 8
// (RFC 9562, section 5.8).
func write(w io.Writer, bom *cdx.BOM) error {
	var text bytes.Buffer
	if err := encode(&text, bom); err != nil {
		return err
	}
	sum := sha256.Sum256(text.Bytes())
	id := sum[:16]
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	bom.SerialNumber = fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
	return encode(w, bom)
}

func encode(w io.Writer, bom *cdx.BOM) error {
	e := cdx.NewBOMEncoder(w, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false)
	return e.EncodeVersion(bom, cdx.SpecVersion1_6)
}
