package nix

import (
	"slices"
	"strings"
	"testing"
)

const (
	builtPath   = "/nix/store/0h59ybgsj3sq9zdkdgi3r7hhaqqrpsh5-initrd"
	fetchedPath = "/nix/store/074lc6jqbiigxcrfcniaa87mbdzr6g70-busybox"
	sourcePath  = "/nix/store/62iplf9pp6y67rzibwl40bp6plgqjvzk-u-boot-rpi.deb"
)

// Infos as Nix 2.18, 2.26 and 2.33 with --json-format 2 print them, shortened.
func TestBuiltHere(t *testing.T) {
	for name, text := range map[string]string{
		"list": `[{"path":"` + builtPath + `","ultimate":true,"valid":true},{"path":"` + fetchedPath + `","signatures":["a:b"],"valid":true},
			{"path":"` + sourcePath + `","ultimate":true,"ca":"fixed:sha256:1jx3","valid":true}]`,
		"object": `{"` + builtPath + `":{"ca":null,"ultimate":true},"` + fetchedPath + `":{"ca":null,"ultimate":false},
			"` + sourcePath + `":{"ca":"fixed:sha256:1jx3","ultimate":true}}`,
		"base names": `{"version":2,"storeDir":"/nix/store","info":{"` + strings.TrimPrefix(builtPath, "/nix/store/") + `":{"ca":null,"ultimate":true},
			"` + strings.TrimPrefix(sourcePath, "/nix/store/") + `":{"ca":{"hash":"sha256-x","method":"flat"},"ultimate":true}}}`,
	} {
		if got, err := BuiltHere(strings.NewReader(text)); err != nil || !slices.Equal(got, []string{builtPath}) {
			t.Errorf("BuiltHere of the %s = %q, %v; want %q", name, got, err, builtPath)
		}
	}
	for _, text := range []string{"", "{", `{"` + builtPath + `":null}`, `[{"path":"/etc/passwd","ultimate":true}]`, `"x"`, `{"../../x":{"ultimate":true}}`} {
		if got, err := BuiltHere(strings.NewReader(text)); err == nil {
			t.Errorf("BuiltHere(%q) = %q; want an error", text, got)
		}
	}
}

func FuzzBuiltHere(f *testing.F) {
	f.Add(`{"` + builtPath + `":{"ultimate":true}}`)
	f.Add(`[{"path":"` + builtPath + `","ultimate":true}]`)
	f.Add(`{"info":{"x":{}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		paths, err := BuiltHere(strings.NewReader(text))
		for _, p := range paths {
			if err != nil || !storePath.MatchString(p) {
				t.Errorf("BuiltHere(%q) = %q, %v", text, paths, err)
			}
		}
	})
}

func TestPushArgs(t *testing.T) {
	bin := sampleNix.Nix + "/bin/"
	for want, got := range map[string][]string{
		bin + "nix copy --log-format internal-json --no-check-sigs --to file:///push " + builtPath: CopyArgs(sampleNix, "file:///push", builtPath),
		bin + "nix store sign --log-format internal-json --recursive --key-file /k " + builtPath:   SignArgs(sampleNix, "/k", builtPath),
		bin + "nix path-info --json " + builtPath:                                                  PathInfoArgs(sampleNix, builtPath),
		bin + "nix-store --query --requisites --include-outputs " + partDrv:                        ValidRequisitesArgs(sampleNix, partDrv),
	} {
		if !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("arguments %q; want %s", got, want)
		}
	}
}
