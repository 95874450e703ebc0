package nix

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKeep(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	for _, text := range []string{"first", "second, longer", ""} {
		if err := s.Keep("plan.json", strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(s.Dir, "nixsd", "plan.json")); err != nil || string(got) != text {
			t.Errorf("kept %q, %v; want %q", got, err, text)
		}
	}
	for _, name := range []string{"", ".", "..", "a/b", "/etc/x", "../x"} {
		if err := s.Keep(name, strings.NewReader("x")); err == nil {
			t.Errorf("Keep(%q) succeeded", name)
		}
	}
	if err := s.Keep("large", io.LimitReader(zeros{}, maxKept+1)); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("Keep of too much = %v", err)
	}
	if entries, err := os.ReadDir(filepath.Join(s.Dir, "nixsd")); err != nil || len(entries) != 1 {
		t.Errorf("the folder has %v, %v; want the plan alone", entries, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestKeepSecret(t *testing.T) {
	name := filepath.Join(t.TempDir(), "key")
	if err := keepSecret(name, strings.NewReader("text")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode() != 0o400 {
		t.Errorf("its mode is %v, %v; want 0400", info.Mode(), err)
	}
	if got, err := os.ReadFile(name); string(got) != "text" || err != nil {
		t.Errorf("it holds %q, %v; want text", got, err)
	}
	if err := keepSecret(name, strings.NewReader("other")); err == nil {
		t.Error("it takes the place of what is there")
	}
	if err := keepSecret(name+"2", strings.NewReader(strings.Repeat("x", maxKept+1))); err == nil {
		t.Error("it takes more than fits")
	}
}
