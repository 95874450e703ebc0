package nix

import (
	"slices"
	"strings"
	"testing"
)

var sampleNix = Installation{
	Nix:    "/nix/store/11111111111111111111111111111111-nix-2.26.3",
	CACert: "/nix/store/22222222222222222222222222222222-nss-cacert-3.101",
	Shell:  "/nix/store/33333333333333333333333333333333-busybox-1.36.1/bin/busybox",
}

func TestArgs(t *testing.T) {
	bin := sampleNix.Nix + "/bin/"
	tests := []struct {
		name string
		got  []string
		want string
	}{
		{"InstantiateArgs", InstantiateArgs(sampleNix, Build{Nixpkgs: "/nix/n", Expression: "/e.nix"}),
			bin + "nix-instantiate --log-format internal-json --attr config.system.build.sdImage --attr nixsdContents /e.nix -I nixpkgs=/nix/n"},
		{"InstantiateArgs of a flake", InstantiateArgs(sampleNix, Build{Expression: "/e.nix", Attr: "config.system.build.toplevel", Trace: true}),
			bin + "nix-instantiate --log-format internal-json --attr config.system.build.toplevel --attr nixsdContents /e.nix --show-trace"},
		{"RealiseArgs", RealiseArgs(sampleNix, false, partDrv),
			bin + "nix-build " + partDrv + " --log-format internal-json --out-link /nix/var/nix/gcroots/nixsd-result"},
		{"RealiseArgs", RealiseArgs(sampleNix, true, partDrv, wholeDrv),
			bin + "nix-build " + partDrv + " " + wholeDrv + " --log-format internal-json --out-link /nix/var/nix/gcroots/nixsd-result --keep-going"},
		{"DryRunArgs", DryRunArgs(sampleNix, partDrv), bin + "nix-store --realise --dry-run " + partDrv},
	}
	for _, test := range tests {
		if want := strings.Fields(test.want); !slices.Equal(test.got, want) {
			t.Errorf("%s = %q; want %q", test.name, test.got, want)
		}
	}
}

// TestEnv shows that nothing of the test's own environment is passed on, and that
// what is given comes last, where it wins.
func TestEnv(t *testing.T) {
	t.Setenv("NIX_PATH", "nixpkgs=/nowhere")
	got := Env(sampleNix, "/ca.crt", []string{"HOME=/x", "NIX_CONFIG=a = b\n"})
	want := []string{
		"HOME=/nix/nixsd/home", "USER=root", "PATH=" + sampleNix.Nix + "/bin", "LANG=C.UTF-8", "TERM=dumb",
		"NIX_SSL_CERT_FILE=/ca.crt", "HOME=/x", "NIX_CONFIG=a = b\n",
	}
	if !slices.Equal(got, want) {
		t.Errorf("Env = %q; want %q", got, want)
	}
	if got := sampleNix.CABundle(); got != sampleNix.CACert+"/etc/ssl/certs/ca-bundle.crt" {
		t.Errorf("CABundle = %q", got)
	}
}

func TestParsePath(t *testing.T) {
	for output, want := range map[string]string{
		string(golden(t, "build.out")):  whole,
		string(golden(t, "fetch.out")):  whole,
		string(golden(t, "import.out")): "/nix/store/clsq02ajwsvh2l373grqlgn0k06swa6g-after-onetwo.drv",
		partDrv:                         partDrv,
		"":                              "",
		"\n":                            "",
		part + "\n" + whole + "\n":      "",
		partDrv + "!dev\n":              "",
		"/nix/store/":                   "",
		part + "/bin/sh\n":              "",
		"/nix/store/../../etc/passwd":   "",
		"/nix/store/EEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE-x\n": "",
		"error: it is bad\n":                              "",
		"x" + part:                                        "",
	} {
		if got, err := ParsePath(output); got != want || (err == nil) != (want != "") {
			t.Errorf("ParsePath(%q) = %q, %v; want %q", output, got, err, want)
		}
	}
}
