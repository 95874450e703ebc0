package main

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/pflag"

	"nixsd-native/internal/debian"
	"nixsd-native/internal/licenses"
	"nixsd-native/internal/sbom"
	"nixsd-native/nix"
	"nixsd-native/qemu"
)

// A versionJob is the command version with its flags.
type versionJob struct{ json, sbom, licenses bool }

func versionCommand() command {
	return command{
		name:    "version",
		summary: "print the version and what it pins",
		new: func(fs *pflag.FlagSet) job {
			j := new(versionJob)
			fs.BoolVar(&j.json, "json", false, "print one JSON object")
			fs.BoolVar(&j.sbom, "sbom", false, "print this program's bill of materials (CycloneDX)")
			fs.BoolVar(&j.licenses, "licenses", false, "print the licences of what is compiled in")
			return j
		},
	}
}

func (j *versionJob) check(args []string) error {
	if j.json && j.sbom || j.json && j.licenses || j.sbom && j.licenses {
		return usageErrorf("", "--json, --sbom and --licenses exclude one another")
	}
	return noArguments(args)
}

func (j *versionJob) run(_ context.Context, a *app) error {
	switch {
	case j.json:
		return j.printPins(a)
	case j.sbom:
		return sbom.WriteProgram(a.out, programComponent())
	case j.licenses:
		_, err := fmt.Fprint(a.out, licenses.Text())
		return err
	}
	fmt.Fprintf(a.out, "nixsd-native %s, %s, linux/%s\n", programVersion(), runtime.Version(), runtime.GOARCH)
	fmt.Fprintln(a.out, "\nPinned emulators, the first is the default:")
	for _, p := range qemu.Pins() {
		fmt.Fprintf(a.out, "  %-26s %-17s %s\n", p.Version, p.Suite, p.SHA256)
	}
	return nil
}

// A moduleRecord is a module that is compiled in.
type moduleRecord struct {
	Path    string `json:"path"`
	Version string `json:"version"`
	Sum     string `json:"sum"` // as go.sum has it
}

// printPins prints, as JSON, everything that this program trusts beforehand, and what it
// is made of.
func (j *versionJob) printPins(a *app) error {
	keys, err := debian.ArchiveKeys()
	if err != nil {
		return err
	}
	modules := []moduleRecord{}
	info, _ := debug.ReadBuildInfo()
	if info != nil {
		for _, m := range info.Deps {
			modules = append(modules, moduleRecord{m.Path, m.Version, m.Sum})
		}
	}
	return json.NewEncoder(a.out).Encode(map[string]any{
		"version": programVersion(), "revision": setting(info, "vcs.revision"), "modified": setting(info, "vcs.modified") == "true",
		"go": runtime.Version(), "arch": runtime.GOARCH, "modules": modules,
		"qemu": qemu.Pins(), "nix": nix.Pins(),
		"nixos_release": nix.DefaultRelease, "channel": nix.ChannelsURL + "/nixos-" + nix.DefaultRelease,
		"cache": nix.CacheURL, "cache_key": nix.CacheKey, "debian_keys": keys.Fingerprints(),
	})
}

// setting is what the Go tool recorded of a build, or "".
func setting(info *debug.BuildInfo, key string) string {
	if info == nil {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

// version is what .ci/release stamps in, by the linker's -X.
var version string

// programVersion is the released version, or else what the module system or the version
// control recorded.
func programVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	if revision := setting(info, "vcs.revision"); len(revision) >= 12 {
		return revision[:12]
	}
	return info.Main.Version
}
