package nix

// ToolsAttr is where a flake's expression and Tools have the programs that change file
// systems (e2fsprogs), of the machine that builds.
const ToolsAttr = "nixsdTools"

// toolsLink keeps them, as long as the store lives.
const toolsLink = "/nix/var/nix/gcroots/nixsd-tools"

// Tools returns an expression of <nixpkgs> with ToolsAttr for a machine of nativeSystem.
func Tools(nativeSystem string) string {
	return "{ " + ToolsAttr + " = (import <nixpkgs> { system = " + String(nativeSystem) + "; config = { }; overlays = [ ]; }).e2fsprogs; }\n"
}

// ToolsArgs returns the arguments that make the tools of an expression available, and
// print their store path, which has bin/debugfs.
func ToolsArgs(i Installation, b Build) []string {
	args := []string{i.Program("nix-build"), b.Expression, "--attr", ToolsAttr, "--log-format", "internal-json", "--out-link", toolsLink}
	if b.Nixpkgs != "" {
		args = append(args, "-I", "nixpkgs="+b.Nixpkgs)
	}
	return args
}
