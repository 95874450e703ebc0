package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/pflag"

	"nixsd-native/internal/image"
	"nixsd-native/internal/shell"
	"nixsd-native/nix"
)

// An injectJob is the command inject with its flags.
type injectJob struct {
	commonFlags
	sourceFlags
	nixosFlags
	cacheFlags
	injectFlags
	demo   bool
	image  string
	ofDemo bool // of prepare: so the image is
}

func injectCommand() command {
	return command{
		name:    "inject",
		args:    "IMAGE",
		summary: "put secrets into a finished image",
		help: `Secrets in a configuration end up in the Nix store, which everybody may read.
This puts them into the root file system of IMAGE, a .img, instead, with nothing
mounted and no privileges. The image is changed in a copy, which is checked and
then takes its place; from then on it is for its owner alone. Its .sha256 is
renewed; the manifest and the bill of materials go on telling what was built.

"build" takes the same flags, with --inject for --file.

Examples:
  nixsd-native inject card.img --file wg.key:/etc/wireguard/wg.key
  nixsd-native inject card.img --wifi 'my network' --ssh-host-key host_key`,
		new: func(fs *pflag.FlagSet) job {
			j := new(injectJob)
			j.injectFlags.register(fs, "file")
			fs.BoolVar(&j.demo, "demo", false, "use the demo's tools to change the image")
			j.nixosFlags.inputs(fs)
			fs.StringArrayVar(&j.flakes, "flake", nil, "use the tools of the nixpkgs of `REF#NAME`")
			j.sourceFlags.network(fs)
			j.sourceFlags.registerBundle(fs)
			j.cacheFlags.register(fs)
			j.commonFlags.register(fs)
			return j
		},
	}
}

func (j *injectJob) check(args []string) error {
	if len(args) != 1 {
		return usageErrorf("", "inject takes one IMAGE")
	}
	j.image = args[0]
	if err := firstError(j.commonFlags.check(), j.sourceFlags.check(), j.nixosFlags.check(j.demo), j.cacheFlags.check(j.offline), j.injectFlags.check()); err != nil {
		return err
	}
	if !j.injectFlags.any() {
		return usageErrorf("name something with --file, --wifi, --ssh-host-key or --age-key", "there is nothing to put into %s", j.image)
	}
	return nil
}

// configs are those beside which the lock lies.
func (j *injectJob) configs() []string { return j.orDefault(nil) }

func (j *injectJob) needs() needs {
	n := j.nixosNeeds(j.configs(), j.demo)
	n.state, n.cache, n.offline = j.state, j.cache, j.offline
	n.files = slices.Concat([]string{j.image, checksumOf(j.image)}, j.namedFiles(), j.nixosFlags.files(), j.injectFlags.files())
	n.caches = j.cacheFlags.folders()
	n.output = j.image
	if real, err := filepath.EvalSymlinks(j.image); err == nil {
		n.output = real // the file is replaced, and not a link to it
	}
	return n
}

// checksumOf is the file beside an image that "build" puts there.
func checksumOf(name string) string {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	return name + ".sha256"
}

func (j *injectJob) run(ctx context.Context, a *app) error {
	b := newBuild(&buildJob{
		commonFlags: j.commonFlags, sourceFlags: j.sourceFlags, nixosFlags: j.nixosFlags, cacheFlags: j.cacheFlags, injectFlags: j.injectFlags,
		emulationFlags: emulationFlags{mode: emulationNone}, // e2fsprogs are this machine's
		configs:        j.configs(), demo: j.demo, output: j.needs().output, assembly: assemblyAuto, sandboxed: true,
	}, a)
	b.mode = emulationNone
	var sum image.Sum
	var path string
	err := b.steps(ctx, []step{
		{"preflight", func(ctx context.Context) error { return j.prepare(ctx, b) }},
		{"inputs", b.fetchInputs},
		{"sandbox", b.startSandbox},
		{"bootstrap", b.bootstrapAndLock},
		{"tools", b.prepareTools},
		{"inject", func(ctx context.Context) (err error) {
			path, sum, err = j.inject(ctx, b)
			return err
		}},
	})
	b.close()
	if err = b.finish(j.explain(err)); err != nil {
		return err
	}
	if j.json {
		return json.NewEncoder(a.out).Encode(map[string]any{"path": path, "sha256": sum.SHA256, "size": sum.Size, "injected": b.injectedRecords()})
	}
	_, err = fmt.Fprintln(a.out, path)
	return err
}

