package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"nixsd-native/internal/image"
	"nixsd-native/internal/shell"
	"nixsd-native/nix"
)

// pushFlags say where finished store paths are copied to.
type pushFlags struct{ pushTo, signingKey string }

func (f *pushFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.pushTo, "push-to", "", "copy what was built to a binary cache: a `folder or URL` (http, https, ssh, ssh-ng, s3)")
	fs.StringVar(&f.signingKey, "signing-key", "", "sign what is copied with the secret key in `file`")
}

// pushSchemes are the stores, besides folders, that take what is built.
var pushSchemes = []string{"http", "https", "ssh", "ssh-ng", "s3"}

func (f *pushFlags) check(j *buildJob) error {
	if f.pushTo == "" {
		if f.signingKey != "" {
			return usageErrorf("", "--signing-key signs what --push-to copies, so it has no effect alone")
		}
		return nil
	}
	if !j.sandboxed && (f.signingKey != "" || f.bySSH()) {
		return usageErrorf("leave --sandbox=false out", "without Nix's sandbox builders could read the keys for --push-to")
	}
	if _, isFolder := folderOf(f.pushTo); isFolder {
		return nil
	}
	if _, err := netrcLine(f.pushTo); err != nil && isWebURL(f.pushTo) {
		return usageErrorf("", "--push-to %s: %v", withoutLogin(f.pushTo), err)
	}
	if f.bySSH() {
		if _, err := nix.StoreMachine(f.pushTo); err != nil {
			return usageErrorf("name it like ssh-ng://nix@host; a key is named by --builder-key FILE", "--push-to: %v", err)
		}
	}
	u, err := url.Parse(f.pushTo)
	switch {
	case err != nil || u.Host == "" || !slices.Contains(pushSchemes, u.Scheme):
		return usageErrorf("name a folder, or a URL that begins with one of "+strings.Join(pushSchemes, ", "), "--push-to %q is no store", f.pushTo)
	case j.offline:
		return usageErrorf("name a folder", "--offline reaches no %s", f.pushTo)
	}
	return nil
}

// files lists the files that these flags name.
func (f *pushFlags) files() []string {
	if f.signingKey == "" {
		return nil
	}
	return []string{f.signingKey}
}

// bySSH reports whether the store is reached by ssh.
func (f *pushFlags) bySSH() bool {
	return strings.HasPrefix(f.pushTo, "ssh") && strings.Contains(f.pushTo, "://")
}

// netrc returns the store's login as curl reads it.
func (f *pushFlags) netrc() string {
	if !isWebURL(f.pushTo) {
		return "" // ssh knows users, too
	}
	line, _ := netrcLine(f.pushTo) // checked
	return line
}

// secretKey is a key as nix key generate-secret prints it: a name, and an ed25519 key of
// 64 bytes, the last 32 of which are its public half, in base 64.
var secretKey = regexp.MustCompile(`^([^:\s]+):([A-Za-z0-9+/]{86}==)$`)

// maxSigningKey bounds a file with such a key in bytes; one has about 100.
const maxSigningKey = 4 << 10

// readSigningKey reads the file of --signing-key.
func (b *build) readSigningKey() error {
	name := b.job.signingKey
	if name == "" {
		return nil
	}
	const hint = "make one with: nixsd-native shell -q -- nix key generate-secret --key-name NAME-1 > FILE"
	f, err := b.privileges.Open(name)
	if err != nil {
		return usageErrorf(hint, "--signing-key %s: %v", name, bare(err))
	}
	defer f.Close()
	data, err := readAllBounded(f, name, maxSigningKey)
	if err != nil {
		return usageErrorf(hint, "--signing-key %s: %v", name, bare(err))
	}
	data = bytes.TrimSpace(data)
	if publicKey.Match(data) {
		return usageErrorf("name the file that it was made of; others only get the public key", "--signing-key %s holds a public key", name)
	}
	m := secretKey.FindSubmatch(data)
	if m == nil {
		return usageErrorf(hint, "--signing-key %s holds no secret key", name)
	}
	raw, err := base64.StdEncoding.DecodeString(string(m[2]))
	if err != nil {
		return usageErrorf(hint, "--signing-key %s holds no secret key", name)
	}
	b.publicKey = string(m[1]) + ":" + base64.StdEncoding.EncodeToString(raw[32:])
	b.signingKey = data
	return nil
}

