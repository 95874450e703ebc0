package main

import (
	"fmt"
	"strings"
)

// fishCompletion is the script for fish.
func fishCompletion() string {
	var b strings.Builder
	b.WriteString(fishHead)
	add := func(condition, format string, args ...any) {
		fmt.Fprintf(&b, "complete -c nixsd-native -n %s %s\n", fishWord(condition), fmt.Sprintf(format, args...))
	}
	for _, c := range completion() {
		add("__nixsd_native_is ''", "-a %s -d %s", c.name, fishWord(c.summary))
	}
	add("__nixsd_native_is ''", "-s h -l help -d 'explain the program'")
	add("__nixsd_native_is ''", "-l version -d 'print the version'")
	for _, c := range completion() {
		is := "__nixsd_native_is " + c.name
		for _, f := range c.flags {
			add(is, "%s", fishFlag(f))
		}
		if c.first != nil {
			add("__nixsd_native_first "+c.name, "-a %s", fishWord(strings.Join(c.first, " ")))
		}
		switch {
		case c.rest == takesFile && c.first != nil:
			add(is+"; and not __nixsd_native_first "+c.name, "-F")
		case c.rest == takesFile:
			add(is, "-F")
		case c.rest == takesPrograms:
			add(is+"; and contains -- -- (commandline -opc)", "-F -a '(__fish_complete_subcommand --fcs-skip=3)'")
		}
	}
	return b.String()
}

func fishFlag(f completedFlag) string {
	text := "-l " + f.name + " -d " + fishWord(f.usage)
	if f.short != "" {
		text = "-s " + f.short + " " + text
	}
	switch f.takes {
	case takesNothing:
		return text
	case takesFile:
		return text + " -r -F"
	case takesFolder:
		return text + " -x -a '(__fish_complete_directories)'"
	case takesWords:
		return text + " -x -a " + fishWord(strings.Join(f.words, " "))
	}
	return text + " -x"
}

// fishWord is text in single quotes, in which fish knows two escapes.
func fishWord(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}

const fishHead = `# fish completion for nixsd-native, made by "nixsd-native completion fish".

# __nixsd_native_words prints the command and its arguments, without flags.
function __nixsd_native_words
  for word in (commandline -opc)[2..-1]
    string match -q -- '-*' $word; or echo $word
  end
end

function __nixsd_native_is
  set -l words (__nixsd_native_words)
  test "$words[1]" = "$argv[1]"
end

# __nixsd_native_first tells that a command's first argument comes next.
function __nixsd_native_first
  set -l words (__nixsd_native_words)
  test "$words[1]" = "$argv[1]"; and test (count $words) -eq 1
end

complete -c nixsd-native -f
`
