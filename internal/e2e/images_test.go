package e2e

import (
	"crypto/ed25519"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"

	"nixsd-native/internal/testenv"
)

// imageName is what the demo's image is called.
const imageName = "nixos-demo-sd-image-aarch64.img"

// Exit statuses that say what the machine lacks.
const (
	exitHost    = 3
	exitNetwork = 5
)

// privateLogin is the key that images let in, and loginKey what logs in with it.
var (
	privateLogin = sync.OnceValue(func() ed25519.PrivateKey {
		_, key, err := ed25519.GenerateKey(nil)
		if err != nil {
			panic(err)
		}
		return key
	})
	loginKey = sync.OnceValue(func() ssh.Signer {
		signer, err := ssh.NewSignerFromKey(privateLogin())
		if err != nil {
			panic(err)
		}
		return signer
	})
)

// keyFile writes the public half of loginKey into c's home.
func (c caller) keyFile(t *testing.T) string {
	t.Helper()
	return c.write(t, "keys/id.pub", string(ssh.MarshalAuthorizedKey(loginKey().PublicKey())))
}

// buildArgs are those of every build of the demo here. The key belongs to the caller.
func buildArgs(t *testing.T, c caller, p places, out string, more ...string) []string {
	t.Helper()
	args := p.with("build", "--demo", "--log-format", "json", "-o", filepath.Join(c.home, out)+"/", "--ssh-key", c.keyFile(t))
	return append(args, more...)
}

// A fixture is made once and then shared by tests, which all skip, or fail, if it
// could not be made.
type fixture[T any] struct {
	once  sync.Once
	made  bool
	value T
	what  string // is missing on this machine
	lack  error
}

func (f *fixture[T]) get(t *testing.T, make func() (T, string, error)) T {
	t.Helper()
	f.once.Do(func() {
		f.value, f.what, f.lack = make()
		f.made = true
	})
	if !f.made {
		t.Fatal("what this test builds on could not be made; see the first failure")
	}
	testenv.Need(t, f.what, f.lack)
	return f.value
}

var (
	inputs fixture[places]
	images fixture[struct{ user, root places }]
)

// userInputs returns the places of the user, who has fetched the demo's inputs.
func userInputs(t *testing.T) places {
	t.Helper()
	return inputs.get(t, func() (places, string, error) {
		p := user().places("first")
		r := run(t, job{as: user(), args: p.with("fetch", "--demo", "--json", "--log-format", "json")})
		if r.status == exitNetwork {
			return p, "Debian mirror", errors.New(r.errs)
		}
		if r.status != 0 || !strings.Contains(r.out, `"kind":"nixpkgs"`) {
			t.Fatalf("fetch --demo = %d, %s\n%s", r.status, r.out, r.errs)
		}
		if len(r.downloaded()) < 100 {
			t.Errorf("fetch --demo downloaded %d files; want all", len(r.downloaded()))
		}
		return p, "", nil
	})
}

// builds returns the places of user and root, who have each built the image into
// "first": the user without any network, root from inputs made anew. There are no
// places of root if the tests are run by somebody else.
func builds(t *testing.T) (u, r places) {
	t.Helper()
	u = userInputs(t)
	both := images.get(t, func() (both struct{ user, root places }, what string, lack error) {
		both.user = u
		all := []*process{start(t, job{as: user(), isolated: true, args: buildArgs(t, user(), u, "first", "--offline")})}
		if os.Geteuid() == 0 {
			both.root = root().places("first")
			copyDownloads(t, u.cache, both.root, false)
			all = append(all, start(t, job{as: root(), args: buildArgs(t, root(), both.root, "first")}))
		}
		for _, p := range all {
			r := p.wait()
			if r.status == exitHost {
				return both, "sandbox with emulation", errors.New(r.errs)
			}
			if r.status != 0 || len(r.built()) < 8 {
				t.Fatalf("the first build = %d, of %q\n%s", r.status, r.built(), tail(p.errs))
			}
		}
		return both, "", nil
	})
	return both.user, both.root
}

// rootBuild is builds for tests that need root.
func rootBuild(t *testing.T) places {
	t.Helper()
	testenv.NeedRoot(t)
	_, p := builds(t)
	return p
}

// copyDownloads fills root's cache, which the program makes for its worker. What was
// made of the downloads comes along only if asked for.
func copyDownloads(t *testing.T, from string, p places, made bool) {
	t.Helper()
	run(t, job{as: root(), args: p.with("fetch", "--demo", "--offline")}) // which makes the folders, and ends there
	info, err := os.Stat(p.cache)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range listing(t, from) {
		if (made || strings.HasSuffix(name, ".deb")) && !strings.HasPrefix(name, ".") {
			copyTree(t, filepath.Join(from, name), filepath.Join(p.cache, name), int(info.Sys().(*syscall.Stat_t).Gid))
		}
	}
}

// copyTree copies files and folders and gives them to id, a group's as well as a
// user's.
func copyTree(t *testing.T, from, to string, id int) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := to + strings.TrimPrefix(path, from)
		if d.IsDir() {
			err = os.Mkdir(target, 0o775)
		} else {
			err = copyFile(path, target, 0, -1)
		}
		return errors.Join(err, os.Lchown(target, id, id))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// copyFile copies size bytes of a file from an offset on; all that is left if size is
// negative.
func copyFile(from, to string, offset, size int64) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return err
	}
	if _, err = in.Seek(offset, io.SeekStart); err == nil && size < 0 {
		_, err = io.Copy(out, in)
	} else if err == nil {
		_, err = io.CopyN(out, in, size)
	}
	return errors.Join(err, out.Close())
}
