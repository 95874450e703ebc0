package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// Help fits a terminal of 80 columns. The default of a folder does not count: it is as
// long as the home folder's name.
func TestHelpFits(t *testing.T) {
	all := [][]string{{"help"}}
	for _, c := range commands() {
		all = append(all, []string{"help", c.name})
	}
	for _, args := range all {
		var out bytes.Buffer
		if _, err := parse(args, &out); !errors.Is(err, errHelp) {
			t.Fatalf("%s: %v", args, err)
		}
		for line := range strings.Lines(out.String()) {
			line = strings.TrimSuffix(line, "\n")
			if n := utf8.RuneCountInString(line); n > 80 && !strings.Contains(line, "nixsd-native\")") {
				t.Errorf("%s: %d columns: %s", args, n, line)
			}
		}
	}
}
