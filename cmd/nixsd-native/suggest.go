package main

import (
	"errors"
	"slices"

	"github.com/spf13/pflag"
)

// meant begins a hint with the one of the names that a mistyped one is most likely to be.
func meant(typed string, names []string, hint string) string {
	best, least := "", min(2, len(typed)/2)+1 // more than two letters, or half of them, are not mistyped
	for _, name := range names {
		if d := distance(typed, name); d < least {
			best, least = name, d
		}
	}
	if best == "" {
		return hint
	}
	return "did you mean " + best + "? if not, " + hint
}

// meantFlag is meant for what a set of flags did not take.
func meantFlag(fs *pflag.FlagSet, err error, hint string) string {
	unknown := (*pflag.NotExistError)(nil)
	if !errors.As(err, &unknown) || unknown.GetSpecifiedShortnames() != "" {
		return hint
	}
	var names []string
	fs.VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	return meant("--"+unknown.GetSpecifiedName(), names, hint)
}

// meantWord is meant for the first argument and the values of flags, where they are to be
// one of a list.
func (c command) meantWord(fs *pflag.FlagSet, hint string) string {
	if first, _ := completeArguments(c.args); !slices.Contains(first, fs.Arg(0)) {
		hint = meant(fs.Arg(0), first, hint)
	}
	fs.Visit(func(f *pflag.Flag) {
		if words := completeFlag(f).words; !slices.Contains(words, f.Value.String()) {
			hint = meant(f.Value.String(), words, hint)
		}
	})
	return hint
}

// distance counts the letters to add, to remove or to change to make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := before
			if a[i] != b[j] {
				changed++
			}
			before = row[j+1]
			row[j+1] = min(changed, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
