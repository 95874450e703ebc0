package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"time"

	"nixsd-native/internal/fetch"
	"nixsd-native/internal/image"
	"nixsd-native/nix"
	"nixsd-native/sandbox"

	nixsd "nixsd-native"
)

// A build is one run of the command build.
type build struct {
	workspace
	job        *buildJob
	keys       []string // lines of authorized_keys
	configText []byte
	fileName   string // as the user wants the image to be called, or ""

	nixEnv     []string
	derivation string
	result     string // output's store path
	imagePath  string // inside the sandbox
}

func newBuild(j *buildJob, a *app) *build {
	b := &build{job: j}
	b.workspace = newWorkspace(a, &j.commonFlags, &j.sourceFlags, &j.emulationFlags)
	b.demo, b.configDir = j.demo, configDirOf(j.config)
	return b
}

// preflight checks what can be checked before anything is downloaded, and takes the
// state folder.
func (b *build) preflight(ctx context.Context) error {
	var err error
	for _, name := range b.job.sshKeys {
		keys, err := b.readKeys(name)
		if err != nil {
			return err
		}
		b.keys = append(b.keys, keys...)
	}
	if b.configText, err = b.readConfig(); err != nil {
		return err
	}
	if line := placeholderKey(b.configText); line > 0 && len(b.keys) == 0 {
		return usageErrorf("put your public key there, or add --ssh-key ~/.ssh/id_ed25519.pub",
			"nobody could log in: line %d of %s has a placeholder instead of an ssh key", line, b.configName())
	}
	if b.fileName, err = b.privileges.OpenOutput(); err != nil {
		return err
	}
	return b.lockState(ctx)
}

func (b *build) configName() string {
	if b.job.config == "" {
		return "the built-in configuration"
	}
	return b.job.config
}

// maxConfig bounds the configuration's own file in bytes.
const maxConfig = 4 << 20

// readConfig reads the configuration's file.
func (b *build) readConfig() ([]byte, error) {
	if b.job.config == "" {
		return nixsd.DefaultConfig, nil
	}
	f, err := b.privileges.Open(b.job.config)
	if err != nil {
		return nil, usageErrorf("name a file that you may read", "configuration %s: %v", b.job.config, bare(err))
	}
	defer f.Close()
	return readAllBounded(f, b.job.config, maxConfig)
}

