package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// A client is a user who can reach the remote builder, with the inputs of the demo but
// without its emulator, and with an empty store.
type client struct {
	caller
	places
	*remote
}

// newClient makes one, in a home of its own; the user's ssh calls the builder "board".
func newClient(t *testing.T, name string) client {
	t.Helper()
	p, _ := builds(t)
	c := client{caller: caller{user().uid, filepath.Join(lab(), name)}, remote: startRemote(t, p.cache)}
	c.places = c.caller.places("remote")
	t.Cleanup(func() { removeWritable(c.home) })
	for _, dir := range []string{c.folder(t, "."), c.cache, filepath.Join(c.cache, "demo")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		c.own(t, dir)
	}
	for _, pattern := range []string{"*", "demo/*"} {
		files, _ := filepath.Glob(filepath.Join(p.cache, pattern))
		for _, file := range files {
			info, err := os.Stat(file)
			if err == nil && info.Mode().IsRegular() && !strings.Contains(file, "qemu-user") {
				err = os.Link(file, c.cache+strings.TrimPrefix(file, p.cache))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	c.write(t, ".ssh/config", fmt.Sprintf("Host board\n  HostName %s\n  Port %d\n  User root\n", builderAddress, builderPort))
	c.write(t, ".ssh/known_hosts", c.hostLine())
	c.secret(t, ".ssh/id_ed25519", c.login)
	return c
}

// secret writes a private key.
func (c client) secret(t *testing.T, name string, key []byte) string {
	t.Helper()
	path := c.write(t, name, string(key))
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// hostLine is the builder's line of a known_hosts.
func (r *remote) hostLine() string { return knownLine(r.hostKey.PublicKey()) }

func knownLine(key ssh.PublicKey) string {
	return fmt.Sprintf("[%s]:%d %s", builderAddress, builderPort, ssh.MarshalAuthorizedKey(key))
}

// build is a job that builds the demo, where nothing but the builder can be reached.
func (c client) build(t *testing.T, more ...string) job {
	t.Helper()
	return job{as: c.caller, network: c.network, args: buildArgs(t, c.caller, c.places, "out", more...)}
}

// built lists what the builder built, by name.
func (r *remote) built(t *testing.T) []string {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(r.dir, "nix/var/log/nix/drvs/*/*"))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, log := range logs {
		name, _, _ := strings.Cut(filepath.Base(log), ".drv")
		if _, name, _ = strings.Cut(name, "-"); !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// has counts the store paths of a name on the builder, which keeps no log of what comes by
// ssh:// (src/nix-store/nix-store.cc).
func (r *remote) has(t *testing.T, name string) int {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(r.dir, "nix/store/*-"+name))
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

// A remoteManifest is what a manifest tells of emulation and builders.
type remoteManifest struct {
	SHA256    string
	Emulation string
	Emulator  *struct{ Name string }
	Users     string
	Cache     struct {
		Fetched int `json:"fetched_paths"`
		Built   int `json:"built_derivations"`
	}
	Builders []struct {
		URI, Machine, Nix string
		Slots             int
	}
}

func (c client) manifest(t *testing.T, out string) (m remoteManifest) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(c.home, out, strings.TrimSuffix(imageName, ".img")+".json"))
	if err == nil {
		err = json.Unmarshal(data, &m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// With a remote builder there is no emulator: none is downloaded, unpacked or registered,
// and the image is the same, bit by bit.
func TestRemoteBuilder(t *testing.T) {
	check := mustStay(t)
	c := newClient(t, "remote-user")
	dead := fmt.Sprintf("root@%s:1", builderAddress)
	d := examine(t, job{as: c.caller, network: c.network, args: c.with("doctor", "--demo", "--builder", "board")})
	d.mustSay(t, "remote builder", "ok", "ssh-ng://board answers, for ", "")
	d = examine(t, job{as: c.caller, network: c.network, args: c.with("doctor", "--demo", "--builder", dead)})
	d.mustSay(t, "remote builder", "problem", "connection refused", "leave the builder out")
	r := must(t, c.build(t, "--builder", "board", "--builder", dead, "--dry-run"))
	if want := "builders: 1 machine, "; !strings.Contains(r.out, want) || !strings.Contains(r.out, " for aarch64-linux; this machine: 2 slots for x86_64-linux\n") {
		t.Errorf("--dry-run = %s\nwant %q", r.out, want)
	}
	if !r.said("warning", "the builder ssh-ng://"+strings.TrimPrefix(dead, "root@")+" is left out: it does not answer: connect: connection refused") {
		t.Errorf("nobody told of the dead builder:\n%s", r.errs)
	}
	expected := r.out
	r = must(t, c.build(t, "--builder", "board"))
	m, first := c.manifest(t, "out"), manifestIn(t, filepath.Join(user().home, "first"))
	if m.SHA256 != first.SHA256 {
		t.Errorf("the image is %s; built here it is %s", m.SHA256, first.SHA256)
	}
	if m.Emulation != "none" || m.Emulator != nil || m.Cache.Fetched != 0 || !strings.Contains(expected, fmt.Sprintf("; %d derivations to build\n", m.Cache.Built)) {
		t.Errorf("manifest: %+v; want no emulation, nothing fetched and as many built as in %s", m, expected)
	}
	if len(m.Builders) != 1 || m.Builders[0].URI != "ssh-ng://board" || m.Builders[0].Nix == "" || m.Builders[0].Slots < 1 {
		t.Errorf("manifest: builders %+v", m.Builders)
	}
	if found, _ := filepath.Glob(c.cache + "/*qemu*"); len(found) > 0 || len(r.downloaded()) > 0 {
		t.Errorf("downloaded %q, %q in the cache", r.downloaded(), found)
	}
	if there := c.built(t); !slices.Contains(there, systemName) || slices.Contains(there, rootfsName) {
		t.Errorf("the builder built %q; want all for aarch64 and nothing else", there)
	}
	c.mustHide(t, r)
	c.pushBySSH(t)
	c.checkInside(t)
	c.stop()
	check(t)
}

// pushBySSH copies what was built to the builder's own store.
func (c client) pushBySSH(t *testing.T) {
	t.Helper()
	if c.has(t, imageName) != 0 {
		t.Error("the builder has the image before it is copied")
	}
	r := must(t, c.build(t, "--builder", "board", "--push-to", "ssh-ng://board"))
	if c.has(t, imageName) != 1 || len(r.built()) > 0 {
		t.Errorf("%d images on the builder after --push-to, built %q; want one and nothing\n%s", c.has(t, imageName), r.built(), r.errs)
	}
	c.mustHide(t, r)
}

// mustHide fails if the key was printed.
func (c client) mustHide(t *testing.T, r result) {
	t.Helper()
	for line := range strings.Lines(string(c.login)) {
		if line = strings.TrimSpace(line); len(line) > 20 && strings.Contains(r.errs+r.out, line) {
			t.Fatalf("the private key was printed")
		}
	}
}

// Inside, the key is Nix's alone, and read-only; so is the program ssh.
const inside = `for f in /etc/nixsd/ssh/key1 /etc/nixsd/ssh/known_hosts /run/nixsd/bin/ssh; do
  (echo x > $f) 2>/dev/null && echo wrote $f
  rm -f $f 2>/dev/null && echo removed $f
done
stat -c %a /etc/nixsd/ssh/key1 /etc/nixsd/ssh/known_hosts
cat $(nix-build --no-out-link -E "$1" 2>/dev/null)`

const spy = `derivation { name = "spy"; system = "x86_64-linux"; builder = "/bin/sh";
  args = [ "-c" "if read l < /etc/nixsd/ssh/key1; then echo seen; else echo unseen; fi > $out" ]; }`

func (c client) checkInside(t *testing.T) {
	t.Helper()
	r := must(t, job{as: c.caller, network: c.network, args: c.with("shell", "--demo", "-q", "--builder", "board", "--", "sh", "-c", inside, "sh", spy)})
	if r.out != "400\n444\nunseen\n" {
		t.Errorf("inside: %q; want modes, and a key that no build sees\n%s", r.out, r.errs)
	}
}

// Every way not to reach a builder has its own error, with what helps.
func TestRemoteRefused(t *testing.T) {
	check := mustStay(t)
	c := newClient(t, "refused-user")
	other, otherPEM := newKey(t, "")
	_, locked := newKey(t, "secret")
	refused := c.secret(t, "keys/other", otherPEM)
	encrypted := c.secret(t, "keys/locked", locked)
	at := fmt.Sprintf("%s:%d", builderAddress, builderPort)
	for _, f := range []struct {
		name, known string
		args        []string
		status      int
		says        string
	}{
		{"unknown host", "# nobody\n", []string{"--builder", "board"}, exitVerify, "its host key is unknown"},
		{"another host key", knownLine(other.PublicKey()), []string{"--builder", "board"}, exitVerify, "its host key is not the known one"},
		{"refused key", c.hostLine(), []string{"--builder", "board", "--builder-key", refused}, exitNetwork, "lets root in with none of these keys: " + refused},
		{"encrypted key", c.hostLine(), []string{"--builders", "ssh-ng://root@" + at + " aarch64-linux " + encrypted}, exitUsage, "the key has a passphrase"},
		{"no key", c.hostLine(), []string{"--builder", "board", "--builder-key", c.home + "/none"}, exitUsage, "no such file"},
		{"dead host", c.hostLine(), []string{"--builder", builderAddress + ":1"}, exitNetwork, "connection refused"},
		{"no Nix", c.hostLine(), []string{"--builders", "ssh://root@" + at + "?remote-program=/none/nix-store"}, exitNetwork, "it has no /none/nix-store"},
	} {
		c.write(t, ".ssh/known_hosts", f.known)
		r := run(t, c.build(t, append(f.args, "--log-format", "plain")...))
		r.mustBeClear(t, f.name, f.status, f.says)
		c.mustHide(t, r)
	}
	c.stop()
	check(t)
}

// Root needs no handler on the host either, and may say everything in one line.
func TestRemoteBuilderRoot(t *testing.T) {
	check := mustStay(t)
	p := rootBuild(t)
	c := newClient(t, "remote-root")
	c.caller, c.places = root(), p
	field := c.secret(t, "remote/key", c.login)
	hostKey := base64.StdEncoding.EncodeToString(ssh.MarshalAuthorizedKey(c.hostKey.PublicKey()))
	spec := fmt.Sprintf("ssh://root@%s:%d aarch64-linux,armv7l-linux %s 3 1 - - %s", builderAddress, builderPort, field, hostKey)
	machines := c.write(t, "remote/machines", "# ours\n"+spec+"\n")
	config := c.write(t, "remote/sd-card.nix", hostNamed(t, "remote"))
	run(t, c.build(t, "--builders", "@"+machines, "--log-format", "plain")).mustBeClear(t, "root's own key", exitUsage, "key: permission denied")
	j := c.build(t, "--builders", "@"+machines, "--builder-key", field, config)
	running := start(t, j)
	running.await("a remote build", building(systemName))
	if text := ourHandler(); text != "" {
		t.Errorf("a handler is registered: %s", text)
	}
	r := running.wait()
	if r.status != 0 {
		t.Fatalf("status %d\n%s", r.status, r.errs)
	}
	if want := []string{rootfsName, imageName, systemName}; !slices.Equal(r.built(), want) || c.has(t, systemName) != 1 || c.has(t, rootfsName) != 0 {
		t.Errorf("built %q, of which there are %d and %d there; want %q, and only the system there", r.built(), c.has(t, systemName), c.has(t, rootfsName), want)
	}
	m := c.manifest(t, "out")
	if m.Emulation != "none" || m.Users != "range" || len(m.Builders) != 1 || m.Builders[0].Slots != 3 {
		t.Errorf("manifest: %+v", m)
	}
	if !r.said("note", "builders: 1 machine, 3 slots for aarch64-linux, 3 slots for armv7l-linux; ") {
		t.Errorf("the forecast told nothing of slots\n%s", r.errs)
	}
	c.mustHide(t, r)
	c.stop()
	check(t)
}
