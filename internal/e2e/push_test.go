package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// signingKey makes a secret key in a file of the caller's, as the help says, and returns
// its public half, which the program prints when it has copied.
func signingKey(t *testing.T, c caller, p places) (file string) {
	t.Helper()
	text := must(t, job{as: c, args: p.with("shell", "--demo", "-q", "--offline", "--", "nix", "key", "generate-secret", "--key-name", "e2e-push-1")}).out
	return c.write(t, "push-key/secret.key", text)
}

// publicKey is what a run that copied says other machines must trust.
func (r result) publicKey(t *testing.T) string {
	t.Helper()
	for _, e := range r.events {
		if _, key, ok := strings.Cut(e.Text, "--trusted-public-key "); ok {
			return key
		}
	}
	t.Fatalf("nothing says which key to trust:\n%s", r.errs)
	return ""
}

// What one machine built and copied to a folder, signed, another one builds no more.
func TestPush(t *testing.T) {
	check := mustStay(t)
	p, rootPlaces := builds(t)
	u := user()
	cache, key := u.folder(t, "push"), signingKey(t, u, p)
	args := buildArgs(t, u, p, "push-out", "--offline", "--push-to", cache)
	r := must(t, job{as: u, isolated: true, args: append(args, "--signing-key", key)})
	public := r.publicKey(t)
	secret, err := os.ReadFile(key)
	if err != nil || strings.Contains(r.errs+r.out, strings.TrimSpace(string(secret))) {
		t.Errorf("the secret key was printed, or %v", err)
	}
	first := manifestIn(t, filepath.Join(u.home, "first"))
	next := places{filepath.Join(u.home, "push-state"), p.cache}
	again := must(t, job{as: u, isolated: true, args: buildArgs(t, u, next, "push-next", "--offline", "--substituter", cache, "--trusted-public-key", public)})
	if got := manifestIn(t, filepath.Join(u.home, "push-next")); len(again.built()) > 0 || got.SHA256 != first.SHA256 {
		t.Errorf("the next machine built %q and made %s; want nothing and %s", again.built(), got.SHA256, first.SHA256)
	}
	_, want := billIn(t, filepath.Join(u.home, "first"))
	if _, got := billIn(t, filepath.Join(u.home, "push-next")); !bytes.Equal(got, want) {
		t.Errorf("where the store has but the image, the bill of materials is\n%s\nand not\n%s", got, want)
	}
	t.Run("http", func(t *testing.T) { pushByHTTP(t, p, key, cache) })
	if os.Geteuid() == 0 {
		t.Run("sudo", func(t *testing.T) { pushAsRoot(t, rootPlaces, key, cache) })
	}
	t.Run("refused", func(t *testing.T) { pushRefused(t, p, key) })
	check(t)
}

// narinfos lists those of a binary cache.
func narinfos(t *testing.T, dir string) []string {
	t.Helper()
	return slices.DeleteFunc(listing(t, dir), func(name string) bool { return filepath.Ext(name) != ".narinfo" })
}

// pushByHTTP uploads to a server what the folder cache got.
func pushByHTTP(t *testing.T, p places, key, cache string) {
	n := newNixOS(t)
	dir := t.TempDir()
	n.ServeCache(dir)
	j := job{as: n.caller, args: buildArgs(t, n.caller, p, "push-out", "--push-to", n.CacheURL(), "--signing-key", key), env: []string{"SSL_CERT_FILE=" + n.CAFile()}}
	must(t, j)
	if got, want := narinfos(t, dir), narinfos(t, cache); len(got) == 0 || !slices.Equal(got, want) {
		t.Errorf("by HTTP the cache got %q; want %q", got, want)
	}
	n.Forget()
	must(t, j)
	if n.asked("PUT ") > 0 {
		t.Errorf("the second time %d files were uploaded again", n.asked("PUT "))
	}
}

// pushAsRoot copies, as root for somebody who called sudo, into a folder of theirs.
func pushAsRoot(t *testing.T, p places, key, cache string) {
	u := user()
	dir := u.folder(t, "push-sudo")
	sudo := []string{"SUDO_UID=54321", "SUDO_GID=54321"}
	must(t, job{as: root(), env: sudo, args: buildArgs(t, root(), p, "push-out", "--push-to", dir, "--signing-key", key)})
	if got, want := narinfos(t, dir), narinfos(t, cache); !slices.Equal(got, want) {
		t.Errorf("as root the cache got %q; want %q", got, want)
	}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if info, e := os.Lstat(path); err == nil && (e != nil || owner(info) != u.uid) {
			t.Errorf("%s is not %d's", path, u.uid)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	roots := root().folder(t, "push-root")
	run(t, job{as: root(), args: append(buildArgs(t, root(), p, "push-out"), "--push-to", roots, "--log-format", "plain")}).mustBeClear(t, "root's folder", exitOutput, "does not write into")
}

// pushRefused is what cannot be copied.
func pushRefused(t *testing.T, p places, key string) {
	u := user()
	plain := append(buildArgs(t, u, p, "push-out"), "--log-format", "plain")
	with := func(more ...string) job { return job{as: u, args: append(slices.Clone(plain), more...)} }
	run(t, with("--push-to", filepath.Join(u.home, "nowhere"))).mustBeClear(t, "no folder", exitUsage, "no such file")
	run(t, with("--push-to", "ftp://x/y")).mustBeClear(t, "no store", exitUsage, "is no store")
	run(t, with("--signing-key", key)).mustBeClear(t, "a key alone", exitUsage, "has no effect alone")
	run(t, with("--push-to", u.folder(t, "push-none"), "--signing-key", u.keyFile(t))).mustBeClear(t, "no secret key", exitUsage, "holds no secret key")
	mustDeliver := func(r result) result { // the path is told all the same
		if filepath.Base(strings.TrimSpace(r.out)) != imageName {
			t.Errorf("standard output of a build whose image is delivered: %q", r.out)
		}
		r.out = ""
		return r
	}
	mustDeliver(run(t, with("--push-to", nobody))).mustBeClear(t, "nobody there", exitNetwork, "the image is delivered, but not copied")
	run(t, with("--push-to", filepath.Join(u.home, "first"))).mustBeClear(t, "no cache's folder", exitUsage, "neither empty nor a binary cache")
	if os.Geteuid() == 0 {
		run(t, with("--push-to", root().folder(t, "push-root"))).mustBeClear(t, "somebody else's folder", exitOutput, "permission denied")
	}
}
