package main

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// manText is what the table of commands does not say, in the form of man(7); lines that
// begin with @ are filled in.
//
//go:embed manpage.in
var manText string

// manPage is the program's page for section 1 of the manual.
func manPage() string {
	var all, topicNames strings.Builder
	for _, c := range commands() {
		c.writeMan(&all)
	}
	for _, t := range topics() {
		fmt.Fprintf(&topicNames, ".TP\n.B %s\n%s\n", roff(t.name), roff(t.summary))
	}
	return strings.NewReplacer("@commands@\n", all.String(), "@topics@\n", topicNames.String()).Replace(manText)
}

// roff is text in which nothing is a request, an escape, or a special character.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "~", `\(ti`, "^", `\(ha`, "…", "...").Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}

// writeMan describes a command.
func (c command) writeMan(b *strings.Builder) {
	usage := c.name + " [FLAGS]"
	if c.args != "" {
		usage += " " + c.args
	}
	fmt.Fprintf(b, ".SS %s\n%s.\n.PP\n.B nixsd\\-native %s\n", roff(c.name), roff(strings.ToUpper(c.summary[:1])+c.summary[1:]), roff(usage))
	if c.help != "" {
		b.WriteString(manParagraphs(c.help))
	}
	c.flagSet().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			b.WriteString(manFlag(f))
		}
	})
}

// manParagraphs turns paragraphs of plain text into those of a page: examples and lists,
// which are indented, stay as they are.
func manParagraphs(text string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		b.WriteString(".PP\n")
		literal := false
		for line := range strings.Lines(part) {
			line = strings.TrimSuffix(line, "\n")
			switch indented := strings.HasPrefix(line, "  "); {
			case indented && !literal:
				b.WriteString(".RS 2\n.nf\n")
			case !indented && literal:
				b.WriteString(".fi\n.RE\n")
			}
			literal = strings.HasPrefix(line, "  ")
			b.WriteString(roff(strings.TrimPrefix(line, "  ")) + "\n")
		}
		if literal {
			b.WriteString(".fi\n.RE\n")
		}
	}
	return b.String()
}

// ownDefaults are flags whose defaults differ from machine to machine; the page says
// under FILES what they are.
var ownDefaults = []string{"state-dir", "cache-dir", "system"}

func manFlag(f *pflag.Flag) string {
	value, usage := pflag.UnquoteUsage(f)
	head := `\-\-` + roff(f.Name)
	if f.Shorthand != "" {
		head = `\-` + f.Shorthand + ", " + head
	}
	if value != "" {
		head += " " + roff(value)
	}
	if d := f.DefValue; !slices.Contains(ownDefaults, f.Name) && !slices.Contains([]string{"", "0", "false", "[]"}, d) {
		usage += fmt.Sprintf(" (default %s)", d)
	}
	return fmt.Sprintf(".TP\n.B %s\n%s\n", head, roff(strings.Join(strings.Fields(usage), " ")))
}
