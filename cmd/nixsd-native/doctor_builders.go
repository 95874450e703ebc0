package main

import (
	"context"
	"errors"
	"fmt"
)

// remoteBuilders asks those that are named, as a build does before all else: with them
// this machine may have nothing to emulate.
func (d *doctor) remoteBuilders(ctx context.Context) []finding {
	if err := d.askBuilders(ctx); err != nil {
		return problem(err)
	}
	var all []finding
	for _, b := range d.builders {
		detail := fmt.Sprintf("%s answers, for %s at a time", b.URI(), plural(int64(b.Jobs), "build"))
		if b.about.version != "" {
			detail += fmt.Sprintf("; it is %s with Nix %s", firstOf(b.about.system, "of another kind"), b.about.version)
		}
		all = append(all, ok("%s", detail)...)
	}
	for _, text := range d.leftOut {
		all = append(all, warning(errors.New(text), "see to it that it answers, or name it no more")...)
	}
	return all
}
