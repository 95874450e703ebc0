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

// guard lets a system pass if it is for the board.
const guard = `if system.pkgs.stdenv.hostPlatform.system == "` + System + `" then
  system
else
  throw "` + Refused + `this builds for ` + System + ` only, and the configuration is for ${system.pkgs.stdenv.hostPlatform.system}"
`

// Expression returns an expression of the NixOS system that <nixpkgs> makes of a
// module, by the module's path.
func Expression(module string) string {
	return fmt.Sprintf(`let
  system = import <nixpkgs/nixos> {
    configuration = %s;
    system = "%s";
  };
in
%s`, module, System, guard)
}

// etcFlake is a module that puts a flake's files into the image, to /etc/nixos.
const etcFlake = `
      ({ lib, ... }: {
        sdImage.populateRootCommands = lib.mkAfter "\nmkdir -p ./files/etc/nixos\ncp -R ${flake.outPath}/. ./files/etc/nixos/\nchmod -R u+w ./files/etc/nixos\n";
      })`

// FlakeExpression returns an expression of a flake's NixOS system with a further
// module, by path. An empty name stands for the only system that there is. An image
// gets the flake's files, too, at /etc/nixos.
func FlakeExpression(ref, name, module string, image bool) string {
	modules := pathValue(module)
	if image {
		modules += etcFlake
	}
	return fmt.Sprintf(`let
  flake = builtins.getFlake %s;
  all = flake.nixosConfigurations or { };
  names = builtins.attrNames all;
  known = if names == [ ] then "it has none" else "it has ${builtins.concatStringsSep ", " names}";
  wanted = %s;
  name =
    if wanted != "" then
      wanted
    else if builtins.length names == 1 then
      builtins.head names
    else
      throw "%sname one of the flake's nixosConfigurations behind #: ${known}";
  found = all.${name} or (throw "%sthe flake has no nixosConfigurations.${name}: ${known}");
  system = found.extendModules {
    modules = [
      %s
    ];
  };
in
%s`, String(ref), String(name), Refused, Refused, modules, guard)
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
