package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// A command is a row of the table of commands.
type command struct {
	name    string
	args    string // as usage shows them
	summary string
	help    string // more, with examples
	// new makes the command's flags in fs and returns what they fill.
	new func(fs *pflag.FlagSet) job
}

// A job is a command with its flags. Errors of its check are usage errors and come
// before any input or output.
type job interface {
	check(args []string) error
	run(ctx context.Context, a *app) error
}

// A splitJob is a job that, as root, is split into monitor and worker. Its run is
// called in the worker, or, without root, in the only process there is.
type splitJob interface {
	job
	needs() needs
}

// commands in the order in which help shows them.
func commands() []command {
	return []command{
		initCommand(), buildCommand(), fetchCommand(), updateCommand(), bundleCommand(), inspectCommand(), bootCommand(), injectCommand(),
		flashCommand(), explainCommand(), shellCommand(), doctorCommand(), binfmtCommand(), cleanCommand(), completionCommand(), versionCommand(),
	}
}

func findCommand(name string) (command, bool) {
	all := commands()
	i := slices.IndexFunc(all, func(c command) bool { return c.name == name })
	if i < 0 {
		return command{}, false
	}
	return all[i], true
}

func commandNames() []string {
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
	}
	return names
}

// errHelp says that help was asked for and printed.
var errHelp = errors.New("help")

// parse finds the command that args name and fills its flags.
func parse(args []string, out io.Writer) (job, error) {
	root := pflag.NewFlagSet("nixsd-native", pflag.ContinueOnError)
	root.SetInterspersed(false)
	root.SetOutput(io.Discard)
	help := root.BoolP("help", "h", false, "")
	version := root.Bool("version", false, "")
	if err := root.Parse(args); err != nil {
		return nil, usageErrorf(meantFlag(root, err, "flags go after the command: nixsd-native COMMAND [FLAGS]"), "%v", err)
	}
	rest := root.Args()
	switch {
	case *version:
		rest = []string{"version"}
	case *help, len(rest) == 0:
		printHelp(out)
		return nil, errHelp
	case rest[0] == "help":
		return nil, helpOn(rest[1:], out)
	}
	if _, isTopic := findTopic(rest[0]); isTopic {
		return nil, usageErrorf("read it: nixsd-native help "+rest[0], "%s is a topic, no command", rest[0])
	}
	c, ok := findCommand(rest[0])
	if !ok {
		return nil, usageErrorf(meant(rest[0], append(commandNames(), "help"), "run \"nixsd-native help\" for the commands and topics"), "unknown command %q", rest[0])
	}
	return c.parse(rest[1:], out)
}

func (c command) parse(args []string, out io.Writer) (job, error) {
	fs := pflag.NewFlagSet(c.name, pflag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.SortFlags = false
	j := c.new(fs)
	hint := fmt.Sprintf("run \"nixsd-native %s --help\"", c.name)
	switch err := fs.Parse(joinOptions(fs, args)); {
	case errors.Is(err, pflag.ErrHelp):
		c.printHelp(out, fs)
		return nil, errHelp
	case err != nil:
		return nil, usageErrorf(meantFlag(fs, err, hint), "%v", err)
	}
	if name := emptyFlag(fs); name != "" {
		return nil, usageErrorf("give it a value, or leave it out", "--%s is empty", name)
	}
	if err := j.check(fs.Args()); err != nil {
		if ue := (*usageError)(nil); errors.As(err, &ue) {
			ue.hint = c.meantWord(fs, cmp.Or(ue.hint, hint))
		}
		return nil, err
	}
	if i := slices.Index(fs.Args(), ""); i >= 0 {
		return nil, usageErrorf("is a variable of a script not set?", "argument %d of %s is empty", i+1, c.name)
	}
	return j, nil
}

// refuseOthers refuses flags that have no effect, and why.
func refuseOthers(fs *pflag.FlagSet, because string, known []string) (err error) {
	fs.Visit(func(f *pflag.Flag) {
		if !slices.Contains(known, f.Name) {
			err = usageErrorf("", "%s, so --%s has no effect", because, f.Name)
		}
	})
	return err
}

// emptyFlag returns the name of a flag that was given the empty string, as from a
// variable of a shell that is not set.
func emptyFlag(fs *pflag.FlagSet) (name string) {
	fs.Visit(func(f *pflag.Flag) {
		if all, ok := f.Value.(pflag.SliceValue); ok && slices.Contains(all.GetSlice(), "") || f.Value.String() == "" {
			name = f.Name
		}
	})
	return name
}

// userMain is the process that somebody started.
func userMain(args []string) int {
	a := newApp(hostEnvironment(), args)
	j, err := parse(args, a.out)
	a.tidy(context.Background(), j)
	if err != nil {
		return a.report(err)
	}
	s, split := j.(splitJob)
	if split && os.Geteuid() == 0 {
		err := becomeMonitor(args, s.needs().hostMounts)
		if d, ok := j.(*doctorJob); ok {
			err = d.runUnsplit(a, err)
		}
		return a.report(err)
	}
	ctx, stop := signalContext()
	defer stop()
	if f, ok := j.(fileJob); ok {
		return runFileJob(ctx, a, f, args)
	}
	if split {
		local, err := newLocal(s.needs())
		if err != nil {
			return a.report(err)
		}
		a.privileges = local
		defer local.close()
	}
	return a.report(j.run(ctx, a))
}

// noArguments is a check for commands without any.
func noArguments(args []string) error {
	if len(args) > 0 {
		return usageErrorf("", "unexpected argument %q", strings.Join(args, " "))
	}
	return nil
}
