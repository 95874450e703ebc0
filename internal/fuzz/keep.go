package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
)

// Bounds of what is added to one target's corpus.
const (
	maxKept      = 20
	maxKeptBytes = 16 << 10 // of one input
)

// figures has results by target.
type figures map[string]*result

func (f figures) add(r result) {
	sum := f[r.name]
	if sum == nil {
		sum = &result{name: r.name}
		f[r.name] = sum
	}
	sum.took += r.took
	sum.execs += r.execs
	sum.found += r.found
	sum.crashes += r.crashes
}

// print writes the table, and fails if a target did.
func (f figures) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "target\tseconds\texecutions\tfound\tcrashes\tkept")
	total := result{name: "total"}
	for _, r := range slices.SortedFunc(maps.Values(f), func(a, b *result) int { return cmp.Compare(a.name, b.name) }) {
		fmt.Fprintln(t, r)
		total.took += r.took
		total.execs += r.execs
		total.found += r.found
		total.crashes += r.crashes
		total.kept += r.kept
	}
	fmt.Fprintln(t, total)
	if err := t.Flush(); err != nil || total.crashes == 0 {
		return err
	}
	return fmt.Errorf("%d failures", total.crashes)
}

// keepInputs adds found inputs to the seeds of each target.
func (o options) keepInputs(bin string, found figures) error {
	packages, err := testedPackages()
	for _, p := range packages {
		targets, berr := p.build(bin)
		if err = errors.Join(err, berr); len(targets) == 0 {
			continue
		}
		covered := filepath.Join(bin, "covered")
		if _, cerr := goCommand("test", "-c", "-cover", "-coverpkg="+p.path, "-o", covered, p.path); cerr != nil {
			return cerr
		}
		for _, t := range targets {
			if !o.only.MatchString(t.name()) {
				continue
			}
			n, kerr := t.keep(covered, o.cache)
			if r := found[t.name()]; r != nil {
				r.kept = n
			}
			err = errors.Join(err, kerr)
		}
	}
	return err
}

// keep goes through the found inputs, small ones first, and keeps those that reach a
// block which no seed before it reaches.
func (t target) keep(covered, cache string) (kept int, err error) {
	inputs, err := bySize(t.found(cache))
	if err != nil {
		return 0, err
	}
	reached := map[string]bool{}
	if _, err := t.cover(covered, "", reached); err != nil {
		return 0, err
	}
	for _, name := range inputs {
		if kept == maxKept {
			break
		}
		data, err := os.ReadFile(filepath.Join(t.found(cache), name))
		if err != nil {
			return kept, err
		}
		seed := filepath.Join(t.seeds(), name)
		if _, err := os.Stat(seed); err == nil {
			continue
		}
		if err := errors.Join(os.MkdirAll(t.seeds(), 0o755), os.WriteFile(seed, data, 0o644)); err != nil {
			return kept, err
		}
		news, err := t.cover(covered, name, reached)
		if err != nil || !news {
			err = errors.Join(err, os.Remove(seed))
		} else {
			kept++
		}
		if err != nil {
			return kept, err
		}
	}
	return kept, nil
}

// cover runs one seed, or all, and adds the blocks it reaches.
func (t target) cover(covered, seed string, reached map[string]bool) (news bool, err error) {
	profile := covered + ".out"
	pattern := "^" + t.fuzz + "$"
	if seed != "" {
		pattern += "/^" + seed + "$"
	}
	cmd := exec.Command(covered, "-test.run="+pattern, "-test.coverprofile="+profile)
	cmd.Dir = t.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return false, fmt.Errorf("%s: %s: %v\n%s", t.name(), seed, err, out)
	}
	f, err := os.Open(profile)
	if err != nil {
		return false, err
	}
	defer f.Close()
	for scan := bufio.NewScanner(f); scan.Scan(); {
		// file.go:line.column,line.column statements count
		block, ok := strings.CutSuffix(scan.Text(), " 1")
		if ok && !reached[block] {
			reached[block], news = true, true
		}
	}
	return news, nil
}

// bySize lists a folder's files up to maxKeptBytes, small ones first.
func bySize(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	sizes := map[string]int64{}
	var names []string
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		if info.Size() <= maxKeptBytes {
			sizes[e.Name()] = info.Size()
			names = append(names, e.Name())
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(sizes[a], sizes[b]), strings.Compare(a, b))
	})
	return names, nil
}
