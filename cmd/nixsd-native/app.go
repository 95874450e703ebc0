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
	out        io.Writer       // results, nothing else
	stdout     *standardOutput // where out leads
	errs       io.Writer       // everything else
	privileges privileges
}

// newApp returns one whose streams show no secret of the environment and the arguments.
func newApp(env environment, args []string) *app {
	s := findSecrets(env, args)
	stdout := &standardOutput{w: os.Stdout}
	return &app{env: env, out: s.hide(stdout), stdout: stdout, errs: s.hide(os.Stderr)}
}

func hasProgram(name string) bool {
	_, err := exec.LookPath(name)
	return err == nil
}

// runningAsWorker reports whether the monitor decides about folders.
func runningAsWorker() bool { return filepath.Base(os.Args[0]) == workerArg0 }
