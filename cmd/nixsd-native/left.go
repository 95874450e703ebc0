package main

import (
	"context"
	"os"
	"time"

	"nixsd-native/binfmt"
	"nixsd-native/internal/monitor"
)

// caretakerArg0 is argv[0] of the process that takes the handler away should the
// monitor be killed.
const caretakerArg0 = "nixsd-native-caretaker"

// caretakerMain waits for the end of the monitor. Nobody is there to be told of
// errors; the next command meets them again.
func caretakerMain() int {
	if monitor.AwaitParent() != nil {
		return exitInternal
	}
	ctx, cancel := context.WithTimeout(context.Background(), recoverTimeout)
	defer cancel()
	return exitCode(binfmt.Inherit(ctx, runDir, &binfmt.Host{}))
}

// recoverTimeout bounds the wait for builds that are just coming or going, or starting a
// process.
const recoverTimeout = 5 * time.Second

// What is said of a handler that killed builds left.
const (
	leftRemoved = "removed the handler that a killed build had left"
	leftThere   = "a killed build left its handler, " + binfmt.Name + ", on this host; to remove it: sudo nixsd-native clean"
)

// tidy removes a handler that killed builds left, or tells a user, who cannot. All
// commands begin with it; j is nil if the command line is no command.
func (a *app) tidy(ctx context.Context, j job) {
	ctx, cancel := context.WithTimeout(ctx, recoverTimeout)
	defer cancel()
	kind, text := "note", ""
	if os.Geteuid() != 0 {
		if left, err := binfmt.Left(runDir, &binfmt.Host{}); left && err == nil {
			text = leftThere
		}
	} else if _, itself := j.(*cleanJob); !itself {
		removed, err := binfmt.Recover(ctx, runDir, &binfmt.Host{})
		switch {
		case err != nil:
			kind, text = "warning", "a handler that a killed build may have left could not be removed: "+oneLine(err.Error())
		case removed:
			text = leftRemoved
		}
	}
	if text == "" {
		return
	}
	flags := &commonFlags{}
	if with, ok := j.(interface{ common() *commonFlags }); ok {
		flags = with.common()
	}
	sayOnce(a.errs, a.reportOptions(flags), message{kind: kind, text: text})
}
