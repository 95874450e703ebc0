package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
)

// printImages prints the result of a build: the image's path, or a table of several.
func (b *build) printImages() error {
	if len(b.targets) > 1 {
		if b.job.json {
			return b.printImagesJSON()
		}
		return b.printTable()
	}
	t := b.targets[0]
	if b.job.json {
		record, err := t.record()
		if err != nil {
			return err
		}
		return json.NewEncoder(b.out).Encode(record)
	}
	_, err := fmt.Fprintln(b.out, t.path)
	return err
}

// record is a target's manifest with the path of its image or, without an image, the
// reason.
func (t *target) record() (map[string]any, error) {
	m := map[string]any{}
	if t.err != nil {
		m["error"] = t.cause()
		return m, nil
	}
	err := json.Unmarshal(t.manifest, &m)
	m["path"] = t.path
	return m, err
}

func (b *build) printImagesJSON() error {
	var all []map[string]any
	for _, t := range b.targets {
		m, err := t.record()
		if err != nil {
			return err
		}
		m["target"] = t.String()
		all = append(all, m)
	}
	return json.NewEncoder(b.out).Encode(map[string]any{"images": all})
}

// printTable prints a line for every target.
func (b *build) printTable() error {
	w := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TARGET\tRESULT\tSIZE\tIMAGE")
	for _, t := range b.targets {
		if err := t.printRow(w); err != nil {
			return err
		}
	}
	return w.Flush()
}

func (t *target) printRow(w io.Writer) error {
	if t.err != nil {
		_, err := fmt.Fprintf(w, "%s\tfailed\t-\t%s\n", t, t.cause())
		return err
	}
	var m manifest
	if err := json.Unmarshal(t.manifest, &m); err != nil {
		return errors.New("the manifest is no JSON")
	}
	_, err := fmt.Fprintf(w, "%s\tbuilt\t%s\t%s\n", t, size(m.Size), t.path)
	return err
}
