package nix

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// ValidRequisitesArgs returns the arguments that print all that derivations are built
// from: derivations, sources, and the outputs that the store has.
func ValidRequisitesArgs(i Installation, derivations ...string) []string {
	return append([]string{i.Program("nix-store"), "--query", "--requisites", "--include-outputs"}, derivations...)
}

// storeDir is where all store paths are.
const storeDir = "/nix/store/"

// PathInfoArgs returns the arguments that print what BuiltHere reads of store paths, of
// which there is at least one: without, Nix means the flake of the current folder.
func PathInfoArgs(i Installation, paths ...string) []string {
	return append([]string{i.Program("nix"), "path-info", "--json"}, paths...)
}

// SignArgs returns the arguments that sign store paths with a secret key's file.
func SignArgs(i Installation, key string, paths ...string) []string {
	return append([]string{i.Program("nix"), "store", "sign", "--log-format", "internal-json", "--recursive", "--key-file", key}, paths...)
}

// CopyArgs returns the arguments that copy store paths, with what they refer to, to
// another store. A machine that trusts its user asks for no signatures; one that does not
// asks all the same.
func CopyArgs(i Installation, store string, paths ...string) []string {
	return append([]string{i.Program("nix"), "copy", "--log-format", "internal-json", "--no-check-sigs", "--to", store}, paths...)
}

// A pathInfo is what is read here of what nix path-info --json tells of a store path.
type pathInfo struct {
	Path     string // only where infos come in a list
	Ultimate bool   // built here
	CA       any    // set for what is known by its content, as sources are

	NarHash    json.RawMessage
	NarSize    int64
	References []string
	Signatures []string
}

// BuiltHere reads the JSON of nix path-info and returns the store paths that were built
// in this store, but for sources. It knows the lists of Nix 2.18 and older, the objects
// by path since, and those by base name of --json-format 2.
func BuiltHere(r io.Reader) ([]string, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	infos, err := parsePathInfos(data)
	if err != nil {
		return nil, fmt.Errorf("nix path-info: %v", err)
	}
	var all []string
	for _, i := range infos {
		if i.Ultimate && i.CA == nil {
			if !storePath.MatchString(i.Path) {
				return nil, fmt.Errorf("nix path-info printed %q, which is no store path", i.Path)
			}
			all = append(all, i.Path)
		}
	}
	slices.Sort(all)
	return all, nil
}

func parsePathInfos(data []byte) ([]pathInfo, error) {
	var list []pathInfo
	if json.Unmarshal(data, &list) == nil {
		return list, nil
	}
	var versioned struct {
		Version int
		Info    map[string]*pathInfo
	}
	byPath := map[string]*pathInfo{}
	if json.Unmarshal(data, &versioned) == nil && versioned.Info != nil {
		byPath = versioned.Info
	} else if err := json.Unmarshal(data, &byPath); err != nil {
		return nil, err
	}
	for name, i := range byPath {
		if i == nil {
			return nil, errors.New(name + " is not in the store")
		}
		i.Path = storeDir + strings.TrimPrefix(name, storeDir)
		list = append(list, *i)
	}
	return list, nil
}
