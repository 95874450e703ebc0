package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"nixsd-native/internal/testenv"
)

// A spec and a report are the probe's, see testdata/probe.
type spec struct {
	Mode      string
	Secret    string
	Handle    []byte
	HandleTyp int32
	Hidden    []string
	ReadOnly  []string
	Store     []string
	Emulated  bool
	Entered   bool
	Pid       int
	Disk      int
	Connect   []string
}

type report struct {
	Arch    string
	UID     int
	Status  map[string]string
	Denied  map[string]string
	Done    []string
	Entries []string
	Passwd  string
	Nested  *report
}

// buildProbe builds the probe for an architecture.
func buildProbe(t *testing.T, arch string) string {
	t.Helper()
	path := filepath.Join(lab(), "probe-"+arch)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	cmd := exec.Command("go", "build", "-o", path, "./testdata/probe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+arch)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	return path
}

// targets are what there is on this host to attack.
func targets(t *testing.T, p places) spec {
	t.Helper()
	secret := filepath.Join(lab(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := spec{
		Secret: secret, Pid: os.Getpid(), Connect: listeners(t),
		Hidden: []string{"/etc/shadow", "/home", "/usr", "/lib/modules", "/boot", "/dev/mem", "/dev/kmsg", p.state, lab()},
	}
	var st unix.Stat_t
	if err := unix.Stat(p.state, &st); err != nil {
		t.Fatal(err)
	}
	s.Disk = int(st.Dev)
	handle, _, err := unix.NameToHandleAt(unix.AT_FDCWD, secret, 0)
	testenv.Need(t, "file handles in the folder for temporary files", err)
	s.Handle, s.HandleTyp = handle.Bytes(), handle.Type()
	return s
}

// listeners are sockets of the host that take connections.
func listeners(t *testing.T) []string {
	t.Helper()
	listen := func(network, address string) net.Listener {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	all := []string{
		"tcp:" + listen("tcp", "127.0.0.1:0").Addr().String(),
		"unix:" + listen("unix", fmt.Sprintf("@nixsd-e2e-%d", os.Getpid())).Addr().String(),
	}
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if ip, ok := a.(*net.IPNet); ok && !ip.IP.IsLoopback() && ip.IP.IsGlobalUnicast() {
			all = append(all, "tcp:"+listen("tcp", net.JoinHostPort(ip.IP.String(), "0")).Addr().String())
		}
	}
	return all
}

// probe runs the probe on the host itself, as who runs the tests.
func probe(t *testing.T, s spec) report {
	t.Helper()
	folder, err := os.Open(lab()) // as somebody may leave one open
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	cmd := exec.Command(buildProbe(t, runtime.GOARCH), s.encode(t))
	cmd.ExtraFiles = []*os.File{folder}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the probe on the host: %v", err)
	}
	return readReport(t, string(out))
}

func (s spec) encode(t *testing.T) string {
	t.Helper()
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func readReport(t *testing.T, text string) report {
	t.Helper()
	var r report
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("the probe says %q, %v", text, err)
	}
	return r
}

// mustFail fails the test for every attack that succeeded.
func (r report) mustFail(t *testing.T, where string, least int) {
	t.Helper()
	t.Logf("%s: %d attacks", where, len(r.Denied)+len(r.Done))
	for _, name := range r.Done {
		t.Errorf("%s: an attack succeeded: %s", where, name)
	}
	if len(r.Denied) < least {
		t.Errorf("%s: %d attacks were tried; want %d or more", where, len(r.Denied), least)
	}
}

// addProbe puts the probe into a store, in a shell of the given kind, and returns its
// path there.
func addProbe(t *testing.T, kind job, p places, arch string) string {
	t.Helper()
	name := "nixsd-e2e-probe-" + arch
	inCache := filepath.Join(p.cache, name)
	if err := copyFile(buildProbe(t, arch), inCache, 0, -1); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(inCache)
	kind.args = p.with("shell", "--demo", "-q", "--", "nix-store", "--add", "/inputs/"+name)
	return strings.TrimSpace(must(t, kind).out)
}

// What runs in the sandbox, Nix itself for example, can do nothing to the host; and
// the same attacks, made on the host, are ones that can succeed.
func TestSandboxAttacks(t *testing.T) {
	testenv.NeedRoot(t)
	mountBinfmt(t) // what the control needs
	check := mustStay(t)
	p := rootBuild(t)
	s := targets(t, p)
	s.ReadOnly = []string{"/inputs"}
	path := addProbe(t, job{as: root()}, p, runtime.GOARCH)

	s.Mode = "sandbox"
	r := readReport(t, must(t, job{as: root(), args: p.with("shell", "--demo", "-q", "--offline", "--", path, s.encode(t))}).out)
	r.mustFail(t, "shell", 35)
	if r.Nested == nil {
		t.Error("shell: the attacks from a user namespace below did not run")
	} else {
		r.Nested.mustFail(t, "below shell", 30)
	}
	if want := []string{"dev", "etc", "inputs", "nix", "proc", "root", "run", "tmp", "var"}; !slices.Equal(r.Entries, want) {
		t.Errorf("the root holds %q; want %q", r.Entries, want)
	}
	if r.Status["NoNewPrivs"] != "1" {
		t.Errorf("shell: NoNewPrivs %q; want 1", r.Status["NoNewPrivs"])
	}

	s.ReadOnly = []string{t.TempDir()}
	control := probe(t, s)
	for _, name := range []string{
		"see " + s.Secret, "see /etc/shadow", "connect to " + s.Connect[0], "connect to " + s.Connect[1],
		"signal a process of the host", "make a device node", "set the kernel's printk level",
		"write to " + s.ReadOnly[0], "register a handler", "use the keyring", "trace a process of the host",
		"read the memory of a process of the host", "load a BPF program", "leave through an open descriptor",
	} {
		if !slices.Contains(control.Done, name) {
			t.Errorf("control: on the host the attack %q fails as well: %s", name, control.Denied[name])
		}
	}
	check(t)
}

// With the capabilities of the sandbox's user namespace, which a bug of the kernel may
// give, a build's folders are as safe.
func TestEnteredAttacks(t *testing.T) {
	check := mustStay(t)
	p := rootBuild(t)
	nsenter := testenv.NeedProgram(t, "nsenter")
	path := addProbe(t, job{as: root()}, p, runtime.GOARCH)
	s := targets(t, p)
	s.Mode, s.Entered, s.ReadOnly, s.Connect = "entered", true, []string{"/inputs", "/config"}, nil
	config := root().write(t, "entered/sd-card.nix", slowImage(t, "entered"))
	build := start(t, job{as: root(), args: buildArgs(t, root(), p, "entered-out", config)})
	build.await("the image is built", building(imageName))
	first := childNamed(t, build.cmd.Process.Pid, "nixsd-native-sandbox")
	out := output(t, nsenter, "--target", fmt.Sprint(first), "--user", "--mount", "--pid", "--setuid", "0", "--setgid", "0", "--", path, s.encode(t))
	r := readReport(t, out)
	r.mustFail(t, "entered", 30)
	if r.Nested == nil {
		t.Error("entered: the attacks from a user namespace below did not run")
	} else {
		r.Nested.mustFail(t, "below entered", 30)
	}
	if got := listing(t, filepath.Dir(config)); !slices.Equal(got, []string{"sd-card.nix"}) {
		t.Errorf("the configuration's folder holds %q", got)
	}
	if err := interrupt(build); err != nil {
		t.Error(err)
	}
	check(t)
}

// A builder, native or emulated, sees only its inputs and writes only its output; so
// without root, but for what the next comment says.
func TestBuilderAttacks(t *testing.T) {
	check := mustStay(t)
	up, rp := builds(t)
	t.Run("user", func(t *testing.T) {
		// With a single id builders have that of the store's owner, so nothing but
		// their good will keeps them from changing their inputs.
		builderAttacks(t, job{as: user()}, up, false)
	})
	t.Run("root", func(t *testing.T) {
		testenv.NeedRoot(t)
		builderAttacks(t, job{as: root()}, rp, true)
	})
	check(t)
}

type builderSystem struct{ arch, system string }

// builderSystems are those that this machine builds for: its own, and the boards'.
func builderSystems() []builderSystem {
	boards := builderSystem{"arm64", "aarch64-linux"}
	if runtime.GOARCH == boards.arch {
		return []builderSystem{boards}
	}
	return []builderSystem{{"amd64", "x86_64-linux"}, boards}
}

// builderAttacks attacks from builders, in a shell of the given kind.
func builderAttacks(t *testing.T, kind job, p places, ownIDs bool) {
	s := targets(t, p)
	s.Mode = "builder"
	s.Hidden = append(s.Hidden, "/inputs", "/config", "/root", "/run", "/nix/var", "/etc/nixsd", "/proc/1/root/inputs")
	shell := func(t *testing.T, args ...string) string {
		t.Helper()
		kind.args = append(p.with("shell", "--demo", "-q", "--"), args...)
		return strings.TrimSpace(must(t, kind).out)
	}
	for _, b := range builderSystems() {
		t.Run(b.system, func(t *testing.T) {
			path := addProbe(t, kind, p, b.arch)
			s.Emulated = b.arch != runtime.GOARCH
			if s.Store = nil; ownIDs {
				s.Store = []string{path}
			}
			before, emulators := storeNames(t, p), emulatorSums(t, p)
			result := shell(t, "nix-build", "--no-out-link", "--argstr", "spec", s.encode(t), "-E", fmt.Sprintf(
				`{ spec }: derivation { name = "probe-report"; system = %q; builder = builtins.storePath %q; args = [ spec ]; }`, b.system, path))
			data, err := os.ReadFile(filepath.Join(p.state, "root", result))
			if err != nil {
				t.Fatal(err)
			}
			r := readReport(t, string(data))
			r.mustFail(t, b.system, 40)
			checkBuilder(t, r, b.arch)
			if added := testenv.Difference(before, storeNames(t, p)); len(added) != 2 {
				t.Errorf("the store changed by %q; want the report and its derivation", added)
			}
			shell(t, "nix-store", "--verify-path", path)
			if after := emulatorSums(t, p); len(emulators) == 0 && b.arch != runtime.GOARCH || !slices.Equal(after, emulators) {
				t.Errorf("emulators %q; they were %q", after, emulators)
			}
		})
	}
}

// checkBuilder looks at what a builder says of itself.
func checkBuilder(t *testing.T, r report, arch string) {
	t.Helper()
	if r.Arch != arch || r.UID == 0 {
		t.Errorf("the builder is %s with uid %d", r.Arch, r.UID)
	}
	if strings.Trim(r.Status["CapEff"]+r.Status["CapPrm"], "0") != "" || r.Status["NoNewPrivs"] != "1" {
		t.Errorf("the builder has %v; want no capabilities, no new privileges", r.Status)
	}
	if want := []string{"bin", "build", "dev", "etc", "nix", "proc", "tmp"}; !slices.Equal(r.Entries, want) {
		t.Errorf("the builder's root holds %q; want %q", r.Entries, want)
	}
	for line := range strings.Lines(r.Passwd) {
		if name, _, _ := strings.Cut(line, ":"); !slices.Contains([]string{"root", "nixbld", "nobody"}, name) {
			t.Errorf("the builder's /etc/passwd knows %q", name)
		}
	}
}

// emulatorSums lists the unpacked emulators with their hashes.
func emulatorSums(t *testing.T, p places) []string {
	t.Helper()
	var all []string
	for _, dir := range []string{p.state, p.cache} {
		found, _ := filepath.Glob(filepath.Join(dir, "emulator", "*", "*"))
		for _, file := range found {
			all = append(all, file+" "+testenv.SHA256(t, file))
		}
	}
	return all
}

// storeNames lists a store as its owner on the host sees it.
func storeNames(t *testing.T, p places) []string {
	t.Helper()
	names := listing(t, filepath.Join(p.state, "root", "nix", "store"))
	return slices.DeleteFunc(names, func(name string) bool { return strings.HasSuffix(name, ".lock") || name == ".links" })
}
