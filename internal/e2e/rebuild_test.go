package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nixsd-native/internal/testenv"
)

// The last three derivations of the demo, the first for aarch64.
const (
	systemName = "nixos-demo-system"
	rootfsName = "ext4-fs.img"
)

// sdCard returns the default configuration with changes: pairs of old and new text.
func sdCard(t *testing.T, changes ...string) string {
	t.Helper()
	data, err := os.ReadFile("../../sd-card.nix")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(text, changes[i]) {
			t.Fatalf("sd-card.nix has no %q", changes[i])
		}
		text = strings.Replace(text, changes[i], changes[i+1], 1)
	}
	return text
}

// hostNamed is a configuration that the last three derivations depend on.
func hostNamed(t *testing.T, name string) string {
	return sdCard(t, `hostName = "nixos"`, fmt.Sprintf("hostName = %q", name))
}

// afterImage is a configuration whose last derivation ends with a command.
func afterImage(t *testing.T, command string) string {
	return sdCard(t, "sdImage.", fmt.Sprintf("sdImage.postBuildCommands = %q;\n  sdImage.", command))
}

// A mirrorSpy is a Debian mirror without any package, which remembers who came.
type mirrorSpy struct {
	mu    sync.Mutex
	paths []string
}

func (m *mirrorSpy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.paths = append(m.paths, r.URL.Path)
	http.NotFound(w, r)
}

func (m *mirrorSpy) asked() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.paths)
}

// A build of what is there already asks nobody, builds nothing and is quick.
func TestUnchanged(t *testing.T) {
	check := mustStay(t)
	up, rp := builds(t)
	spy := &mirrorSpy{}
	server := httptest.NewServer(spy)
	defer server.Close()
	for _, c := range []struct {
		caller
		places
	}{{user(), up}, {root(), rp}} {
		if c.uid == 0 && os.Geteuid() != 0 {
			continue
		}
		took := time.Hour
		for range 3 { // others may be busy on this machine
			r := must(t, job{as: c.caller, args: buildArgs(t, c.caller, c.places, "again", "--debian-mirror", server.URL)})
			if len(r.built()) > 0 || len(r.downloaded()) > 0 {
				t.Errorf("uid %d: built %q, downloaded %q; want nothing", c.uid, r.built(), r.downloaded())
			}
			took = min(took, r.took)
		}
		if took >= 3*time.Second {
			t.Errorf("uid %d: took %v; want less than 3 s", c.uid, took)
		}
		// Without --offline, so that a try to reach somebody would be an error.
		r := must(t, job{as: c.caller, isolated: true, args: buildArgs(t, c.caller, c.places, "again")})
		if len(r.built()) > 0 {
			t.Errorf("uid %d, without interfaces: built %q; want nothing", c.uid, r.built())
		}
		if first, again := manifestIn(t, filepath.Join(c.home, "first")), manifestIn(t, filepath.Join(c.home, "again")); first.SHA256 != again.SHA256 {
			t.Errorf("uid %d: the second image differs from the first", c.uid)
		}
	}
	if asked := spy.asked(); len(asked) > 0 {
		t.Errorf("the mirror was asked for %q; want nothing", asked)
	}
	askWithEmptyCache(t, server.URL, spy)
	check(t)
}

// askWithEmptyCache shows that the mirror would have been asked.
func askWithEmptyCache(t *testing.T, url string, spy *mirrorSpy) {
	t.Helper()
	p := start(t, job{as: user(), args: user().places("empty").with("fetch", "--demo", "--debian-mirror", url)})
	defer p.wait()
	defer p.cmd.Process.Signal(syscall.SIGTERM)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if len(spy.asked()) > 0 {
			return
		}
	}
	t.Error("with an empty cache the mirror was not asked either")
}

