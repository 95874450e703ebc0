package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"nixsd-native"
)

// fleetSize is the number of images that are built in one run, and one by one.
const fleetSize = 10

// fleet compares one run for many images with as many runs.
func (l *lab) fleet() comparison {
	together, alone := l.path("together"), l.path("alone")
	each := strings.Join(append([]string{l.program}, l.demo("build", "-q", "-o", l.dir+"/")...), " ")
	return comparison{
		name: fmt.Sprintf("%d demo images", fleetSize),
		ours: command{
			name: "one run", prepare: boards(together),
			argv: append([]string{l.program}, l.demo("build", "-q", "-o", l.dir+"/", together)...),
		},
		theirs: command{
			name: fmt.Sprintf("%d runs", fleetSize), prepare: boards(alone),
			argv: []string{"sh", "-ec", fmt.Sprintf("for f in '%s'/*; do %s $f; done", alone, each)},
		},
		target: "faster", met: ratio(1),
	}
}

// boards returns a preparation that writes configurations that were never built.
func boards(dir string) func() error {
	return func() error {
		for i := range fleetSize {
			host := fmt.Sprintf("hostName = \"board-%d-%d\"", i, time.Now().UnixNano())
			text := strings.Replace(string(nixsd.DefaultConfig), `hostName = "nixos"`, host, 1)
			name := filepath.Join(dir, fmt.Sprintf("board%d.nix", i))
			if err := firstError(os.MkdirAll(dir, 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
				return err
			}
		}
		return nil
	}
}

// bundleCreated compares a bundle of the demo with packing the same files.
func (l *lab) bundleCreated() comparison {
	file, archive := l.path("demo.nixsd"), l.path("demo.tar.zst")
	return comparison{
		name: "bundle of the demo created",
		ours: command{name: "bundle create", argv: append([]string{l.program}, l.demoBundle("create", file, "--demo", "-q")...)},
		theirs: command{
			name: "tar | zstd of the cache", argv: []string{"sh", "-ec", fmt.Sprintf("tar c -C '%s' . | zstd -q -f -o '%s'", l.cache, archive)},
		},
		target: "at most twice as long and 2 s", met: func(a, b time.Duration) bool { return a <= 2*b+2*time.Second },
	}
}

// bundleUsed compares a first build from a bundle with one from a filled cache, in new
// state folders.
func (l *lab) bundleUsed() comparison {
	state, cache := l.path("bundle-state"), l.path("bundle-cache")
	build := func(cache string, more ...string) []string {
		args := []string{l.program, "build", "--demo", "-q", "--offline", "--state-dir", state, "--cache-dir", cache, "-o", l.dir + "/"}
		return append(args, more...)
	}
	empty := func() error {
		return firstError(quietly(l.cleaner(state, cache)), os.RemoveAll(cache))
	}
	return comparison{
		name:   "first build of the demo, another machine",
		ours:   command{name: "from a bundle, cache empty", argv: build(cache, "--bundle", l.path("demo.nixsd")), prepare: empty},
		theirs: command{name: "from a filled cache", argv: build(l.cache), prepare: empty},
		target: "at most 10 s more", met: func(a, b time.Duration) bool { return a <= b+10*time.Second },
	}
}

func (l *lab) demoBundle(command, file string, more ...string) []string {
	return append([]string{"bundle", command, "--state-dir", l.path("state"), "--cache-dir", l.cache, file}, more...)
}
