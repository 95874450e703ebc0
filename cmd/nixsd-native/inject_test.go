package main

import (
	"bytes"
	"testing"

	"nixsd-native/internal/inject"
)

// Files that an image had are named, one a line, but not with -q.
func TestInjectReplaced(t *testing.T) {
	for quiet, want := range map[bool]string{false: "replaced /etc/passwd, which card.img had\nreplaced /etc/shadow, which card.img had\n", true: ""} {
		var out bytes.Buffer
		b := newBuild(&buildJob{}, &app{errs: &out})
		b.rep = newReporter(&out, reportOptions{Format: "plain", Quiet: quiet})
		in := &injection{build: b, name: "card.img", plan: &inject.Plan{
			Files: []inject.File{{Dest: "/etc/passwd"}, {Dest: "/etc/new"}, {Dest: "/etc/shadow"}}, Replace: []bool{true, false, true},
		}}
		in.tellReplaced()
		b.rep.Close(false)
		if got := out.String(); got != want {
			t.Errorf("quiet %v: printed %q; want %q", quiet, got, want)
		}
	}
}
