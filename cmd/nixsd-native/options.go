package main

import (
	"strings"

	"github.com/spf13/pflag"

	"nixsd-native/nix"
)

// optionFlags hand settings to Nix.
type optionFlags struct{ options []string }

const optionFlag = "option"

func (f *optionFlags) register(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.options, optionFlag, nil, "hand a setting to Nix, `NAME VALUE` or NAME=VALUE; repeatable")
}

func (f *optionFlags) check() error {
	for _, o := range f.options {
		name, value, ok := strings.Cut(o, "=")
		if !ok {
			return usageErrorf("write --option NAME VALUE or --option NAME=VALUE", "--option %s has no value", o)
		}
		if err := nix.CheckOption(name, value); err != nil {
			return usageErrorf("", "--option: %v", err)
		}
	}
	return nil
}

// settings are the options by name; the last of a name wins.
func (f *optionFlags) settings() map[string]string {
	all := map[string]string{}
	for _, o := range f.options {
		name, value, _ := strings.Cut(o, "=")
		all[name] = value
	}
	return all
}

// joinOptions makes --option NAME=VALUE of --option NAME VALUE, which is how Nix has it
// and what pflag cannot have.
func joinOptions(fs *pflag.FlagSet, args []string) []string {
	if fs.Lookup(optionFlag) == nil {
		return args
	}
	var joined []string
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "--":
			return append(joined, args[i:]...)
		case args[i] == "--"+optionFlag && i+2 < len(args) && !strings.Contains(args[i+1], "=") && !strings.HasPrefix(args[i+2], "--"):
			joined = append(joined, args[i], args[i+1]+"="+args[i+2])
			i += 2
		default:
			joined = append(joined, args[i])
		}
	}
	return joined
}
