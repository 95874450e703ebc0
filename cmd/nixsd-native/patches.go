package main

import (
	"fmt"
	"path/filepath"

	"nixsd-native/nix"
	"nixsd-native/sandbox"
)

// maxPatch bounds all patches together in bytes; they travel to the sandbox in one
// message.
const maxPatch = 4 << 20

// readPatches reads what nixpkgs is to be changed by, and puts it into the sandbox.
func (b *build) readPatches() error {
	add := func(name string, data []byte) {
		b.patches = append(b.patches, data)
		b.changes = append(b.changes, sandbox.File{Path: nix.PatchDir + "/" + name, Mode: 0o644, Data: data})
	}
	if b.nixos.resize2fs {
		add(nix.ResizePatch, []byte(nix.ResizePatch))
	}
	total := 0
	for i, name := range b.nixos.patches {
		f, err := b.privileges.Open(name)
		if err != nil {
			return usageErrorf("name an existing file with --patch", "--patch %s: %v", name, bare(err))
		}
		data, err := readAllBounded(f, name, maxPatch)
		f.Close()
		if err != nil {
			return usageErrorf("name a patch, a unified diff, with --patch", "--patch %s: %v", name, bare(err))
		}
		if total += len(data); total > maxPatch {
			return usageErrorf("make them smaller, or change nixpkgs and name it with --nixpkgs", "the patches have more than %d bytes", maxPatch)
		}
		add(fmt.Sprintf("%03d-%s", i+1, filepath.Base(name)), data)
	}
	return nil
}
