package main

import (
	"strings"
	"testing"

	"nixsd-native/internal/fetch"
)

// What is missing or damaged is told with the command that fetches it, which is for another
// machine only if this one is offline.
func TestVerdict(t *testing.T) {
	missing := verification{cache: fetch.CacheAt("/c"), missing: []fetch.Missing{{Name: "q.deb"}}}
	damaged := verification{cache: fetch.CacheAt("/c"), damaged: []string{"q.deb"}}
	for _, tt := range []struct {
		v          verification
		online     bool
		text, hint string
		code       int
	}{
		{missing, true, "not in the cache: q.deb", "download it: COMMAND", exitNetwork},
		{missing, false, "offline, and not in the cache: q.deb", "on a machine with network, run: COMMAND", exitNetwork},
		{damaged, true, "damaged in the cache: q.deb", "have what is damaged removed and fetched anew: COMMAND", exitVerify},
		{damaged, false, "damaged in the cache: q.deb", "on a machine with network, have what is damaged removed and fetched anew: COMMAND", exitVerify},
	} {
		err := tt.v.verdict("COMMAND", "", tt.online)
		if err == nil || err.Error() != tt.text || hints(err)[0] != tt.hint || exitCode(err) != tt.code {
			t.Errorf("verdict = %v, hints %q; want %q, %q first", err, hints(err), tt.text, tt.hint)
		}
	}
}

// Only who used sudo is told to use it.
func TestFetchLineSudo(t *testing.T) {
	for _, by := range []bool{true, false} {
		w := &workspace{
			app: &app{privileges: &monitorClient{hello: monitorReply{BySudo: by}}}, sources: &sourceFlags{},
			emulation: &emulationFlags{mode: emulationAuto}, nixos: &nixosFlags{},
		}
		if got := w.fetchLine(); strings.HasPrefix(got, "sudo ") != by {
			t.Errorf("fetchLine = %q; by sudo: %v", got, by)
		}
	}
}
