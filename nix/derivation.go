package nix

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/nix-community/go-nix/pkg/derivation"
	"github.com/nix-community/go-nix/pkg/nixbase32"
	"github.com/nix-community/go-nix/pkg/nixhash"
)

// maxDerivation bounds a derivation's file in bytes; an image's has some 10 kB.
const maxDerivation = 16 << 20

func readDerivation(r io.Reader) (*derivation.Derivation, error) {
	d, err := derivation.ReadDerivation(io.LimitReader(r, maxDerivation))
	if err != nil {
		return nil, fmt.Errorf("read the derivation: %v", err)
	}
	return d, nil
}

// DerivationSystem reads what system a derivation is built on from its file in the
// store.
func DerivationSystem(r io.Reader) (string, error) {
	d, err := readDerivation(r)
	if err != nil {
		return "", err
	}
	return d.Platform, nil
}

// DerivationDownloads reads from a derivation's file where it downloads from; there may be
// no URL. ok is false if it downloads nothing: only a derivation whose output has a fixed
// hash may reach a network, and of these a download names a URL that is no file's, or wants
// to be told of proxies, as nixpkgs's fetchers of whole trees of dependencies do
// (fetchers.proxyImpureEnvVars).
func DerivationDownloads(r io.Reader) (urls []string, ok bool, err error) {
	d, err := readDerivation(r)
	if err != nil {
		return nil, false, err
	}
	if out := d.Outputs["out"]; out == nil || out.Hash == "" {
		return nil, false, nil
	}
	env := attributes(d.Env)
	for _, url := range append(env("urls"), env("url")...) {
		if strings.HasPrefix(url, "file://") {
			return nil, false, nil
		}
		if strings.Contains(url, "://") && !slices.Contains(urls, url) {
			urls = append(urls, url)
		}
	}
	return urls, len(urls) > 0 || slices.Contains(env("impureEnvVars"), "http_proxy"), nil
}

// FetchedPath returns the store path of a file that builtins.fetchurl fetches under a
// name, by its sha256 in hex: that of a flat output with a fixed hash, see the chapter on
// store paths in Nix's manual.
func FetchedPath(name, sha256Hex string) string {
	inner := sha256.Sum256([]byte("fixed:out:sha256:" + sha256Hex + ":"))
	outer := sha256.Sum256(fmt.Appendf(nil, "output:out:sha256:%x:/nix/store:%s", inner, name))
	const hashBytes = 20 // of a store path's name
	return "/nix/store/" + nixbase32.EncodeToString(nixhash.CompressHash(outer[:], hashBytes)) + "-" + name
}

// attributes returns a function that looks up a list of words, which Nix writes into
// one variable or, with __structuredAttrs, into JSON in the variable __json.
func attributes(env map[string]string) func(name string) []string {
	var structured map[string]any
	json.Unmarshal([]byte(env["__json"]), &structured) // without it there are none
	return func(name string) []string {
		words := strings.Fields(env[name])
		switch v := structured[name].(type) {
		case string:
			words = append(words, v)
		case []any:
			for _, e := range v {
				if word, ok := e.(string); ok {
					words = append(words, word)
				}
			}
		}
		return words
	}
}

// FixedOutput reads from a derivation's file in the store whether it is of a fixed
// output: a download, whose hash is known beforehand.
func FixedOutput(r io.Reader) (bool, error) {
	d, err := readDerivation(r)
	if err != nil {
		return false, err
	}
	out, ok := d.Outputs["out"]
	return ok && len(d.Outputs) == 1 && out.Hash != "", nil
}
