// Command fuzz runs every fuzz target of the module in turn, for a time in total, and
// prints what each did:
//
//	go run ./internal/fuzz [-total 1h] [-slice 30s] [-only REGEXP] [-cache FOLDER] [-keep]
//
// It goes round until the time is over, so that a target which finds new ways late is
// met again. -keep adds those inputs to the committed corpora that reach code which no
// committed input reaches. It exits with 1 if a target failed; the input that did it lies
// among the target's seeds then, where go test finds it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"time"
)

func main() {
	var o options
	only := flag.String("only", "", "run targets whose `PACKAGE.Name` matches this")
	flag.DurationVar(&o.total, "total", time.Hour, "time of all targets together")
	flag.DurationVar(&o.slice, "slice", 30*time.Second, "time of one target in one round")
	flag.StringVar(&o.cache, "cache", "", "where inputs found are kept from run to run (default go's own)")
	flag.BoolVar(&o.keep, "keep", false, "add inputs that reach new code to testdata/fuzz, at the end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if o.only, err = regexp.Compile(*only); err == nil {
		err = o.campaign(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(1)
	}
}

type options struct {
	total, slice time.Duration
	only         *regexp.Regexp
	cache        string
	keep         bool
}

// campaign runs rounds until the time is over or ctx ends, and prints the table.
func (o options) campaign(ctx context.Context) error {
	var err error
	if o.cache, err = cacheFolder(o.cache); err != nil {
		return err
	}
	bin, err := os.MkdirTemp("", "nixsd-fuzz-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(bin)
	found := figures{}
	for left := o.total; left > 0 && ctx.Err() == nil; {
		used, err := o.round(ctx, bin, left, found)
		if err != nil {
			return err
		}
		if used == 0 {
			return errors.New("no target ran")
		}
		left -= used
	}
	if o.keep && ctx.Err() == nil {
		err = o.keepInputs(bin, found)
	}
	return errors.Join(err, found.print(os.Stdout))
}

// round gives each target its slice, for as long as there is time left, and returns what
// was used. Targets are listed anew each time, as they change while one works on them.
func (o options) round(ctx context.Context, bin string, left time.Duration, found figures) (used time.Duration, err error) {
	packages, err := testedPackages()
	if err != nil {
		return 0, err
	}
	for _, p := range packages {
		targets, err := p.build(bin)
		if err != nil { // somebody is at work on it
			fmt.Fprintf(os.Stderr, "%s: %v\n", p.path, err)
			continue
		}
		for _, t := range targets {
			if ctx.Err() != nil || used >= left {
				return used, nil
			}
			if !o.only.MatchString(t.name()) {
				continue
			}
			r, err := t.run(ctx, o, min(o.slice, left-used))
			if err != nil {
				return used, err
			}
			fmt.Fprintln(os.Stderr, r)
			found.add(r)
			used += r.took
		}
	}
	return used, nil
}

// cacheFolder is where go test -fuzz keeps inputs, unless another is given.
func cacheFolder(given string) (string, error) {
	if given != "" {
		return filepath.Abs(given)
	}
	out, err := goCommand("env", "GOCACHE")
	return filepath.Join(out, "fuzz"), err
}
