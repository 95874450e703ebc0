package main

import (
	"cmp"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// A flakeRef is what --flake says, taken apart.
type flakeRef struct {
	Ref  string // as Nix takes it inside the sandbox, without the name
	Name string // of nixosConfigurations, or ""
	// Dir is the folder on the host that the sandbox must see, or "" for a flake that
	// Nix fetches: the flake's, or that of the git work tree it lies in.
	Dir string
}

// parseFlake reads REF#NAME. A path is a local flake; anything else is Nix's matter.
func parseFlake(s string, places placer) (flakeRef, error) {
	ref, name, _ := strings.Cut(s, "#")
	name = strings.TrimPrefix(name, "nixosConfigurations.")
	if ref == "" {
		ref = "."
	}
	if strings.HasPrefix(ref, "git+file:") || strings.HasPrefix(ref, "~") {
		return flakeRef{}, usageErrorf("name the folder itself, such as .#rpi", "--flake %s: the build's root has other paths than this machine", s)
	}
	if !isLocalFlake(ref) {
		return flakeRef{Ref: ref, Name: name}, nil
	}
	dir, err := filepath.EvalSymlinks(strings.TrimPrefix(ref, "path:"))
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return flakeRef{}, usageErrorf("name the folder with flake.nix, such as .#rpi", "--flake %s: %v", s, bare(err))
	}
	if _, err := os.Stat(filepath.Join(dir, "flake.nix")); err != nil {
		return flakeRef{}, usageErrorf("name the folder with flake.nix, such as .#rpi", "--flake %s: %s has no flake.nix", s, dir)
	}
	return localFlake(dir, name, strings.HasPrefix(ref, "path:"), places), nil
}

// isLocalFlake tells a path from a URL-like reference and from a name of the registry.
func isLocalFlake(ref string) bool {
	return strings.HasPrefix(ref, ".") || strings.HasPrefix(ref, "/") || strings.HasPrefix(ref, "path:")
}

// localFlake refers to a folder as the sandbox sees it. In a git work tree Nix sees
// what git tracks, so all of the tree must be there.
func localFlake(dir, name string, plain bool, places placer) flakeRef {
	for top := dir; !plain; top = filepath.Dir(top) {
		info, err := os.Stat(filepath.Join(top, ".git"))
		if err == nil && !info.IsDir() { // of a linked work tree or a submodule
			break
		}
		if err == nil {
			f := flakeRef{Ref: "git+file://" + places.place(top), Name: name, Dir: top}
			if sub, err := filepath.Rel(top, dir); err == nil && sub != "." {
				f.Ref += "?dir=" + url.PathEscape(sub)
			}
			return f
		}
		if top == filepath.Dir(top) {
			break
		}
	}
	return flakeRef{Ref: "path:" + places.place(dir), Name: name, Dir: dir}
}

// folderOfFlake is the folder of a local flake, beside whose flake.nix the lock file
// lies, or "".
func folderOfFlake(flake string) string {
	ref, _, _ := strings.Cut(flake, "#")
	if ref == "" || isLocalFlake(ref) {
		return cmp.Or(strings.TrimPrefix(ref, "path:"), ".")
	}
	return ""
}
