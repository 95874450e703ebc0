package main

import (
	"fmt"
	"strings"

	"nixsd-native/nix"
)

// fixedOutputs are the derivations among what would be built whose output is fixed: what
// the build gets from the network.
func (b *build) fixedOutputs(dry nix.Forecast) ([]string, error) {
	var all []string
	for _, drv := range dry.Build {
		f, err := b.session.Open(drv)
		if err != nil {
			return nil, err
		}
		fixed, err := nix.FixedOutput(f)
		f.Close()
		if err != nil {
			return nil, err
		}
		if fixed {
			all = append(all, drv)
		}
	}
	return all, nil
}

// summarized names the first of many derivations.
func summarized(derivations []string) string {
	const most = 8
	var names []string
	for _, drv := range derivations[:min(most, len(derivations))] {
		names = append(names, nix.DerivationName(drv))
	}
	text := strings.Join(names, ", ")
	if more := len(derivations) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
