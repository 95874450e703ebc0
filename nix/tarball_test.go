package nix

import (
	"errors"
	"strings"
	"testing"
)

// upstreamScript is how the script "install" of upstream's tarball begins.
const upstreamScript = `#!/bin/sh

set -e

umask 0022

dest="/nix"
self="$(dirname "$0")"
nix="/nix/store/11111111111111111111111111111111-nix-2.26.3"
cacert="/nix/store/22222222222222222222222222222222-nss-cacert-3.101"

if ! [ -e "$self/.reginfo" ]; then
    echo "$0: incomplete installer (.reginfo is missing)" >&2
fi
`

func TestParseInstall(t *testing.T) {
	nix, cacert, err := parseInstall([]byte(upstreamScript))
	if nix != sampleNix.Nix || cacert != sampleNix.CACert || err != nil {
		t.Errorf("parseInstall = %q, %q, %v; want %q, %q", nix, cacert, err, sampleNix.Nix, sampleNix.CACert)
	}
	replace := func(old, new string) string { return strings.Replace(upstreamScript, old, new, 1) }
	for script, want := range map[string]string{
		"":                          `no line nix="`,
		replace(`nix="`, `  nix="`): `no line nix="`,
		replace(`nix="`, `nix='`):   `no line nix="`,
		replace(`nix="/nix`, `nix="/nix/store/../..`):     `no line nix="`,
		replace(`-nix-2.26.3"`, `-nix-2.26.3/bin"`):       `no line nix="`,
		replace(`-nix-2.26.3"`, `-nix-2.26.3"; reboot`):   `no line nix="`,
		replace(`-nix-2.26.3"`, `-nix$(reboot)"`):         `no line nix="`,
		replace(`nix="/nix`, "nix=\"\n/nix"):              `no line nix="`,
		replace("/nix/store/1", "/nix/store/"):            `no line nix="`,
		replace(`cacert="`, `certificates="`):             `no line cacert="`,
		replace(sampleNix.CACert, "/etc/ssl"):             `no line cacert="`,
		strings.ReplaceAll(upstreamScript, "\n", "\r\n"):  `no line nix="`,
		replace(sampleNix.CACert, sampleNix.CACert+"\\n"): `no line cacert="`,
	} {
		nix, cacert, err := parseInstall([]byte(script))
		if te := (*TarballError)(nil); !errors.As(err, &te) || !strings.Contains(err.Error(), want) || nix+cacert != "" {
			t.Errorf("parseInstall(%q) = %q, %q, %v; want …%s…", script, nix, cacert, err, want)
		}
	}
}

// FuzzParseInstall shows that only store paths come out of a script.
func FuzzParseInstall(f *testing.F) {
	f.Add([]byte(upstreamScript))
	f.Add([]byte("cacert=\"" + sampleNix.CACert + "\"\nnix=\"\"\nnix=\"" + sampleNix.Nix + "\"\n"))
	f.Fuzz(func(t *testing.T, script []byte) {
		nix, cacert, err := parseInstall(script)
		if (err == nil) != (storePath.MatchString(nix) && storePath.MatchString(cacert)) {
			t.Errorf("parseInstall(%q) = %q, %q, %v", script, nix, cacert, err)
		}
	})
}

func TestReadRecord(t *testing.T) {
	record := func(nix, cacert, shell string) string {
		return `{"Nix":"` + nix + `","CACert":"` + cacert + `","Shell":"` + shell + `"}`
	}
	i := sampleNix
	for _, shell := range []string{i.Shell, ""} {
		got, err := ReadRecord(strings.NewReader(record(i.Nix, i.CACert, shell)))
		if want := (Installation{i.Nix, i.CACert, shell}); got != want || err != nil {
			t.Errorf("ReadRecord = %+v, %v; want %+v", got, err, want)
		}
	}
	for _, text := range []string{
		"", "{}", "[]", "null", `{"Nix":7}`, record(i.Nix, "", ""), record("", i.CACert, ""), record("/bin", i.CACert, ""),
		record(i.Nix, i.CACert+"/..", ""), record(i.Nix, i.CACert, "/bin/sh"), record(i.Nix, i.CACert, i.Nix+"/bin/../../../../bin/busybox"),
		strings.Repeat(" ", maxRecord) + record(i.Nix, i.CACert, ""),
	} {
		if got, err := ReadRecord(strings.NewReader(text)); err == nil || got != (Installation{}) {
			t.Errorf("ReadRecord(%.200q) = %+v, %v; want an error", text, got, err)
		}
	}
}

// FuzzReadRecord shows that programs are only ever taken from the store.
func FuzzReadRecord(f *testing.F) {
	f.Add(`{"Nix":"` + sampleNix.Nix + `","CACert":"` + sampleNix.CACert + `","Shell":"` + sampleNix.Shell + `"}`)
	f.Add(`{"Nix":"/bin","CACert":"` + sampleNix.CACert + `","nix":"` + sampleNix.Nix + `"}`)
	f.Fuzz(func(t *testing.T, text string) {
		i, err := ReadRecord(strings.NewReader(text))
		if err == nil && !(storePath.MatchString(i.Nix) && storePath.MatchString(i.CACert)) {
			t.Errorf("ReadRecord(%q) = %+v", text, i)
		}
	})
}