// Another host name makes the system, its file system and the image anew, and the
// image's last step the image only.
func TestOnlyWhatDepends(t *testing.T) {
	check := mustStay(t)
	p, _ := builds(t)
	u := user()
	for _, c := range []struct {
		name, config string
		want         []string
	}{
		{"host name", hostNamed(t, "changed"), []string{rootfsName, imageName, systemName}},
		{"last step", afterImage(t, "true"), []string{rootfsName, imageName}}, // and the configuration in the root
		{"comment, which is in the image at /etc/nixos", sdCard(t, "The SD card's", "My SD card's"), []string{rootfsName, imageName}},
		{"nothing", sdCard(t), nil},
	} {
		file := u.write(t, "changed/sd-card.nix", c.config)
		r := must(t, job{as: u, dir: filepath.Dir(file), args: buildArgs(t, u, p, "changed-out")}) // ./sd-card.nix is the default
		if got := r.built(); !slices.Equal(got, c.want) {
			t.Errorf("%s: built %q; want %q", c.name, got, c.want)
		}
	}
	check(t)
}

// Emulated tools put the same files into the image as native ones.
func TestEmulatedAssembly(t *testing.T) {
	check := mustStay(t)
	p, _ := builds(t)
	u := user()
	r := must(t, job{as: u, args: buildArgs(t, u, p, "emulated", "--assembly", "emulated")})
	if want := []string{rootfsName, "filesystem-tools", imageName}; !slices.Equal(r.built(), want) {
		t.Errorf("built %q; want %q", r.built(), want)
	}
	if m := manifestIn(t, filepath.Join(u.home, "emulated")); m.Assembly != "emulated" {
		t.Errorf("manifest: assembly %q; want emulated", m.Assembly)
	}
	native := splitImage(t, filepath.Join(u.home, "first", imageName), "native")
	emulated := splitImage(t, filepath.Join(u.home, "emulated", imageName), "emulated")
	if testenv.SHA256(t, native.fat) != testenv.SHA256(t, emulated.fat) {
		t.Error("the FAT partitions differ")
	}
	a, b := ext4Files(t, native.ext4), ext4Files(t, emulated.ext4)
	if len(a) < 500 || !slices.Equal(a, b) {
		t.Errorf("the root file systems differ, or have too few of %d and %d files: %q", len(a), len(b), testenv.Difference(a, b))
	}
	sameButHash(t, native.ext4, emulated.ext4)
	check(t)
}

// sameButHash compares file systems bit by bit, except for what says whether hashes
// of names take their bytes as signed, as on x86, or unsigned, as on ARM (ext4's
// s_flags and the checksum of the superblock, in all its copies).
func sameButHash(t *testing.T, a, b string) {
	t.Helper()
	one, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	two, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	if len(one) != len(two) {
		t.Fatalf("%d and %d bytes", len(one), len(two))
	}
	const block = 4096
	for at := 0; at < len(one); at += block {
		x, y := one[at:min(at+block, len(one))], two[at:min(at+block, len(two))]
		if bytes.Equal(x, y) {
			continue
		}
		super := 0 // the superblock in its block
		if at == 0 {
			super = 1024
		}
		for _, field := range [][2]int{{0x160, 4}, {0x3fc, 4}} {
			copy(x[super+field[0]:][:field[1]], y[super+field[0]:])
		}
		if !bytes.Equal(x, y) || x[super+0x38] != 0x53 || x[super+0x39] != 0xef {
			t.Errorf("the root file systems differ at byte %d", at)
		}
	}
}

// ext4Files lists what an ext4 file system holds: kind, permissions, owner, size,
// time, path, and the sha256 or the target.
func ext4Files(t *testing.T, image string) []string {
	t.Helper()
	debugfs := testenv.NeedProgram(t, "debugfs")
	dir, err := os.MkdirTemp(lab(), "ext4-*")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if out := output(t, debugfs, "-R", "rdump / "+dir, image); strings.Contains(out, "rror") {
		t.Fatalf("debugfs: %s", out)
	}
	var all []string
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		what, time := "", info.ModTime().Unix()
		switch {
		case d.Type()&os.ModeSymlink != 0:
			what, err = os.Readlink(path)
			time = 0 // debugfs does not set it
		case d.Type().IsRegular():
			what = testenv.SHA256(t, path)
		}
		size := info.Size()
		if d.IsDir() {
			size = 0
		}
		all = append(all, fmt.Sprintf("%s %d %d %d %s %s", info.Mode(), owner(info), size, time, strings.TrimPrefix(path, dir), what))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}
