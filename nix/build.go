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

// InstantiateArgs returns the arguments that evaluate b to a derivation and, in the same
// run, that of ContentsAttr; their paths are printed.
func InstantiateArgs(i Installation, b Build) []string {
	args := []string{
		i.Program("nix-instantiate"), "--log-format", "internal-json",
		"--attr", cmp.Or(b.Attr, DefaultAttr), "--attr", ContentsAttr, b.Expression,
	}
	if b.Nixpkgs != "" {
		args = append(args, "-I", "nixpkgs="+b.Nixpkgs)
	}
	if b.Trace {
		args = append(args, "--show-trace")
	}
	return args
}

// RealiseArgs returns the arguments that build derivations; the outputs' paths are
// printed, in order.
func RealiseArgs(i Installation, keepGoing bool, derivations ...string) []string {
	args := append([]string{i.Program("nix-build")}, derivations...)
	args = append(args, "--log-format", "internal-json", "--out-link", ResultLink)
	if keepGoing {
		args = append(args, "--keep-going")
	}
	return args
}

// OutputsArgs returns the arguments that print the store paths of a derivation's outputs.
func OutputsArgs(i Installation, derivation string) []string {
	return []string{i.Program("nix-store"), "--query", "--outputs", derivation}
}

// InvalidArgs returns the arguments that print those of the store paths that the store
// does not have.
func InvalidArgs(i Installation, paths ...string) []string {
	return append([]string{i.Program("nix-store"), "--check-validity", "--print-invalid"}, paths...)
}

// RequisitesArgs returns the arguments that print all that derivations are built from,
// derivations included, and themselves.
func RequisitesArgs(i Installation, derivations ...string) []string {
	return append([]string{i.Program("nix-store"), "--query", "--requisites"}, derivations...)
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
	paths, err := ParsePaths(output, 1)
	if err != nil {
		return "", err
	}
	return paths[0], nil
}

// ParsePaths reads the n store paths that Nix printed.
func ParsePaths(output string, n int) ([]string, error) {
	paths := strings.Fields(output)
	if len(paths) != n {
		return nil, fmt.Errorf("nix printed %d store paths instead of %d", len(paths), n)
	}
	for _, p := range paths {
		if !storePath.MatchString(p) {
			return nil, fmt.Errorf("nix printed %q, which is no store path", p)
		}
	}
	return paths, nil
}
