package nix

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// Folders inside the sandbox that a bundle is made in, below one that is removed after.
const (
	bundleDir   = ownDir + "/bundle"
	bundleCache = bundleDir + "/cache"
)

// EmptyStore is the URL of a store without anything in it, below /nix: what Nix says
// that it would do there, a machine with nothing has to do.
const EmptyStore = "local?root=/nix/" + bundleDir + "/store"

// BundleFile returns the path of a file of the binary cache that CopyToCacheArgs fills.
func BundleFile(name string) string { return "/nix/" + bundleCache + "/" + name }

// CopyDerivationsArgs returns the arguments that copy derivations, and all that
// evaluation put into the store for them, to EmptyStore.
func CopyDerivationsArgs(i Installation, derivations ...string) []string {
	return append([]string{
		i.Program("nix"), "copy", "--log-format", "internal-json", "--derivation", "--no-check-sigs", "--to", EmptyStore,
	}, derivations...)
}

// CopyToCacheArgs returns the arguments that copy store paths, and what they refer to,
// to the binary cache of a bundle. NARs are not compressed, as the bundle is.
func CopyToCacheArgs(i Installation, paths ...string) []string {
	return append([]string{
		i.Program("nix"), "copy", "--log-format", "internal-json", "--no-check-sigs", "--to", "file://" + BundleFile("") + "?compression=none",
	}, paths...)
}

// CopyFromCacheArgs returns the arguments that copy store paths from a binary cache, if
// they are content-addressed or signed by a trusted key.
func CopyFromCacheArgs(i Installation, cache string, paths ...string) []string {
	return append([]string{i.Program("nix"), "copy", "--log-format", "internal-json", "--from", cache}, paths...)
}

// FetchArgs returns the arguments that get store paths from binary caches, or build
// derivations, with no link to the results.
func FetchArgs(i Installation, paths ...string) []string {
	return append([]string{i.Program("nix-store"), "--log-format", "internal-json", "--realise"}, paths...)
}

// FlakeInputsArgs returns the arguments that fetch a flake's inputs and print where they
// are in the store, for ParseFlakeInputs.
func FlakeInputsArgs(i Installation, ref string) []string {
	return []string{i.Program("nix"), "flake", "archive", "--log-format", "internal-json", "--json", "--no-write-lock-file", ref}
}

// ParseFlakeInputs reads the store paths of a flake and of all its inputs.
func ParseFlakeInputs(output string) ([]string, error) {
	type node struct {
		Path   string
		Inputs map[string]json.RawMessage
	}
	var all []string
	todo := []json.RawMessage{json.RawMessage(output)}
	for len(todo) > 0 {
		var n node
		if err := json.Unmarshal(todo[0], &n); err != nil {
			return nil, fmt.Errorf("nix flake archive printed: %v", err)
		}
		todo = todo[1:]
		if n.Path != "" {
			if !storePath.MatchString(n.Path) {
				return nil, fmt.Errorf("nix printed %q, which is no store path", n.Path)
			}
			all = append(all, n.Path)
		}
		for _, input := range n.Inputs {
			todo = append(todo, input)
		}
	}
	return all, nil
}

// WithoutDerivations returns those of a derivation's requisites that are none themselves:
// of what RequisitesArgs prints, what evaluation put into the store; of what
// ValidRequisitesArgs prints, outputs, too.
func WithoutDerivations(requisites string) []string {
	var all []string
	for p := range strings.FieldsSeq(requisites) {
		if storePath.MatchString(p) && !strings.HasSuffix(p, ".drv") {
			all = append(all, p)
		}
	}
	return all
}

// A CacheFile is a file of a bundle's binary cache.
type CacheFile struct {
	Name   string // below the cache's folder
	Size   int64  // bytes
	SHA256 string // hex
}

// listCache visits the files of the binary cache in the folder dir of root.
func listCache(ctx context.Context, root *os.Root, dir string, visit func(CacheFile) error) error {
	return fs.WalkDir(root.FS(), dir, func(name string, d fs.DirEntry, err error) error {
		if err := errors.Join(err, ctx.Err()); err != nil || d.IsDir() {
			return err
		}
		f, err := root.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		sum := sha256.New()
		n, err := io.Copy(sum, f)
		if err != nil {
			return err
		}
		return visit(CacheFile{strings.TrimPrefix(name, dir+"/"), n, hex.EncodeToString(sum.Sum(nil))})
	})
}

// runBundleStep lists a bundle's binary cache, or removes the folder it is made in.
func runBundleStep(ctx context.Context, step, nixDir string, out *json.Encoder) error {
	root, err := os.OpenRoot(nixDir)
	if err != nil {
		return err
	}
	defer root.Close()
	if step == StepBundleRemove {
		return errors.Join(removeTree(root, bundleDir), root.MkdirAll(path.Dir(bundleDir), 0o755))
	}
	return listCache(ctx, root, bundleCache, func(f CacheFile) error { return out.Encode(InsideMessage{File: &f}) })
}
