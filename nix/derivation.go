package nix

import (
	"fmt"
	"io"

	"github.com/nix-community/go-nix/pkg/derivation"
)

// maxDerivation bounds a derivation's file in bytes; an image's has some 10 kB.
const maxDerivation = 16 << 20

// DerivationSystem reads what system a derivation is built on from its file in the
// store.
func DerivationSystem(r io.Reader) (string, error) {
	d, err := derivation.ReadDerivation(io.LimitReader(r, maxDerivation))
	if err != nil {
		return "", fmt.Errorf("read the derivation: %v", err)
	}
	return d.Platform, nil
}

// FixedOutput reads from a derivation's file in the store whether it is of a fixed
// output: a download, whose hash is known beforehand.
func FixedOutput(r io.Reader) (bool, error) {
	d, err := derivation.ReadDerivation(io.LimitReader(r, maxDerivation))
	if err != nil {
		return false, fmt.Errorf("read the derivation: %v", err)
	}
	out, ok := d.Outputs["out"]
	return ok && len(d.Outputs) == 1 && out.Hash != "", nil
}
