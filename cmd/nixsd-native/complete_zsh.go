package main

import (
	"fmt"
	"strings"

	"nixsd-native/internal/shell"
)

// zshCompletion is the script for zsh's completion system.
func zshCompletion() string {
	var list, cases strings.Builder
	for _, c := range completion() {
		fmt.Fprintf(&list, "    %s\n", shell.Quote(strings.ReplaceAll(c.name, ":", `\:`)+":"+c.summary))
		fmt.Fprintf(&cases, "    %s)\n      _arguments -s", c.name)
		for _, spec := range zshSpecs(c) {
			cases.WriteString(" \\\n        " + spec)
		}
		cases.WriteString("\n      ;;\n")
	}
	return strings.NewReplacer("@commands@\n", list.String(), "@cases@\n", cases.String()).Replace(zshScript)
}

// zshSpecs are a command's flags and arguments as _arguments has them.
func zshSpecs(c completedCommand) []string {
	var all []string
	for _, f := range c.flags {
		all = append(all, zshFlag(f))
	}
	if c.first != nil {
		all = append(all, shell.Quote("1:argument:("+strings.Join(c.first, " ")+")"))
	}
	switch c.rest {
	case takesFile:
		all = append(all, "'*:file:_files'")
	case takesPrograms:
		all = append(all, "'*::program:_normal'")
	}
	return all
}

// zshFlag is a flag with what it takes. A flag may be given again, as some are to be.
func zshFlag(f completedFlag) string {
	spec := "[" + strings.NewReplacer("[", `\[`, "]", `\]`).Replace(f.usage) + "]"
	equals := "="
	switch f.takes {
	case takesNothing:
		equals = ""
	case takesWords:
		spec += ":value:(" + strings.Join(f.words, " ") + ")"
	case takesFile:
		spec += ":file:_files"
	case takesFolder:
		spec += ":folder:_files -/"
	default:
		spec += ":value: "
	}
	if f.short == "" {
		return shell.Quote("*--" + f.name + equals + spec)
	}
	short := "-" + f.short
	if equals != "" {
		short += "+"
	}
	return fmt.Sprintf("'*'{%s,--%s%s}%s", short, f.name, equals, shell.Quote(spec))
}

const zshScript = `#compdef nixsd-native
# zsh completion for nixsd-native, made by "nixsd-native completion zsh".

_nixsd-native() {
  local context state state_descr line
  typeset -A opt_args
  local -a commands
  commands=(
@commands@
  )
  _arguments -C '(- *)'{-h,--help}'[explain the program]' '(- *)--version[print the version]' '1:command:->command' '*::argument:->argument'
  case $state in
    command) _describe command commands; return ;;
    argument) ;;
    *) return ;;
  esac
  case $line[1] in
@cases@
  esac
}

if [[ $funcstack[1] == _nixsd-native ]]; then
  _nixsd-native "$@"
else
  compdef _nixsd-native nixsd-native
fi
`
