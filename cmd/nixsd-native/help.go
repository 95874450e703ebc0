package main

import (
	"fmt"
	"io"

	"github.com/spf13/pflag"
)

// printHelp explains the program.
func printHelp(w io.Writer) {
	fmt.Fprint(w, `nixsd-native builds NixOS SD-card images for AArch64 boards on any Linux.

Usage:
  nixsd-native COMMAND [FLAGS] [ARGUMENTS]

Commands:
`)
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-10s %s\n", c.name, c.summary)
	}
	fmt.Fprintln(w)
	printTopics(w)
	fmt.Fprint(w, `
Try it:
  sudo nixsd-native build --demo --ssh-key ~/.ssh/id_ed25519.pub

"nixsd-native COMMAND --help" tells more. On Linux 6.7 and newer no build
needs root; writing a card does. Exit codes: 0 done, 1 internal error, 2 usage,
3 the host cannot, 4 verification failed, 5 network, 6 the NixOS build failed,
7 output, 130 interrupted.
`)
}

func printTopics(w io.Writer) {
	fmt.Fprint(w, "Topics, told by \"nixsd-native help TOPIC\":\n")
	for _, t := range topics() {
		fmt.Fprintf(w, "  %-10s %s\n", t.name, t.summary)
	}
}

// helpOn prints what is told of a name, and returns errHelp then.
func helpOn(names []string, out io.Writer) error {
	if len(names) > 1 {
		return usageErrorf("", "help takes one command or topic, so %s has no effect", names[1])
	}
	name := "help"
	if len(names) == 1 {
		name = names[0]
	}
	c, isCommand := findCommand(name)
	t, isTopic := findTopic(name)
	switch {
	case isCommand:
		_, err := c.parse([]string{"--help"}, out)
		return err
	case isTopic:
		fmt.Fprint(out, t.text)
	case name == "topics":
		printTopics(out)
	case name == "help", name == "--help", name == "-h":
		printHelp(out)
	default:
		return usageErrorf(meant(name, append(helpWords(), "topics"), "run \"nixsd-native help\" for the commands and topics"), "unknown command or topic %q", name)
	}
	return errHelp
}

func (c command) printHelp(w io.Writer, fs *pflag.FlagSet) {
	args := c.args
	if args != "" {
		args = " " + args
	}
	fmt.Fprintf(w, "nixsd-native %s: %s\n\nUsage:\n  nixsd-native %s [FLAGS]%s\n", c.name, c.summary, c.name, args)
	if c.help != "" {
		fmt.Fprintf(w, "\n%s\n", c.help)
	}
	if fs.HasFlags() {
		fmt.Fprintf(w, "\nFlags:\n%s", fs.FlagUsagesWrapped(80))
	}
}