// fetchInputs makes all inputs available, the emulator beside the rest.
func (b *build) fetchInputs(ctx context.Context) error {
	if err := b.openCache(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ends := func(err error) error {
		if err != nil && !is[*fetch.OfflineError](err) {
			cancel(err) // the other download is of no use any more
		}
		return err
	}
	emulator := make(chan error, 1)
	go func() {
		if !b.emulation.emulates() {
			emulator <- nil
			return
		}
		emulator <- ends(b.resolveEmulator(ctx))
	}()
	err := firstError(ends(b.fetchDemo(ctx)), <-emulator)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if offline := (*fetch.OfflineError)(nil); errors.As(err, &offline) {
		offline.Command = b.fetchLine()
	}
	return err
}

// firstError prefers what both say, so that everything that is missing offline is
// told at once.
func firstError(errs ...error) error {
	if merged := mergeOffline(errs); merged != nil {
		return merged
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// startSandbox starts the sandbox with the configuration's modules in it.
func (b *build) startSandbox(ctx context.Context) error {
	modules := []string{"(/. + " + nix.String(b.privileges.Config()) + ")"} // whatever characters are in it
	var files []sandbox.File
	add := func(name, text string) {
		files = append(files, textFile(insideOwn+"/"+name, text))
		modules = append(modules, insideOwn+"/"+name)
	}
	if b.privileges.Config() == "" {
		modules = nil
		add("sd-card.nix", string(nixsd.DefaultConfig))
	}
	if b.assembly() == assemblyNative {
		add("assembly.nix", nix.Assembly(nativeSystem()))
	}
	if len(b.keys) > 0 {
		add("login-keys.nix", nix.LoginKeys(b.keys))
	}
	files = append(files, textFile(insideOwn+"/configuration.nix", nix.Wrapper(modules...)))
	return b.startSandboxWith(ctx, files...)
}

// assembly decides which tools make file systems. A machine of the board's own
// architecture has but one kind.
func (b *build) assembly() string {
	if b.job.assembly == assemblyEmulated || nativeSystem() == boardSystem {
		return assemblyEmulated
	}
	return assemblyNative
}

// deliver copies the image out of the store and writes checksum and manifest. The
// image comes into place last.
func (b *build) deliver(ctx context.Context) error {
	src, err := b.session.Open(b.imagePath)
	if err != nil {
		return err
	}
	defer src.Close()
	name := b.fileName
	if name == "" {
		name = path.Base(b.imagePath)
	}
	dst, err := b.privileges.Create(name)
	if err != nil {
		return err
	}
	sum, err := image.Copy(ctx, dst, src, func(done, total int64) { b.rep.Bytes(name, done, total) })
	if err != nil {
		return outputError(name, err)
	}
	m := b.manifest(name, sum)
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	stem := strings.TrimSuffix(name, path.Ext(name))
	small := map[string]string{name + ".sha256": image.ChecksumLine(sum, name), stem + ".json": string(data) + "\n"}
	for file, text := range small {
		f, err := b.privileges.Create(file)
		if err != nil {
			return err
		}
		if _, err := f.WriteString(text); err != nil {
			return outputError(file, err)
		}
	}
	paths, err := b.privileges.Commit(name+".sha256", stem+".json", name)
	if err != nil {
		return err
	}
	return b.printResult(paths[len(paths)-1], data)
}

// outputError tells a failure to write from others.
func outputError(name string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if isDiskFull(err) || is[*os.PathError](err) {
		return &image.OutputError{Path: name, Err: err}
	}
	return err
}

func (b *build) printResult(file string, manifest []byte) error {
	if b.job.json {
		var m map[string]any
		if err := json.Unmarshal(manifest, &m); err != nil {
			return err
		}
		m["path"] = file
		return json.NewEncoder(b.out).Encode(m)
	}
	_, err := fmt.Fprintln(b.out, file)
	return err
}

// A manifest tells what an image was made of and how.
type manifest struct {
	Image      string      `json:"image"` // file name
	SHA256     string      `json:"sha256"`
	Size       int64       `json:"size"`       // bytes
	Data       int64       `json:"data_bytes"` // bytes that are no holes
	Built      time.Time   `json:"built"`
	Program    string      `json:"nixsd_native"`
	Derivation string      `json:"derivation"`
	StorePath  string      `json:"store_path"`
	System     string      `json:"system"`
	Demo       bool        `json:"demo"`
	Emulation  string      `json:"emulation"` // host, private or none
	Emulator   *pinRecord  `json:"emulator,omitempty"`
	Nix        input       `json:"nix"`
	Nixpkgs    input       `json:"nixpkgs"`
	Assembly   string      `json:"assembly"` // native or emulated
	Sandbox    bool        `json:"nix_sandbox"`
	Users      string      `json:"users"` // range or single: ids in the sandbox
	Phases     []phaseTime `json:"phases"`
}

type pinRecord struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	SHA256   string `json:"sha256"`
	Emulator string `json:"emulator_sha256,omitempty"`
}

func (b *build) manifest(name string, sum image.Sum) manifest {
	m := manifest{
		Image: name, SHA256: sum.SHA256, Size: sum.Size, Data: sum.Data,
		Built: time.Now().UTC().Truncate(time.Second), Program: programVersion(),
		Derivation: b.derivation, StorePath: b.result, System: boardSystem, Demo: b.demo,
		Emulation: b.mode, Nix: b.inputs.nix, Nixpkgs: b.inputs.nixpkgs,
		Assembly: b.assembly(), Sandbox: b.job.sandboxed, Users: "single", Phases: b.rep.Phases(),
	}
	if b.info.ManyUsers {
		m.Users = "range"
	}
	if e := b.inputs.emulator; e != nil {
		m.Emulator = &pinRecord{e.Name, e.Version, e.SHA256, e.Emulator}
	}
	return m
}
