package main

import (
	"os"

	"golang.org/x/term"
)

// reportOptions follow the flags and the terminal.
func (a *app) reportOptions(c *commonFlags) reportOptions {
	o := terminalOptions(os.Stderr, a.env)
	o.Format, o.Verbose, o.Quiet = reportFormat(c.logFormat), c.verbose, c.quiet
	return o
}

// terminalOptions says what may be written to a file. Bars need a terminal that moves its
// cursor, which TERM promises, and somebody who looks at it: CI systems with a terminal
// keep what was drawn, too. NO_COLOR is as no-color.org has it.
func terminalOptions(f *os.File, env environment) reportOptions {
	fd := int(f.Fd())
	size := func(pick func(w, h int) int) func() int {
		return func() int {
			w, h, err := term.GetSize(fd)
			if err != nil {
				return 0
			}
			return pick(w, h)
		}
	}
	moves := term.IsTerminal(fd) && env["TERM"] != "" && env["TERM"] != "dumb"
	return reportOptions{
		Terminal: moves && (env["CI"] == "" || env["CI"] == "false"),
		Color:    moves && env["NO_COLOR"] == "",
		Width:    size(func(w, _ int) int { return w }),
		Height:   size(func(_, h int) int { return h }),
	}
}
