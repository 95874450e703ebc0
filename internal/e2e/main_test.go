package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"nixsd-native/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(runAll(m)) }

// runAll compares the host before and after all tests, too.
func runAll(m *testing.M) int {
	if err := adoptOrphans(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	release := testenv.LockHost()
	before := lookAtHost()
	release()
	status := m.Run()
	defer testenv.LockHost()()
	if err := testenv.RemoveLab(lab()); err != nil {
		fmt.Fprintf(os.Stderr, "remove the lab: %v\n", err)
		status = 1
	}
	testenv.RemoveBinary()
	if diff := before.settled().Diff(before.Snapshot); diff != "" {
		fmt.Fprintf(os.Stderr, "after all tests: %s", diff)
		status = 1
	}
	return status
}

// lab is the folder of this run, which all users can reach.
var lab = sync.OnceValue(func() string {
	dir, err := testenv.NewLab("nixsd-e2e")
	if err == nil {
		err = os.Mkdir(filepath.Join(dir, "tmp"), 0o777)
	}
	if err == nil {
		err = os.Chmod(filepath.Join(dir, "tmp"), 0o1777)
	}
	if err != nil {
		panic(err)
	}
	return dir
})

// A caller is who runs the program. UID 0 is root; others have no entry in
// /etc/passwd.
type caller struct {
	uid  int
	home string
}

// userID is an id that systems give to nobody.
const userID = 54321

func root() caller { return caller{0, filepath.Join(lab(), "root")} }

// user is an ordinary user: whoever runs the tests, unless that is root.
func user() caller {
	if uid := os.Geteuid(); uid != 0 {
		return caller{uid, filepath.Join(lab(), "user")}
	}
	return caller{userID, filepath.Join(lab(), "user")}
}

// folder makes a folder for c below its home and returns its path.
func (c caller) folder(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(c.home, name)
	for _, dir := range []string{c.home, path} {
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			t.Fatal(err)
		}
		c.own(t, dir)
	}
	return path
}

// own gives files to c.
func (c caller) own(t *testing.T, paths ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	for _, path := range paths {
		if err := os.Lchown(path, c.uid, c.uid); err != nil {
			t.Fatal(err)
		}
	}
}

// write writes a file of c's, below its home, and returns its path.
func (c caller) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(c.folder(t, filepath.Dir(name)), filepath.Base(name))
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	c.own(t, path)
	return path
}

// places are the folders that a run of the program uses.
type places struct{ state, cache string }

// callers are the user, and root if these tests may be it.
func callers() []caller {
	if os.Geteuid() != 0 {
		return []caller{user()}
	}
	return []caller{user(), root()}
}

func (c caller) places(name string) places {
	return places{filepath.Join(c.home, name+"-state"), filepath.Join(c.home, name+"-cache")}
}

func (p places) flags() []string { return []string{"--state-dir", p.state, "--cache-dir", p.cache} }

// with returns arguments with the flags for p.
func (p places) with(args ...string) []string {
	return append([]string{args[0]}, append(p.flags(), args[1:]...)...)
}

// environment is what the program gets: what leads to the network, and no more.
func (c caller) environment(more []string) []string {
	env := []string{"HOME=" + c.home, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + filepath.Join(lab(), "tmp")}
	for _, name := range []string{"http_proxy", "https_proxy", "all_proxy", "no_proxy", "SSL_CERT_FILE", "NIX_SSL_CERT_FILE"} {
		for _, name := range []string{name, strings.ToUpper(name)} {
			if value, ok := os.LookupEnv(name); ok {
				env = append(env, name+"="+value)
			}
		}
	}
	return append(env, more...)
}
