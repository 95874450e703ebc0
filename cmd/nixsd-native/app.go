package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// An app is what a running command has to work with.
type app struct {
	env        environment
	out        io.Writer // results, nothing else
	errs       io.Writer // everything else
	privileges privileges
}

func newApp(env environment) *app { return &app{env: env, out: os.Stdout, errs: os.Stderr} }

func hasProgram(name string) bool {
	_, err := exec.LookPath(name)
	return err == nil
}

// runningAsWorker reports whether the monitor decides about folders.
func runningAsWorker() bool { return filepath.Base(os.Args[0]) == workerArg0 }
