// Package nixsd holds the configuration that is built when none is given.
package nixsd

import _ "embed"

// DefaultConfig is sd-card.nix.
//
//go:embed sd-card.nix
var DefaultConfig []byte
