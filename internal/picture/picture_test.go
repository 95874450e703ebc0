package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The tree's pictures are whole, stand alone, and tell nothing of the machine that drew
// them; the flow is the one that this program draws.
func TestPictures(t *testing.T) {
	for _, name := range []string{"flow.svg", "run.svg"} {
		data, err := os.ReadFile(filepath.Join("../..", folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "flow.svg" && !bytes.Equal(data, flow()) {
			t.Errorf("%s is not what is drawn now: go run ./internal/picture", name)
		}
		for d := xml.NewDecoder(bytes.NewReader(data)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if found := regexp.MustCompile(`(?i)<script|<image|href|url\(|@import`).Find(data); found != nil {
			t.Errorf("%s has %q", name, found)
		}
		for _, folder := range ownFolders(t) {
			if strings.Contains(string(data), folder+"/") {
				t.Errorf("%s has the folder %s", name, folder)
			}
		}
		if host, err := os.Hostname(); err == nil && len(host) > 3 && strings.Contains(string(data), host) {
			t.Errorf("%s has this machine's name", name)
		}
	}
}

// ownFolders are those of this machine that a run could show.
func ownFolders(t *testing.T) []string {
	t.Helper()
	tree, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		home = tree // somebody without one
	}
	return []string{tree, home, filepath.Clean(os.TempDir())}
}

// Each part of a row has its place, its length and its colour.
func TestRow(t *testing.T) {
	s := &svg{}
	if class := s.row(10, 20, "a \x1b[1;31merror:\x1b[0m <b>", ""); class != "" {
		t.Errorf("the row ends in class %q; want none", class)
	}
	want := `<text xml:space="preserve" class="" font-size="13" x="10" y="20" textLength="16">a </text>
<text xml:space="preserve" class="b red" font-size="13" x="26" y="20" textLength="48">error:</text>
<text xml:space="preserve" class="" font-size="13" x="74" y="20" textLength="32"> &lt;b&gt;</text>
`
	if got := s.String(); got != want {
		t.Errorf("row draws\n%s\nwant\n%s", got, want)
	}
}
