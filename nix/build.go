package nix

import (
	"cmp"
	"fmt"
	"strings"
)

// DefaultAttr is what a build of NixOS builds.
const DefaultAttr = "config.system.build.sdImage"

// A Build says what is evaluated. Paths are inside the sandbox.
type Build struct {
	Nixpkgs    string // folder of a channel, found as <nixpkgs>; empty for a flake
	Expression string // file of an expression, see Expression and FlakeExpression
	Attr       string // empty means DefaultAttr
	Trace      bool   // show where in the expressions an error arose
}

// ResultLink is the link, and thereby the garbage collector's root, of the last
// result.
const ResultLink = "/nix/var/nix/gcroots/nixsd-result"

// InstantiateArgs returns the arguments that evaluate b to a derivation, whose path
// is printed.
func InstantiateArgs(i Installation, b Build) []string {
	args := []string{
		i.Program("nix-instantiate"), "--log-format", "internal-json",
		"--attr", cmp.Or(b.Attr, DefaultAttr), b.Expression,
	}
	if b.Nixpkgs != "" {
		args = append(args, "-I", "nixpkgs="+b.Nixpkgs)
	}
	if b.Trace {
		args = append(args, "--show-trace")
	}
	return args
}

// RealiseArgs returns the arguments that build a derivation; the output's path is
// printed.
func RealiseArgs(i Installation, derivation string, keepGoing bool) []string {
	args := []string{
		i.Program("nix-build"), derivation, "--log-format", "internal-json", "--out-link", ResultLink,
	}
	if keepGoing {
		args = append(args, "--keep-going")
	}
	return args
}

// home is where Nix keeps what it fetches during evaluation: with the store, as that
// may be large and saves a download the next time.
const home = "/nix/" + ownDir + "/home"

// Env returns the environment of Nix's programs: nothing of the host's but the
// given variables.
func Env(i Installation, caBundle string, extra []string) []string {
	return append([]string{
		"HOME=" + home, "USER=root", "PATH=" + i.Nix + "/bin", "LANG=C.UTF-8", "TERM=dumb",
		"NIX_SSL_CERT_FILE=" + caBundle,
	}, extra...)
}

// ParsePath reads the one store path, of a derivation or an output, that Nix
// printed.
func ParsePath(output string) (string, error) {
	lines := strings.Fields(output)
	if len(lines) != 1 {
		return "", fmt.Errorf("nix printed %d paths instead of one", len(lines))
	}
	if !storePath.MatchString(lines[0]) {
		return "", fmt.Errorf("nix printed %q, which is no store path", lines[0])
	}
	return lines[0], nil
}
