package sbom

import (
	"encoding/base64"
	"encoding/hex"
	"io"
	"runtime/debug"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// Program returns this program with the modules that are compiled into it, as Go's linker
// recorded them. licenses are SPDX identifiers by module, where they are known.
func Program(info *debug.BuildInfo, version string, licenses map[string][]string) Component {
	c := Component{Name: info.Main.Path, Version: version, ref: "program", kind: cdx.ComponentTypeApplication, Properties: map[string]string{}}
	for _, s := range info.Settings {
		switch s.Key {
		case "GOOS", "GOARCH", "CGO_ENABLED", "vcs.revision", "vcs.modified":
			c.Properties["go:"+s.Key] = s.Value
		}
	}
	goVersion := strings.TrimPrefix(info.GoVersion, "go")
	c.Parts = append(c.Parts, Component{
		Name: "std", Version: goVersion, PURL: "pkg:golang/std@" + escape(goVersion), kind: cdx.ComponentTypeLibrary, Licenses: licenses["std"],
	})
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		c.Parts = append(c.Parts, Component{
			Name: m.Path, Version: m.Version, SHA256: moduleHash(m.Sum), kind: cdx.ComponentTypeLibrary, Licenses: licenses[m.Path],
			PURL: "pkg:golang/" + strings.ReplaceAll(escape(strings.ToLower(m.Path)), "%2F", "/") + "@" + escape(m.Version),
		})
	}
	return c
}

// moduleHash is go.sum's h1 in hex: a sha256 over the sha256 of each file of the module.
func moduleHash(sum string) string {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(sum, "h1:"))
	if err != nil {
		return ""
	}
	return hex.EncodeToString(raw)
}

// WriteProgram writes the program's own bill of materials.
func WriteProgram(w io.Writer, program Component) error {
	main := program
	main.Parts = nil
	bom := cdx.NewBOM()
	component := main.cdx()
	bom.Metadata = &cdx.Metadata{Component: &component}
	bom.Components = components(program.Parts)
	bom.Dependencies = &[]cdx.Dependency{dependency(component.BOMRef, refs(program.Parts))}
	return write(w, bom)
}
