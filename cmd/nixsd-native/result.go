package main

import (
	"encoding/json"
	"fmt"
)

// An imageRecord is what --json tells of an image: its manifest with its path or, if
// there is none, the reason.
type imageRecord struct {
	Target string `json:"target,omitempty"` // of several
	*manifest
	Path  string `json:"path,omitempty"`
	Error string `json:"error,omitempty"`
}

func (t *target) record() imageRecord {
	return imageRecord{manifest: t.manifest, Path: t.path, Error: t.cause()}
}

// printImages prints the result of a build: the image's path, or a table of several.
func (b *build) printImages() error {
	several := len(b.targets) > 1
	switch {
	case several && b.job.json:
		return b.printRecords()
	case several:
		return b.printTable()
	case b.job.json:
		return json.NewEncoder(b.out).Encode(b.targets[0].record())
	}
	_, err := fmt.Fprintln(b.out, b.targets[0].path)
	return err
}

func (b *build) printRecords() error {
	var all []imageRecord
	for _, t := range b.targets {
		r := t.record()
		r.Target = t.String()
		all = append(all, r)
	}
	return json.NewEncoder(b.out).Encode(map[string]any{"images": all})
}

// printTable prints a line for every target.
func (b *build) printTable() error {
	table := [][]string{{"target", "result", "size", "image"}}
	for _, t := range b.targets {
		row := []string{oneLine(t.String()), "failed", "-", t.cause()}
		if t.err == nil {
			row = []string{oneLine(t.String()), "built", size(t.manifest.Size), t.path}
		}
		table = append(table, row)
	}
	for _, line := range align(table, map[int]bool{2: true}) {
		if _, err := fmt.Fprintln(b.out, line); err != nil {
			return err
		}
	}
	return nil
}
