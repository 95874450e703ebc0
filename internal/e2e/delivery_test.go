package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"nixsd-native/internal/testenv"
)

// A manifest is what the tests read of the file beside the image.
type manifest struct {
	Image      string
	SHA256     string
	Size       int64
	Data       int64 `json:"data_bytes"`
	Derivation string
	System     string
	Demo       bool
	Emulation  string
	Emulator   struct {
		Version, SHA256 string
		Binary          string `json:"emulator_sha256"`
	}
	Nix, Nixpkgs struct{ Name, SHA256 string }
	Assembly     string
	Sandbox      bool `json:"nix_sandbox"`
	Users        string
	Phases       []struct{ Name string }
	Path         string // with --json on standard output only
}

func readManifest(t *testing.T, data []byte) manifest {
	t.Helper()
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatalf("manifest %q: %v", data, err)
	}
	return m
}

// manifestIn reads the manifest in a folder.
func manifestIn(t *testing.T, dir string) manifest {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, strings.TrimSuffix(imageName, ".img")+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return readManifest(t, data)
}

func owner(info os.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }

// listing is what a folder holds.
func listing(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// Root and a user without privileges or network get the same image, each with all
// that belongs to it.
func TestDelivery(t *testing.T) {
	check := mustStay(t)
	u, r := builds(t)
	var sums []string
	for _, c := range []struct {
		caller
		places
		emulation, users string
	}{{user(), u, "private", "single"}, {root(), r, "host", "range"}} {
		if c.uid == 0 && os.Geteuid() != 0 {
			continue
		}
		dir := filepath.Join(c.home, "first")
		checkFiles(t, dir, c.uid)
		m := manifestIn(t, dir)
		if runtime.GOARCH == "arm64" {
			c.emulation = "none"
		}
		if m.Emulation != c.emulation || m.Users != c.users {
			t.Errorf("%s: emulation %q, users %q; want %q, %q", dir, m.Emulation, m.Users, c.emulation, c.users)
		}
		checkManifest(t, m, filepath.Join(dir, imageName))
		sums = append(sums, m.SHA256)
	}
	if len(slices.Compact(sums)) != 1 {
		t.Errorf("the images of user and root differ: %q", sums)
	}
	check(t)
}

// checkFiles looks at what lies in an output folder.
func checkFiles(t *testing.T, dir string, uid int) {
	t.Helper()
	stem := strings.TrimSuffix(imageName, ".img")
	want := []string{stem + ".cdx.json", imageName, imageName + ".sha256", stem + ".json"}
	if got := listing(t, dir); !slices.Equal(got, want) {
		t.Errorf("%s holds %q; want %q", dir, got, want)
	}
	for _, name := range append(want, ".") {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if owner(info) != uid {
			t.Errorf("%s belongs to %d; want %d", filepath.Join(dir, name), owner(info), uid)
		}
	}
	sha256sum := exec.Command(testenv.NeedProgram(t, "sha256sum"), "--check", "--strict", imageName+".sha256")
	sha256sum.Dir = dir
	if out, err := sha256sum.CombinedOutput(); err != nil {
		t.Errorf("sha256sum --check: %v: %s", err, out)
	}
	info, err := os.Stat(filepath.Join(dir, imageName))
	if err != nil {
		t.Fatal(err)
	}
	if used := info.Sys().(*syscall.Stat_t).Blocks * 512; used > info.Size()*3/4 {
		t.Errorf("the image takes %d bytes on disk of %d; want holes", used, info.Size())
	}
}

// checkManifest compares a manifest with its image and with the pins of "version".
func checkManifest(t *testing.T, m manifest, img string) {
	t.Helper()
	info, err := os.Stat(img)
	if err != nil {
		t.Fatal(err)
	}
	if m.Image != imageName || m.Size != info.Size() || m.SHA256 != testenv.SHA256(t, img) {
		t.Errorf("manifest of %s: %s, %d bytes, sha256 %s; want %d bytes, %s", img, m.Image, m.Size, m.SHA256, info.Size(), testenv.SHA256(t, img))
	}
	if m.Data <= 0 || m.Data >= m.Size {
		t.Errorf("manifest: %d bytes of data in %d", m.Data, m.Size)
	}
	if !m.Demo || !m.Sandbox || m.System != "aarch64-linux" || m.Assembly != "native" || !strings.HasSuffix(m.Derivation, ".drv") {
		t.Errorf("manifest: %+v", m)
	}
	if len(m.Nix.SHA256) != 64 || len(m.Nixpkgs.SHA256) != 64 {
		t.Errorf("manifest: inputs %+v, %+v; want their sha256", m.Nix, m.Nixpkgs)
	}
	var version struct {
		Version, Go, Arch string
		QEMU              []struct{ Version, SHA256, Emulator string }
	}
	r := must(t, job{as: user(), args: []string{"version", "--json"}})
	if err := json.Unmarshal([]byte(r.out), &version); err != nil || version.Version == "" || len(version.QEMU) < 3 {
		t.Fatalf("version --json = %s, %v", r.out, err)
	}
	pin := version.QEMU[0]
	if m.Emulation != "none" && (m.Emulator.SHA256 != pin.SHA256 || m.Emulator.Binary != pin.Emulator || m.Emulator.Version != pin.Version) {
		t.Errorf("manifest: emulator %+v; want the first pin, %+v", m.Emulator, pin)
	}
	var names []string
	for _, p := range m.Phases {
		names = append(names, p.Name)
	}
	if want := []string{"preflight", "inputs", "handler", "sandbox", "bootstrap", "evaluate", "forecast", "build", "deliver"}; !slices.Equal(names, want) {
		t.Errorf("manifest: phases %q; want %q", names, want)
	}
}

// Standard output is the path alone, or with --json one object.
func TestStandardOutput(t *testing.T) {
	check := mustStay(t)
	p, _ := builds(t)
	u := user()
	dir := filepath.Join(u.home, "printed")
	r := must(t, job{as: u, args: buildArgs(t, u, p, "printed")})
	if want := filepath.Join(dir, imageName) + "\n"; r.out != want {
		t.Errorf("build printed %q; want %q", r.out, want)
	}
	r = must(t, job{as: u, args: buildArgs(t, u, p, "printed", "--json")})
	m := readManifest(t, []byte(r.out))
	if strings.Count(r.out, "\n") != 1 || m.Path != filepath.Join(dir, imageName) || m.SHA256 != manifestIn(t, dir).SHA256 {
		t.Errorf("build --json printed %q; want one line with path and manifest", r.out)
	}
	last := r.events[len(r.events)-1]
	if last.Type != "done" || last.OK == nil || !*last.OK || len(last.Phases) != 9 {
		t.Errorf("the last event is %+v; want done, ok, with 9 phases", last)
	}
	named := filepath.Join(u.home, "printed", "other.img")
	args := append(p.with("build", "--demo", "-q", "--ssh-key", u.keyFile(t)), "-o", "printed/other.img")
	if r = must(t, job{as: u, args: args}); r.out != "printed/other.img\n" || r.errs != "" {
		t.Errorf("build -q -o FILE printed %q and %q; want the path alone", r.out, r.errs)
	}
	if testenv.SHA256(t, named) != m.SHA256 {
		t.Errorf("%s differs from the image", named)
	}
	check(t)
}

// Through sudo the image is the caller's, whose configuration may be private.
func TestSudo(t *testing.T) {
	check := mustStay(t)
	p := rootBuild(t)
	home := caller{userID, filepath.Join(lab(), "sudo")}
	config := home.write(t, "config/sd-card.nix", sdCard(t, "imports = [", "imports = [ ./more.nix"))
	more := home.write(t, "config/more.nix", "{ sdImage.postBuildCommands = \"sleep 2\"; }\n")
	for _, path := range []string{config, more} {
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Dir(config), 0o700); err != nil {
		t.Fatal(err)
	}
	sudo := []string{fmt.Sprintf("SUDO_UID=%d", userID), fmt.Sprintf("SUDO_GID=%d", userID), "SUDO_USER=nobody-known"}
	build := start(t, job{as: root(), env: sudo, dir: home.home, args: buildArgs(t, home, p, "images", config)})
	build.await("the image is built", building(imageName))
	checkWorker(t, build.cmd.Process.Pid, userID)
	if r := build.wait(); r.status != 0 {
		t.Fatalf("build = %d\n%s", r.status, tail(build.errs))
	}
	checkFiles(t, filepath.Join(home.home, "images"), userID)
	check(t)
}
