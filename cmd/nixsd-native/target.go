package main

import (
	"fmt"
	"strings"

	"nixsd-native/nix"
)

// A target is one image of a run, and how far it has come.
type target struct {
	located
	text   []byte // of the configuration
	stem   string // what its image is called if there are several, or ""
	folder string // of what is generated for it, inside the sandbox

	expression string // file, inside the sandbox
	derivation string
	contents   []string // store paths whose closure goes into the image
	assembly   string   // native or emulated
	result     string   // output's store path
	imagePath  string   // inside the sandbox

	err      error  // why there is no image
	path     string // of the delivered image
	manifest *manifest
}

// String is what people know a target by.
func (t *target) String() string {
	if t.Name == "" {
		return "the built-in configuration"
	}
	return t.Name
}

// newTargets makes the targets of what was located.
func newTargets(all []located) ([]*target, error) {
	names, err := stems(all)
	if err != nil {
		return nil, err
	}
	var targets []*target
	for i, l := range all {
		t := &target{located: l, folder: insideOwn}
		if len(all) > 1 {
			t.stem = names[i]
		}
		if i > 0 {
			t.folder = fmt.Sprintf("%s/%d", insideOwn, i+1)
		}
		targets = append(targets, t)
	}
	return targets, nil
}

// left are the targets that nothing is wrong with.
func (b *build) left() []*target {
	var all []*target
	for _, t := range b.targets {
		if t.err == nil {
			all = append(all, t)
		}
	}
	return all
}

// each does a step for every target that is left, one after another.
func (b *build) each(do func(*target) error) error {
	for _, t := range b.left() {
		if err := b.drop(t, do(t)); err != nil {
			return err
		}
	}
	return b.anyLeft()
}

// drop takes a target out of the run if err is its own fault. The error comes back if
// it ends the run: there is but this target, or what is wrong is wrong for all.
func (b *build) drop(t *target, err error) error {
	if err == nil || len(b.targets) == 1 || !isTargets(err) {
		return err
	}
	t.err = err
	b.rep.Warn("%s fails: %s", t, t.cause())
	for _, line := range hints(err) {
		b.rep.Note("%s: %s", t, line)
	}
	return nil
}

// isTargets tells the failure of a configuration from trouble of all.
func isTargets(err error) bool {
	code := exitCode(err)
	return !is[*optionError](err) && (code == exitBuild || code == exitUsage)
}

// anyLeft ends a run all of whose targets failed.
func (b *build) anyLeft() error {
	if len(b.left()) > 0 {
		return nil
	}
	return b.fleetError()
}

// fleetError says which targets failed, or is nil. Why was said before.
func (b *build) fleetError() error {
	var names []string
	for _, t := range b.targets {
		if t.err != nil {
			names = append(names, t.String())
		}
	}
	if len(names) == 0 {
		return nil
	}
	where := "above and in the table"
	if b.job.json || b.job.dryRun {
		where = "above"
	}
	return &fleetError{fmt.Sprintf("%d of %d images failed: %s", len(names), len(b.targets), strings.Join(names, ", ")), where}
}

// A fleetError says that some images of a run were not built.
type fleetError struct {
	message string
	where   string // the reasons stand
}

func (e *fleetError) Error() string { return e.message }

func (e *fleetError) Hints() []string {
	return []string{"the reasons stand " + e.where + "; build one of them alone to see no more than its own"}
}

// blame finds the target's own failed derivation, by what it depends on.
func blame(requisites []string, failures []*nix.BuildError) error {
	for _, f := range failures {
		for _, path := range requisites {
			if path == f.Derivation {
				return f
			}
		}
	}
	return &codedError{exitBuild, "what it depends on was not built", nil}
}

// cause is why a target failed, in a line, or "".
func (t *target) cause() string {
	if t.err == nil {
		return ""
	}
	return oneLine(t.err.Error())
}
