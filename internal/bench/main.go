// Command bench times nixsd-native against the tools that it replaces, as whole
// processes, and prints a table of medians with ratios:
//
//	go run ./internal/bench [-runs 5] [-cache FOLDER] [-only TEXT] [-image FILE]
//
// It needs a Debian mirror once, dpkg-deb, tar, xz and zstd, and, as root, bmaptool. As root it measures what
// root's builds do, else what a user's do.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"nixsd-native/internal/cardtest"
	"nixsd-native/nix"
	"nixsd-native/sandbox"
)

// Work that this program does in a process of its own, by argv[0].
const (
	emulatorArg0 = "bench-emulator"
	nixArg0      = "bench-nix"
	fetchArg0    = "bench-fetch"
)

func main() {
	var err error
	switch filepath.Base(os.Args[0]) {
	case sandbox.Arg0:
		os.Exit(sandbox.Main(func(sandbox.Spec) error { return nil }, func(ctx context.Context, c sandbox.Command, stdin, stdout, _ *os.File) int {
			return nix.InsideMain(ctx, c.Argv[1:], c.Env, stdin, stdout)
		}))
	case emulatorArg0:
		err = installEmulator(os.Args[1], os.Args[2])
	case nixArg0:
		err = installNix(os.Args[1], os.Args[2])
	case fetchArg0:
		err = fetchPackages(os.Args[1], os.Args[2], os.Args[3], os.Args[4])
	case cardtest.Arg0:
		os.Exit(cardtest.Main(os.Args[1:]))
	default:
		runs := flag.Int("runs", 5, "runs of each command, after one that is not counted")
		cache := flag.String("cache", "", "a cache folder that is kept, to save downloads")
		only := flag.String("only", "", "measure only what has this in its name")
		image := flag.String("image", "", "measure only how this image is written to a card; the demo is not built")
		flag.Parse()
		err = bench(*runs, *cache, *only, *image)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
