package main

import (
	"context"
	"os"
	"sync"
	"time"

	"nixsd-native/internal/fetch"
	"nixsd-native/nix"
	"nixsd-native/qemu"
	"nixsd-native/sandbox"
)

// A step is one phase of a pipeline.
type step struct {
	name string
	do   func(context.Context) error
}

// A workspace is what the pipelines of build, fetch and shell share: reporter,
// downloads, and, step by step, inputs, sandbox and Nix. Each step fills fields
// that later ones read.
type workspace struct {
	*app
	common    *commonFlags
	sources   *sourceFlags
	emulation *emulationFlags
	nixos     *nixosFlags
	demo      bool
	configs   []string  // as the command line has them
	places    []located // folders of the host that the sandbox sees
	system    string    // of the machine that builds, in Nix's words
	rep       *reporter
	client    *fetch.Client
	downloads *ledger
	sharing   func() // of lockState: ends with the process, as long as it is held
	carry     bool   // the cache is to hold every file, also of what is unpacked or installed

	certificates certificates // of openCache
	netrc        string       // logins of binary caches, or ""

	lock      *nix.Lock        // of fetchInputs, if there was one
	resolved  resolved         // likewise, if there was none
	patches   [][]byte         // of nixpkgs
	builders  builders         // of preflight: remote ones that answered
	leftOut   []string         // those that did not, and why
	pushHost  *builder         // likewise: where finished store paths go, if that is by ssh
	inputs    inputs           // of fetchInputs
	plan      *demoPlan        // likewise, for the demo
	madeHere  bool             // likewise: this run made the demo's tarballs
	mode      string           // of registerHandler: host, private or none
	emulator  *os.File         // likewise, for private
	session   *sandbox.Session // of startSandbox
	begun     bool             // of bootstrap: the store may change until it is ended
	doubt     bool             // store paths are not what they are registered as
	evaluated bool             // by what runs from now on keys and logins may be seen
	info      sandboxInfo
	nix       nix.Installation // of bootstrap
	caBundle  string
	nixpkgs   string // folder inside the sandbox

	warned     *sync.Map               // texts of Nix's warnings
	cacheNames map[string]string       // what people call binary caches, by the URLs inside the sandbox
	onBuild    func(derivation string) // told, if not nil, what Nix begins to build
	stallAfter time.Duration           // silence and idleness of Nix that is told of; 0 = never
	onFile     func(nix.CacheFile)     // told what StepBundleList finds
	bundle     *loadedBundle           // of --bundle
}

// inputs are the verified files of a build.
type inputs struct {
	emulator *qemu.Resolved // nil without emulation
	nix      input
	nixpkgs  input
}

// An input is a tarball in the cache.
type input struct {
	Name     string `json:"name"`
	SHA256   string `json:"sha256,omitempty"`
	Revision string `json:"revision,omitempty"`
	path     string
}

// steps runs a pipeline to its end or first error.
func (w *workspace) steps(ctx context.Context, all []step) error {
	for _, s := range all {
		w.rep.Phase(s.name)
		if err := s.do(ctx); err != nil {
			return err
		}
	}
	return nil
}

// finish ends the report, with err if it is not nil.
func (w *workspace) finish(err error) error {
	err = w.explainDisk(err)
	if err == nil {
		w.rep.Close(true)
		return nil
	}
	if !is[*shellExit](err) {
		text, advice := describe(err)
		w.rep.Error(text, advice...)
	}
	w.rep.Close(false)
	return reportedError{err}
}

// close ends the sandbox.
func (w *workspace) close() {
	if w.session != nil {
		w.endStore()
		w.session.Close()
	}
	if w.emulator != nil {
		w.emulator.Close()
	}
}
