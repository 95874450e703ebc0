package main

import (
	"fmt"
	"strings"

	"nixsd-native/internal/shell"
)

// bashCompletion is the script for bash 4.4 and newer; it needs nothing of the package
// bash-completion.
func bashCompletion() string {
	var words, values strings.Builder
	var names []string
	for _, c := range completion() {
		names = append(names, c.name)
		first := strings.Join(c.first, " ")
		fmt.Fprintf(&words, "    %s) flags=%s first=%s rest=%s ;;\n", c.name, shell.Quote(strings.Join(bashFlags(c), " ")), shell.Quote(first), shell.Quote(c.rest))
		for _, f := range c.flags {
			if f.takes == takesNothing {
				continue
			}
			pattern := c.name + ":--" + f.name
			if f.short != "" {
				pattern += " | " + c.name + ":-" + f.short
			}
			fmt.Fprintf(&values, "    %s) takes=%s words=%s ;;\n", pattern, f.takes, shell.Quote(strings.Join(f.words, " ")))
		}
	}
	return strings.NewReplacer("@commands@", strings.Join(names, " "), "@words@\n", words.String(), "@values@\n", values.String()).Replace(bashScript)
}

func bashFlags(c completedCommand) []string {
	var all []string
	for _, f := range c.flags {
		all = append(all, "--"+f.name)
		if f.short != "" {
			all = append(all, "-"+f.short)
		}
	}
	return all
}

// In bash's words a "=" stands alone, as COMP_WORDBREAKS says.
const bashScript = `# bash completion for nixsd-native, made by "nixsd-native completion bash".

_nixsd_native() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
  local command= flags= first= rest= takes= words= arguments=0 skip= i word
  COMPREPLY=()
  if [[ $cur == = ]]; then
    cur=
  elif [[ $prev == = ]]; then
    prev=${COMP_WORDS[COMP_CWORD-2]}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ -z $command && $word != -* ]]; then
      command=$word
      _nixsd_native_command "$command"
    elif [[ $word == -- && $rest == program ]]; then
      _nixsd_native_program $((i + 1))
      return
    elif [[ $word == = ]]; then
      skip=1
    elif [[ -n $skip ]]; then
      skip=
    elif [[ $word == -* ]]; then
      _nixsd_native_value "$command:$word"
      [[ -z $takes ]] || skip=1
    elif [[ -n $command ]]; then
      ((arguments += 1))
    fi
  done
  takes= words=
  _nixsd_native_value "$command:$prev"
  if [[ -z $command ]]; then
    words='@commands@ --help --version'
  elif [[ -n $takes ]]; then
    _nixsd_native_reply "$takes"
    return
  elif [[ $cur == -* ]]; then
    words=$flags
  elif [[ -n $first && $arguments == 0 ]]; then
    words=$first
  else
    _nixsd_native_reply "$rest"
    return
  fi
  _nixsd_native_reply words
}

# _nixsd_native_command NAME sets what a command has.
_nixsd_native_command() {
  case $1 in
@words@
  esac
}

# _nixsd_native_value COMMAND:FLAG sets what a flag takes.
_nixsd_native_value() {
  takes= words=
  case $1 in
@values@
  esac
}

_nixsd_native_reply() {
  case $1 in
    words) mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur") ;;
    file) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    folder) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
  esac
}

# _nixsd_native_program N completes a program, word N, and files behind it.
_nixsd_native_program() {
  if ((COMP_CWORD == $1)); then
    mapfile -t COMPREPLY < <(compgen -c -- "$cur")
  else
    _nixsd_native_reply file
  fi
}

complete -F _nixsd_native nixsd-native
`
