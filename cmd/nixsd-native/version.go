package main

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/pflag"

	"nixsd-native/qemu"
)

// A versionJob is the command version with its flags.
type versionJob struct{ json bool }

func versionCommand() command {
	return command{
		name:    "version",
		summary: "print the version and what it pins",
		new: func(fs *pflag.FlagSet) job {
			j := new(versionJob)
			fs.BoolVar(&j.json, "json", false, "print one JSON object")
			return j
		},
	}
}

func (j *versionJob) check(args []string) error { return noArguments(args) }

func (j *versionJob) run(_ context.Context, a *app) error {
	if j.json {
		return json.NewEncoder(a.out).Encode(map[string]any{
			"version": programVersion(), "go": runtime.Version(), "arch": runtime.GOARCH, "qemu": qemu.Pins(),
		})
	}
	fmt.Fprintf(a.out, "nixsd-native %s, %s, linux/%s\n", programVersion(), runtime.Version(), runtime.GOARCH)
	fmt.Fprintln(a.out, "\nPinned emulators, the first is the default:")
	for _, p := range qemu.Pins() {
		fmt.Fprintf(a.out, "  %-26s %-17s %s\n", p.Version, p.Suite, p.SHA256)
	}
	return nil
}

// programVersion is what the module system or the version control recorded.
func programVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return s.Value[:12]
		}
	}
	return info.Main.Version
}
