package main

import (
	"context"
	"fmt"

	"github.com/spf13/pflag"
)

// A completionJob is the command completion.
type completionJob struct{ text func() string }

func completionCommand() command {
	return command{
		name:    "completion",
		args:    "bash|zsh|fish",
		summary: "print what lets a shell complete commands and flags",
		help: `Load it for this shell, or put it where the shell looks for such:

  bash  ~/.local/share/bash-completion/completions/nixsd-native
  zsh   _nixsd-native in a folder of $fpath
  fish  ~/.config/fish/completions/nixsd-native.fish

Example:
  source <(nixsd-native completion bash)`,
		new: func(*pflag.FlagSet) job { return new(completionJob) },
	}
}

func (j *completionJob) check(args []string) error {
	if len(args) == 1 {
		j.text = map[string]func() string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}[args[0]]
	}
	if j.text == nil {
		return usageErrorf("", "completion takes one of bash, zsh and fish")
	}
	return nil
}

func (j *completionJob) run(_ context.Context, a *app) error {
	_, err := fmt.Fprint(a.out, j.text())
	return err
}
