package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"nixsd-native/internal/fetch"
)

// States of an input in the table of fetch and of fetch --check.
const (
	stateDownloaded = "downloaded"
	stateCached     = "in cache"
	stateMade       = "made here" // of the demo's packages
	stateFolder     = "folder"    // of the user's, which stays where it is
	stateOK         = "ok"
	stateMissing    = "missing"
	stateDamaged    = "damaged"
	stateUnlocked   = "not locked" // so nobody can tell without network
)

// An inputRow is a line of the table of inputs.
type inputRow struct {
	Kind    string  `json:"kind"` // qemu, nix, nixpkgs or packages
	Name    string  `json:"name"`
	Files   int     `json:"files"`
	Size    int64   `json:"size"`              // bytes, 0 if unknown
	SHA256  string  `json:"sha256,omitempty"`  // none for several files, or if unknown
	State   string  `json:"state"`             // one of the states above; for packages also "3 missing" and the like
	Seconds float64 `json:"seconds,omitempty"` // of the download
}

// A ledger knows, by file name, how long what was downloaded took.
type ledger struct {
	mu    sync.Mutex
	spans map[string]span
}

type span struct{ begun, ended time.Time }

// join returns the time from the first begin to the last end.
func (s span) join(t span) span {
	if s.begun.IsZero() || t.begun.Before(s.begun) {
		s.begun = t.begun
	}
	if t.ended.After(s.ended) {
		s.ended = t.ended
	}
	return s
}

// moved tells that bytes of a file have come.
func (l *ledger) moved(name string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.spans == nil {
		l.spans = map[string]span{}
	}
	l.spans[name] = l.spans[name].join(span{now, now})
}

// of finds the download of a file in the cache, which is named after its hash.
func (l *ledger) of(path, sha256 string) (s span, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, ok = l.spans[strings.TrimPrefix(filepath.Base(path), sha256+"-")]
	return s, ok
}

// moved reports how far a download is.
func (w *workspace) moved(name string, done, total int64) {
	w.downloads.moved(name, time.Now())
	w.rep.Bytes(name, done, total)
}

// inputRows lists what a fetch made available.
func (w *workspace) inputRows() ([]inputRow, error) {
	var rows []inputRow
	var failed error
	add := func(kind, name, sha256, path string) {
		row := inputRow{Kind: kind, Name: name, Files: 1, SHA256: sha256, State: stateCached}
		info, err := os.Stat(path)
		if err != nil {
			failed = err
			return
		}
		row.Size = info.Size()
		if s, ok := w.downloads.of(path, sha256); ok {
			row.State, row.Seconds = stateDownloaded, seconds(s.ended.Sub(s.begun))
		}
		rows = append(rows, row)
	}
	if e := w.inputs.emulator; e != nil {
		add("qemu", e.Name, e.SHA256, e.File)
	}
	add("nix", w.inputs.nix.Name, w.inputs.nix.SHA256, w.inputs.nix.path)
	switch n := w.inputs.nixpkgs; {
	case n.SHA256 != "":
		add("nixpkgs", n.Name, n.SHA256, n.path)
	case n.Name != "":
		rows = append(rows, inputRow{Kind: "nixpkgs", Name: n.Name, State: stateFolder})
	}
	for i := range rows {
		if w.madeHere && rows[i].Kind != "qemu" {
			rows[i].State = stateMade
		}
	}
	if w.plan != nil {
		rows = append(rows, w.packagesRow())
	}
	return rows, failed
}

// packagesRow sums the demo's packages up.
func (w *workspace) packagesRow() inputRow {
	var all span
	downloaded := 0
	row := inputRow{Kind: "packages", State: stateCached}
	for _, r := range w.demoRequests(w.plan) {
		row.Files, row.Size = row.Files+1, row.Size+r.Size
		if s, ok := w.downloads.of(fetch.Shown(r.Name), r.SHA256); ok {
			all = all.join(s)
			downloaded++
		}
	}
	switch row.Seconds = seconds(all.ended.Sub(all.begun)); downloaded {
	case 0:
	case row.Files:
		row.State = stateDownloaded
	default:
		row.State = fmt.Sprintf("%d downloaded", downloaded)
	}
	row.Name = packagesName(row.Files)
	return row
}

func packagesName(files int) string { return plural(int64(files), "Debian package") }

// printInputs prints the table of inputs, or its rows as one JSON object.
func (w *workspace) printInputs(asJSON bool, rows []inputRow) error {
	if asJSON {
		_, cache := w.privileges.Dirs()
		return json.NewEncoder(w.out).Encode(map[string]any{"inputs": rows, "cache": cache, "system": w.system})
	}
	for _, line := range inputTable(rows) {
		fmt.Fprintln(w.out, line)
	}
	return nil
}

// shortHash is how much of a sha256 the table shows, in hex digits: enough to compare
// by eye. The whole one is in --json.
const shortHash = 12

// inputTable returns the table of inputs: a heading and a line each.
func inputTable(rows []inputRow) []string {
	table := [][]string{{"kind", "name", "size", "sha256", "state", "seconds"}}
	for _, r := range rows {
		bytes, sum, took := "-", "-", ""
		if r.Size > 0 {
			bytes = size(r.Size)
		}
		if len(r.SHA256) > shortHash {
			sum = r.SHA256[:shortHash]
		}
		if r.Seconds > 0 {
			took = fmt.Sprintf("%.1f", r.Seconds)
		}
		table = append(table, []string{r.Kind, cleanWord(r.Name), bytes, sum, r.State, took})
	}
	return align(table, map[int]bool{2: true, 5: true})
}

// align pads cells to columns, two spaces apart. Those of the columns in right end
// together; no line ends in a space.
func align(table [][]string, right map[int]bool) []string {
	var widths []int
	for _, row := range table {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], cells(cell))
		}
	}
	lines := make([]string, len(table))
	for i, row := range table {
		for j, cell := range row {
			pad := strings.Repeat(" ", widths[j]-cells(cell))
			if right[j] {
				cell = pad + cell
			} else {
				cell += pad
			}
			row[j] = cell
		}
		lines[i] = strings.TrimRight(strings.Join(row, "  "), " ")
	}
	return lines
}
