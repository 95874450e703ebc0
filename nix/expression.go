package nix

import (
	_ "embed"
	"fmt"
	"strings"
)

// System is what images are built for, in Nix's words.
const System = "aarch64-linux"

// Refused begins what an expression of this package throws when it refuses a
// configuration.
const Refused = "nixsd-native: "

// A Target says what system an expression is of. Paths are inside the sandbox.
type Target struct {
	Module string // a module with the configuration, or, for a flake, beside it
	// Assembly is the path of a module that Assembly made, for systems that get their
	// image from nixpkgs' own sd-image.nix; empty for none. Strict refuses others.
	Assembly string
	Strict   bool
	Native   string // the machine that builds, in Nix's words, for ToolsAttr
}

// Expression returns an expression of the NixOS system that <nixpkgs> makes of a
// module.
func Expression(t Target) string {
	return expression(t, `make = modules: import <nixpkgs/nixos> {
    configuration = { imports = modules; };
    system = "`+System+`";
  };`, pathValue(t.Module))
}

// FlakeExpression returns an expression of a flake's NixOS system with a further
// module. An empty name stands for the only system that there is. An image gets the
// flake's expressions, too, at /etc/nixos.
func FlakeExpression(t Target, ref, name string, image bool) string {
	modules := pathValue(t.Module)
	if image {
		modules += " etcFlake"
	}
	return expression(t, strings.NewReplacer("@ref@", String(ref), "@name@", String(name), "@refused@", Refused).Replace(flake), modules)
}

//go:embed flake.nix.in
var flake string

//go:embed system.nix.in
var system string

// expression fills in how a system is made of modules.
func expression(t Target, make, modules string) string {
	assembly := "null"
	if t.Assembly != "" {
		assembly = pathValue(t.Assembly)
	}
	return strings.NewReplacer("@make@", make, "@modules@", modules, "@assembly@", assembly, "@strict@", fmt.Sprint(t.Strict),
		"@mark@", AssemblyMark, "@refused@", Refused, "@system@", System, "@native@", String(t.Native)).Replace(system)
}

//go:embed assembly.nix
var assembly string

// AssemblyMark begins what the module of Assembly says, as a trace, if this nixpkgs
// cannot be assembled natively; the reason follows.
const AssemblyMark = "nixsd-native assembles with emulated tools: "

// Assembly returns the module that lets tools of nativeSystem assemble the image, if
// nixpkgs is of a kind that allows it. If strict, any other kind is refused.
func Assembly(nativeSystem string, strict bool) string {
	return strings.NewReplacer("@nativeSystem@", nativeSystem, "@strict@", fmt.Sprint(strict),
		"@mark@", AssemblyMark, "@refused@", Refused).Replace(assembly)
}

//go:embed etc-nixos.nix
var etcNixos string

// EtcNixos returns the module that puts a configuration into the image, to
// /etc/nixos: the file main, what it imports by relative paths, and further modules.
// Paths are absolute.
func EtcNixos(main string, more ...string) string {
	return strings.NewReplacer("@main@", pathValue(main), "@more@", strings.Join(more, " ")).Replace(etcNixos)
}

//go:embed without-zfs.nix
var withoutZFS string

// WithoutZFS returns the module that leaves ZFS out of the image.
func WithoutZFS() string { return withoutZFS }

// Wrapper returns a module that imports others, by absolute path.
func Wrapper(modules ...string) string {
	imports := make([]string, len(modules))
	for i, m := range modules {
		imports[i] = pathValue(m)
	}
	return "{ imports = [ " + strings.Join(imports, " ") + " ]; }\n"
}

// pathValue is an expression of an absolute path, whatever characters are in it.
func pathValue(name string) string { return "(/. + " + String(name) + ")" }
