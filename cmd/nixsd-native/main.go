// Command nixsd-native turns a Linux machine into a builder of NixOS SD-card images
// for AArch64 boards.
package main

import (
	"os"
	"path/filepath"

	"nixsd-native/sandbox"
)

// main runs the part that this process plays. Parts but the first are this program
// again, under another name.
func main() {
	var status int
	switch args := os.Args[1:]; filepath.Base(os.Args[0]) {
	case sandbox.Arg0:
		status = sandbox.Main(makeReady, runInside)
	case sandbox.HoldArg0:
		status = sandbox.HoldMain()
	case sandbox.TrialArg0:
		status = sandbox.TrialMain()
	case monitorArg0:
		status = monitorMain(args)
	case workerArg0:
		status = workerMain(args)
	case caretakerArg0:
		status = caretakerMain()
	case readerArg0:
		status = readerMain(args)
	case sshArg0:
		status = sshMain(args)
	default:
		status = userMain(args)
	}
	os.Exit(status)
}
