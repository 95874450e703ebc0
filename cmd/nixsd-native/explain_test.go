package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A log that is longer than any is not read to its end, and who has it is told how to cut
// it.
func TestExplainBound(t *testing.T) {
	name := filepath.Join(t.TempDir(), "it's long.log")
	if err := os.WriteFile(name, []byte("error: stack overflow\n"+strings.Repeat("\n", textHead)), 0o600); err != nil {
		t.Fatal(err)
	}
	explainFile := func() (out string, err error) {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		j := &explainJob{name: name}
		j.take([]*os.File{f})
		var b bytes.Buffer
		err = j.run(t.Context(), &app{out: &b})
		return b.String(), err
	}
	if out, err := explainFile(); err != nil || !strings.Contains(out, "cause: ") {
		t.Errorf("explain = %q, %v; want a cause", out, err)
	}
	if err := os.Truncate(name, maxLog+1); err != nil {
		t.Fatal(err)
	}
	out, err := explainFile()
	if exitCode(err) != exitUsage || out != "" || !strings.Contains(strings.Join(hints(err), ""), "tail -c 20M ") {
		t.Errorf("explain of %d bytes = %q, %v, hints %q; want how to cut it", maxLog+1, out, err, hints(err))
	}
}

// What is no text is not shown, and of what is only what a terminal does not heed.
func TestExplainText(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "error: größer\n": true, "caf\xe9 in Latin 1": true, "ELF\x00": false, "\xff\xfe\xfd\xfca": false,
	} {
		if got := isText([]byte(text)); got != want {
			t.Errorf("isText(%q) = %v; want %v", text, got, want)
		}
	}
	e := explainedLog{Name: "x", Log: []string{"a\x1b]0;title\x07\xff\x9b31m b"}}
	if got := e.text(); got != "failed: x\nx> a\ufffd\ufffd31m b\n" {
		t.Errorf("text = %q; want it clean", got)
	}
}
