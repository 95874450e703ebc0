package main

import (
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// What can stand behind a flag or as an argument.
const (
	takesNothing  = ""
	takesText     = "text"
	takesFile     = "file"
	takesFolder   = "folder"
	takesWords    = "words"   // one of a list
	takesPrograms = "program" // and its arguments, behind --
)

// valuesAnnotation lists, in a flag, the values it has, where their names are too many
// for the flag's usage.
const valuesAnnotation = "values"

// A completedFlag is a flag as a shell completes it.
type completedFlag struct {
	name, short string
	usage       string // without marks, one line
	takes       string
	words       []string
}

// A completedCommand is a command as a shell completes it.
type completedCommand struct {
	name, summary string
	flags         []completedFlag
	first         []string // words that the first argument is one of, if any
	rest          string   // what the other arguments are
}

// wordList is alternatives in a usage, such as auto|plain|json|raw.
var wordList = regexp.MustCompile(`^[a-z0-9_-]+(\|[a-z0-9_-]+)+$`)

// flagSet returns a command's flags.
func (c command) flagSet() *pflag.FlagSet {
	fs := pflag.NewFlagSet(c.name, pflag.ContinueOnError)
	fs.SortFlags = false
	c.new(fs)
	return fs
}

// completion lists what shells complete, from the table of commands.
func completion() []completedCommand {
	var all []completedCommand
	for _, c := range commands() {
		d := completedCommand{name: c.name, summary: c.summary}
		c.flagSet().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				d.flags = append(d.flags, completeFlag(f))
			}
		})
		d.flags = append(d.flags, completedFlag{name: "help", short: "h", usage: "explain the command"})
		d.first, d.rest = completeArguments(c.args)
		all = append(all, d)
	}
	return append(all, completedCommand{name: "help", summary: "explain a command or a topic", first: helpWords()})
}

// helpWords are what help takes.
func helpWords() []string {
	words := commandNames()
	for _, t := range topics() {
		words = append(words, t.name)
	}
	return words
}

func completeFlag(f *pflag.Flag) completedFlag {
	value, usage := pflag.UnquoteUsage(f)
	d := completedFlag{name: f.Name, short: f.Shorthand, usage: strings.Join(strings.Fields(usage), " ")}
	words := strings.Fields(value)
	switch {
	case f.NoOptDefVal != "": // it needs no value
		d.takes = takesNothing
	case f.Annotations[valuesAnnotation] != nil:
		d.takes, d.words = takesWords, f.Annotations[valuesAnnotation]
	case wordList.MatchString(value):
		d.takes, d.words = takesWords, strings.Split(value, "|")
		d.usage = strings.TrimPrefix(d.usage, value+": ")
	case slices.Contains(words, "file"):
		d.takes = takesFile
	case slices.Contains(words, "folder"):
		d.takes = takesFolder
	default:
		d.takes = takesText
	}
	return d
}

// completeArguments reads how usage shows a command's arguments.
func completeArguments(args string) (first []string, rest string) {
	for word := range strings.FieldsSeq(args) {
		switch word = strings.Trim(word, "[]…"); {
		case wordList.MatchString(word):
			first = strings.Split(word, "|")
		case word == "--":
			return first, takesPrograms
		case word != "":
			rest = takesFile
		}
	}
	return first, rest
}
