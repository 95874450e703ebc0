package vm

import (
	"bytes"
	"regexp"
	"strings"
	"sync"
	"unicode"
)

// maxConsole bounds what is kept of a console, in bytes.
const maxConsole = 64 << 10

// A Console keeps the end of what a machine prints.
type Console struct {
	mu   sync.Mutex
	text []byte
}

func (c *Console) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text = append(c.text, b...)
	if len(c.text) > 2*maxConsole {
		c.text = bytes.Clone(c.text[len(c.text)-maxConsole:])
	}
	return len(b), nil
}

// escapes move a terminal's cursor, or colour what it shows (ECMA-48).
var escapes = regexp.MustCompile(`\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_=>78c])`)

// String is what is kept, as plain lines.
func (c *Console) String() string {
	c.mu.Lock()
	text := strings.ToValidUTF8(string(c.text), "")
	c.mu.Unlock()
	text = escapes.ReplaceAllString(text, "")
	return strings.Map(func(r rune) rune {
		if r != '\n' && unicode.IsControl(r) {
			return -1
		}
		return r
	}, text)
}

// Tail returns the last n lines that are not empty.
func (c *Console) Tail(n int) []string {
	var lines []string
	for line := range strings.Lines(c.String()) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines[max(0, len(lines)-n):]
}

// endings are what a console shows when a machine will not come up any more.
var endings = []struct {
	text *regexp.Regexp
	what string
}{
	{regexp.MustCompile(`Kernel panic - not syncing`), "the kernel panics"},
	{regexp.MustCompile(`(?m)^You are in emergency mode`), "the system stops in emergency mode"},
	{regexp.MustCompile(`An error occurred in stage 1 of the boot process`), "the initial RAM disk finds no root file system"},
	{regexp.MustCompile(`(?m)^=> ?\z`), "u-boot finds nothing to boot"},
}

// Stuck tells why the machine will not come up, or "" if it still may.
func (c *Console) Stuck() string {
	text := c.String()
	for _, e := range endings {
		if e.text.MatchString(text) {
			return e.what
		}
	}
	return ""
}
