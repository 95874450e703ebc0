package main

import "testing"

func TestMeant(t *testing.T) {
	names := []string{"init", "build", "fetch", "flash", "boot"}
	for typed, want := range map[string]string{
		"biuld": "did you mean build? if not, x", "buil": "did you mean build? if not, x", "flsh": "did you mean flash? if not, x",
		"bogus": "x", "": "x", "b": "x", "in": "x", "bo": "x", "launch": "x",
	} {
		if got := meant(typed, names, "x"); got != want {
			t.Errorf("meant(%q) = %q; want %q", typed, got, want)
		}
	}
}
