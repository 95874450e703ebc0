package main

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	"nixsd-native/internal/fetch"
	"nixsd-native/internal/inject"
	"nixsd-native/internal/shell"
	"nixsd-native/nix"
	"nixsd-native/sandbox"

	nixsd "nixsd-native"
)

// A build is one run of the command build.
type build struct {
	workspace
	job      *buildJob
	targets  []*target
	keys     []string       // lines of authorized_keys
	changes  []sandbox.File // of nixpkgs: patches
	fileName string         // as the user wants the image to be called, or ""

	nixEnv     []string
	caches     []binaryCache // in use
	trusted    []string      // their keys
	publicKey  string        // of --signing-key
	signingKey []byte
	secrets    []inject.File // to be put into the images
	handed     []string      // where the sandbox has them, if it has
	scripts    int           // that it was given of what to do with them
	tools      string        // store path of what changes images
	forecast   *forecast
	delivered  bool         // there are images to tell of, whatever fails from now on
	done       nix.Status   // how Nix's build ended
	printed    func() error // prints what the command is for, when all else is said
}

func newBuild(j *buildJob, a *app) *build {
	b := &build{job: j}
	b.workspace = newWorkspace(a, &j.commonFlags, &j.sourceFlags, &j.emulationFlags)
	b.nixos = &j.nixosFlags
	b.netrc = j.cacheFlags.netrc() + j.pushFlags.netrc()
	b.demo, b.configs, b.stallAfter = j.demo, j.configs, j.stallAfter
	b.printed = b.printImages
	b.cacheNames = map[string]string{}
	for _, c := range j.binaryCaches() {
		b.cacheNames[c.URL] = c.Name
	}
	return b
}

// preflight checks what can be checked before anything is downloaded, and takes the
// state folder.
func (b *build) preflight(ctx context.Context) error {
	if err := b.readNamed(); err != nil {
		return err
	}
	if err := b.readSigningKey(); err != nil {
		return err
	}
	if err := b.readSecrets(ctx, &b.job.injectFlags); err != nil {
		return err
	}
	if b.job.hostKey != "" && len(b.targets) > 1 {
		return usageErrorf("build them one by one, or use \"nixsd-native inject\" on each", "--ssh-host-key is for one board, and %d images are built", len(b.targets))
	}
	var err error
	if b.fileName, err = b.privileges.OpenOutput(); err != nil {
		return err
	}
	if b.fileName != "" && len(b.targets) > 1 {
		return usageErrorf("name a folder: --output "+shell.Word(b.job.output+"/"), "--output %s is a file, and %d images are built", b.job.output, len(b.targets))
	}
	if b.fileName != "" && (path.Ext(b.fileName) == ".zst") != (b.job.compress == compressZstd) {
		return usageErrorf("name it like card.img, and with --compress zstd like card.img.zst", "--output %s does not fit --compress %s", b.job.output, b.job.compress)
	}
	if b.fileName != "" && path.Ext(b.fileName) == "" {
		b.rep.Note("%s is to be the image itself; for a folder: --output %s", b.job.output, shell.Word(b.job.output+"/"))
	}
	if err := b.askBuilders(ctx); err != nil {
		return err
	}
	if err := b.askPushHost(ctx); err != nil {
		return err
	}
	return b.lockState(ctx)
}

// readNamed reads the files that the command line names, but for the inputs.
func (b *build) readNamed() error {
	for _, name := range b.job.sshKeys {
		keys, err := b.readKeys(name)
		if err != nil {
			return err
		}
		b.keys = append(b.keys, keys...)
	}
	if err := b.findTargets(); err != nil {
		return err
	}
	if err := b.readPatches(); err != nil {
		return err
	}
	return b.each(b.refusePlaceholder)
}

// findTargets learns what is to be built, and reads the configurations.
func (b *build) findTargets() (err error) {
	all := b.privileges.Targets()
	b.places = folders(all)
	if b.targets, err = newTargets(all); err != nil {
		return err
	}
	for _, t := range b.targets {
		if !b.nixos.ofFlake() {
			if t.text, err = b.readConfig(t.Name); err != nil {
				return err
			}
		} else if strings.HasPrefix(t.Flake.Ref, "path:") {
			b.rep.Warn("%s is no git work tree: Nix copies all of it into its store, which every program of the build can read", t.Dir)
		}
	}
	if b.nixos.ofFlake() && (len(b.keys) > 0 || b.nixos.withoutZFS) {
		b.rep.Note("the flake in the image's /etc/nixos does not say what --ssh-key and --disable-zfs do: say it there before nixos-rebuild")
	}
	return nil
}