// prepare reads the secrets, looks whether the image is one that can be changed, and
// takes the state folder.
func (j *injectJob) prepare(ctx context.Context, b *build) error {
	b.evaluated = true // nothing is, but the tools
	if err := b.readSecrets(ctx, &b.job.injectFlags); err != nil {
		return err
	}
	if err := j.look(b); err != nil {
		return err
	}
	var err error
	if b.fileName, err = b.privileges.OpenOutput(); err != nil {
		return err
	}
	if err := b.findTargets(); err != nil {
		return err
	}
	return b.lockState(ctx)
}

// look refuses an image that is damaged, or where something cannot be put, before there is
// more to wait for.
func (j *injectJob) look(b *build) error {
	src, err := j.open(b)
	if err != nil {
		return err
	}
	defer src.Close()
	in := &injection{build: b, name: j.image, file: src}
	err = in.look()
	j.ofDemo = in.demo
	return err
}

// explain adds, where nothing came from a network, that the demo's image needs less of it.
func (j *injectJob) explain(err error) error {
	if !j.ofDemo || j.demo || exitCode(err) != exitNetwork {
		return err
	}
	return &codedError{exitNetwork, err.Error(), append(hints(err), "or, as this is the demo's image, use the demo's tools, which need a Debian mirror or what its build fetched: add --demo to this command")}
}

// open opens the image, and refuses what is none that can be changed.
func (j *injectJob) open(b *build) (*os.File, error) {
	src, err := b.privileges.Open(j.image)
	if err != nil {
		return nil, usageErrorf("name an image that is there", "%s: %v", j.image, bare(err))
	}
	info, err := src.Stat()
	if err != nil || !info.Mode().IsRegular() {
		src.Close()
		return nil, usageErrorf("put secrets into the image, and write that to the card", "%s is no file", j.image)
	}
	if isZstd(src) {
		src.Close()
		return nil, usageErrorf("decompress it first: zstd -d "+shell.Path(j.image)+"; or build with --inject and --compress zstd", "%s is compressed", j.image)
	}
	return src, nil
}

// prepareTools sets Nix up, and has it make the tools available.
func (b *build) prepareTools(ctx context.Context) error {
	b.askCaches(ctx)
	var err error
	b.nixEnv, err = b.nixEnvironment(nix.Conf{Substituters: urls(b.caches), TrustedKeys: b.trusted})
	if err != nil {
		return err
	}
	return b.findTools(ctx)
}

// inject makes the changed copy and puts it in place of the image.
func (j *injectJob) inject(ctx context.Context, b *build) (path string, sum image.Sum, err error) {
	src, err := j.open(b)
	if err != nil {
		return "", sum, err
	}
	defer src.Close()
	dst, err := b.privileges.Create(b.fileName)
	if err != nil {
		return "", sum, err
	}
	if sum, _, err = b.copyInjected(ctx, &target{}, b.fileName, dst, src); err != nil {
		return "", sum, b.outputError(err)
	}
	var small [][2]string
	if old, err := b.privileges.Open(checksumOf(j.image)); err == nil {
		old.Close()
		small = append(small, [2]string{b.fileName + ".sha256", image.ChecksumLine(sum, b.fileName)})
	}
	paths, err := b.place(small, b.fileName)
	if err != nil {
		return "", sum, err
	}
	b.rep.Note("the image is for its owner alone now; a manifest beside it, if there is one, tells of it as it was built")
	return paths[len(paths)-1], sum, nil
}
