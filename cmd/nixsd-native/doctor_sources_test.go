package main

import (
	"io"
	"testing"
)

// What a flag names is to be corrected, not named again.
func TestBlameNamed(t *testing.T) {
	d := &doctor{build: newBuild(&buildJob{}, &app{env: environment{}, errs: io.Discard})}
	d.sources.mirrors = []string{"http://mine.example/debian"}
	got := d.blameNamed([]source{{url: "http://mine.example/debian/dists/x/InRelease", fix: "x"}, {url: "http://other.example/debian/x", fix: "x"}})
	if got[0].fix != "correct or drop the one that is named: mine.example" || got[1].fix != "x" {
		t.Errorf("blameNamed = %+v", got)
	}
}
