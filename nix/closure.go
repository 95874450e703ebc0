package nix

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/nix-community/go-nix/pkg/narinfo"
	"github.com/nix-community/go-nix/pkg/narinfo/signature"
	"github.com/nix-community/go-nix/pkg/nixhash"
)

// ContentsAttr is where the expressions of this package have a derivation that is never
// built: its variable roots names the store paths whose closure goes into the image.
const ContentsAttr = "nixsdContents"

// ContentsRoots reads the store paths from the file of ContentsAttr's derivation. A system
// that puts none into its image has none.
func ContentsRoots(r io.Reader) ([]string, error) {
	d, err := readDerivation(r)
	if err != nil {
		return nil, err
	}
	roots := strings.Fields(d.Env["roots"])
	for _, p := range roots {
		if !storePath.MatchString(p) {
			return nil, fmt.Errorf("the image's contents name %q, which is no store path", p)
		}
	}
	slices.Sort(roots)
	return slices.Compact(roots), nil
}

// ClosureArgs returns the arguments that print what ParseClosure reads of store paths and
// all that they refer to, in the store or in a binary cache.
func ClosureArgs(i Installation, cache string, roots ...string) []string {
	args := []string{i.Program("nix"), "path-info", "--json", "--recursive"}
	if cache != "" {
		args = append(args, "--store", cache)
	}
	return append(args, roots...)
}

// A ClosurePath is a store path with what Nix's database knows of it.
type ClosurePath struct {
	Path       string
	NarSHA256  string // hex, of the path's NAR
	NarSize    int64  // bytes
	References []string

	signed Narinfo
}

// Signed reports whether a path is signed by one of the keys, NAME:BASE64: what a cache
// says of it is only then worth something.
func (p ClosurePath) Signed(keys []string) (bool, error) { return p.signed.Trusted(keys) }

// ParseClosure reads the JSON of nix path-info, in the forms that BuiltHere knows, into the
// closure by path.
func ParseClosure(r io.Reader) (map[string]ClosurePath, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	infos, err := parsePathInfos(data)
	if err != nil {
		return nil, fmt.Errorf("nix path-info: %v", err)
	}
	closure := map[string]ClosurePath{}
	for _, i := range infos {
		p, err := i.closurePath()
		if err != nil {
			return nil, fmt.Errorf("nix path-info of %q: %v", i.Path, err)
		}
		closure[p.Path] = p
	}
	for _, p := range closure {
		for _, ref := range p.References {
			if _, ok := closure[ref]; !ok {
				return nil, fmt.Errorf("nix path-info printed no info of %q, which %s refers to", ref, p.Path)
			}
		}
	}
	return closure, nil
}

func (i *pathInfo) closurePath() (ClosurePath, error) {
	if !storePath.MatchString(i.Path) {
		return ClosurePath{}, errors.New("no store path")
	}
	hash, err := narHash(i.NarHash)
	if err != nil {
		return ClosurePath{}, err
	}
	info := &narinfo.NarInfo{StorePath: i.Path, NarHash: hash, NarSize: uint64(max(i.NarSize, 0))}
	p := ClosurePath{Path: i.Path, NarSHA256: hex.EncodeToString(hash.Digest()), NarSize: i.NarSize, signed: Narinfo{StorePath: i.Path, info: info}}
	for _, ref := range i.References {
		p.References = append(p.References, storeDir+strings.TrimPrefix(ref, storeDir))
	}
	slices.Sort(p.References)
	for _, ref := range p.References {
		info.References = append(info.References, strings.TrimPrefix(ref, storeDir))
	}
	for _, s := range i.Signatures {
		signed, err := signature.ParseSignature(s)
		if err != nil {
			return ClosurePath{}, fmt.Errorf("signature %.100q: %v", s, err)
		}
		info.Signatures = append(info.Signatures, signed)
	}
	return p, nil
}

// narHash reads a sha256: text in base 16, 32 or 64, behind "sha256:" or "sha256-", or, in
// --json-format 2, an object of algorithm, format and hash.
func narHash(raw json.RawMessage) (*nixhash.HashWithEncoding, error) {
	var object struct{ Algorithm, Format, Hash string }
	var text string
	if json.Unmarshal(raw, &text) != nil {
		if err := json.Unmarshal(raw, &object); err != nil {
			return nil, errors.New("no hash")
		}
		text = object.Algorithm + ":" + object.Hash
	}
	hash, err := nixhash.ParseAny(text, nil)
	// The library takes 44 characters for base 64, which without "=" are of 33 bytes.
	if err != nil || hash.Algo() != nixhash.SHA256 || len(hash.Digest()) != sha256.Size {
		return nil, fmt.Errorf("%.100q is no sha256", text)
	}
	return hash, nil
}

// Reachable returns those of a closure that roots refer to, and roots themselves, sorted.
func Reachable(closure map[string]ClosurePath, roots []string) []ClosurePath {
	seen := map[string]bool{}
	var all []ClosurePath
	for todo := slices.Clone(roots); len(todo) > 0; {
		path := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[path] {
			continue
		}
		seen[path] = true
		all = append(all, closure[path])
		todo = append(todo, closure[path].References...)
	}
	slices.SortFunc(all, func(a, b ClosurePath) int { return strings.Compare(a.Path, b.Path) })
	return all
}

// SplitName takes the name behind a store path's hash apart as Nix's parseDrvName does: the
// version begins behind the first dash that no letter follows.
func SplitName(path string) (name, version string) {
	_, name, _ = strings.Cut(strings.TrimPrefix(path, storeDir), "-")
	for i := 0; i+1 < len(name); i++ {
		next := name[i+1] | 0x20 // in lower case, if it is a letter
		if name[i] == '-' && (next < 'a' || next > 'z') {
			return name[:i], name[i+1:]
		}
	}
	return name, ""
}