// refusePlaceholder refuses an image that nobody could log in to.
func (b *build) refusePlaceholder(t *target) error {
	line := placeholderKey(t.text)
	if line == 0 || len(b.keys) > 0 {
		return nil
	}
	return usageErrorf("put your public key there, or add --ssh-key ~/.ssh/id_ed25519.pub",
		"nobody could log in: line %d of %s has a placeholder instead of an ssh key", line, t)
}

// maxConfig bounds the configuration's own file in bytes.
const maxConfig = 4 << 20

// readConfig reads a configuration's file; the built-in one has no name.
func (b *build) readConfig(name string) ([]byte, error) {
	if name == "" {
		return nixsd.DefaultConfig, nil
	}
	f, err := b.privileges.Open(name)
	if err != nil {
		return nil, usageErrorf("name a file that you may read", "configuration %s: %v", name, bare(err))
	}
	defer f.Close()
	return readAllBounded(f, name, maxConfig)
}

// fetchInputs makes all inputs available, the emulator beside the rest.
func (b *build) fetchInputs(ctx context.Context) error {
	if err := b.openCache(); err != nil {
		return err
	}
	if err := b.openBundle(ctx); err != nil {
		return err
	}
	if !b.demo {
		if err := b.obeyLock(); err != nil {
			return err
		}
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
		if !b.emulation.emulatesOn(b.system) {
			emulator <- nil
			return
		}
		emulator <- ends(b.resolveEmulator(ctx))
	}()
	fetchRest := b.fetchNixOS
	if b.demo {
		fetchRest = b.fetchDemo
	}
	err := firstError(ends(fetchRest(ctx)), <-emulator)
	if cause := context.Cause(ctx); cause != nil {
		return b.explainNetwork(cause)
	}
	if offline := (*fetch.OfflineError)(nil); errors.As(err, &offline) {
		offline.Command, offline.Bundle = b.fetchLine(), b.bundleOffer()
	}
	return b.explainNetwork(err)
}

// explainNetwork adds what helps where nixos.org cannot be reached.
func (b *build) explainNetwork(err error) error {
	if b.demo || !is[*fetch.NetworkError](err) || is[*fetch.HashError](err) {
		return err
	}
	advice := append(hints(err), "or name mirrors of nixos.org's hosts: --channel-mirror, --nix-mirror, --substituter")
	if !b.evaluated { // inject and shell build nothing
		advice = append(advice, "or see whether this machine can do the rest: build --demo needs a Debian mirror only")
	}
	return &codedError{exitNetwork, err.Error(), advice}
}

// bootstrapAndLock makes a lock, if there is none, once the inputs proved to be what
// they should.
func (b *build) bootstrapAndLock(ctx context.Context) error {
	if err := b.bootstrap(ctx); err != nil {
		return err
	}
	return b.makeLock()
}

// makeLock makes a lock if there is none.
func (b *build) makeLock() error {
	if b.demo || b.nixos.nixpkgsIsFolder() {
		return nil
	}
	if b.lock != nil {
		return b.keepBundleLock()
	}
	_, err := b.saveLock()
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

// startSandbox starts the sandbox with the targets' modules in it.
func (b *build) startSandbox(ctx context.Context) error {
	files := slices.Clone(b.changes)
	if len(b.secrets) > 0 {
		files = append(files, textFile(insideTools, nix.Tools(nativeSystem())))
	}
	for _, t := range b.targets {
		files = append(files, b.expressionOf(t)...)
	}
	return b.startSandboxWith(ctx, files...)
}

// expressionOf makes the files of a target's expression.
func (b *build) expressionOf(t *target) []sandbox.File {
	m := b.modules(t)
	of := nix.Target{
		Module: m.add(wrapperName, nix.Wrapper(m.paths...)), Assembly: m.assembly, Strict: b.job.assembly == assemblyNative,
		Native: nativeSystem(),
	}
	expression := nix.Expression(of)
	if b.nixos.ofFlake() {
		expression = nix.FlakeExpression(of, t.Flake.Ref, t.Flake.Name, b.makesImage())
	}
	t.expression = m.add(expressionName, expression)
	return m.files
}
