// Command picture draws the README's pictures: flow.svg, how a build goes, and run.svg, the
// screen of a real one of the demo's.
//
//	go run ./internal/picture [-run] [-cache FOLDER] [-program FILE]
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

// folder is where the pictures lie, in the tree's top.
const folder = ".github"

func main() {
	run := flag.Bool("run", false, "build the demo, for some minutes, and draw run.svg too")
	cache := flag.String("cache", "", "the program's cache `folder` for -run, else an empty one")
	program := flag.String("program", "", "the program for -run, else it is built of this tree")
	flag.Parse()
	if err := draw(*run, *cache, *program); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

func draw(run bool, cache, program string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "flow.svg"), flow(), 0o644); err != nil || !run {
		return err
	}
	busiest, last, err := watch(cache, program)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "run.svg"), screens(busiest, last), 0o644)
}
