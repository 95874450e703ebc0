package sandbox

// TrialArg0 is the argv[0] under which this program is TrialMain, and what a command for
// the Self hook begins with that asks for a Trial.
const TrialArg0 = "nixsd-native-trial"

// A Trial tells what failed of what a build does inside a sandbox; nil if it works.
type Trial struct {
	Builder *Failure // namespaces and mounts as Nix makes them for each build
	Folder  *Failure // what a store asks of its file system
}

// The user and the group of the first builder, inside.
const (
	trialUser  = 30001
	trialGroup = 30000
)