// insideSigningKey is where Nix finds the key, once all is built: a configuration could
// read it while it is evaluated.
const insideSigningKey = insideOwn + "/signing-key"

// sign signs store paths, and what they refer to.
func (b *build) sign(ctx context.Context, paths []string) error {
	if b.publicKey == "" {
		return nil
	}
	if err := b.handIn(ctx, b.signingKey, nix.StepSecret, insideSigningKey); err != nil {
		return err
	}
	return inParts(paths, func(part []string) error {
		_, err := b.runNix(ctx, nix.SignArgs(b.nix, insideSigningKey, part...), b.nixEnv)
		return err
	})
}

// push copies the images, and what was built for them here, to a binary cache.
func (b *build) push(ctx context.Context) error {
	paths, err := b.builtHere(ctx)
	if err != nil {
		return err
	}
	env := append(b.env.list(storeVariables), b.nixEnv...)
	if err := b.sign(ctx, paths); err != nil {
		return err
	}
	store := b.pushStore()
	err = inParts(paths, func(part []string) error {
		_, err := b.runNix(ctx, nix.CopyArgs(b.nix, store, part...), env)
		return err
	})
	if err != nil {
		return b.notPushed(err)
	}
	if dir, isFolder := folderOf(b.job.pushTo); isFolder { // Nix does not wait for the disk
		if err := nix.SyncFS(dir); err != nil {
			return &image.OutputError{Path: dir, Err: err}
		}
	}
	b.rep.Note("copied %s, with what they need, to %s", plural(int64(len(paths)), "store path"), b.job.pushTo)
	switch {
	case b.publicKey != "":
		b.rep.Note("elsewhere: --substituter %s --trusted-public-key %s", shell.Word(b.job.pushTo), b.publicKey)
	case b.pushHost == nil:
		b.rep.Warn("what was copied has no signature, and is not trusted elsewhere: add --signing-key FILE")
	}
	return nil
}

// pushStore is the store's URL inside the sandbox. Images shrink well and fast with zstd,
// which Nix 2.4 and newer read; its own xz takes ten times as long.
func (b *build) pushStore() string {
	if b.pushHost != nil {
		return b.pushHost.inside(len(b.builders)).StoreURL()
	}
	store := b.job.pushTo
	if _, isFolder := folderOf(store); isFolder {
		store = "file://" + insidePush
	}
	u, err := url.Parse(store)
	if err != nil {
		return store
	}
	q := u.Query()
	if !q.Has("compression") {
		q.Set("compression", "zstd")
	}
	u.RawQuery = q.Encode()
	return withoutLogin(u.String())
}

// notPushed says that a build succeeded whose results could not be copied.
func (b *build) notPushed(err error) error {
	if !is[*nix.BuildError](err) {
		return err
	}
	code := exitNetwork
	if _, isFolder := folderOf(b.job.pushTo); isFolder {
		code = exitOutput
	}
	return &codedError{code, "the image is delivered, but not copied to " + b.job.pushTo + ": " + err.Error(), []string{
		"mend that, and run the command again: nothing is built twice",
	}}
}

// builtHere lists the results and, of all that they were built from, the store paths
// that no cache had.
func (b *build) builtHere(ctx context.Context) ([]string, error) {
	var paths []string
	for _, t := range b.left() {
		paths = append(paths, t.result)
	}
	out, err := b.runNix(ctx, nix.ValidRequisitesArgs(b.nix, b.derivations()...), b.nixEnv)
	if err != nil {
		return nil, err
	}
	err = inParts(nix.WithoutDerivations(out), func(part []string) error {
		infos, err := b.runNix(ctx, nix.PathInfoArgs(b.nix, part...), b.nixEnv)
		if err != nil {
			return err
		}
		ultimate, err := nix.BuiltHere(strings.NewReader(infos))
		paths = append(paths, ultimate...)
		return err
	})
	slices.Sort(paths)
	return slices.Compact(paths), err
}
