package vmtest

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nixsd-native/internal/testenv"
)

// asUser and asRoot run the program as the machine's user, who has sudo.
func (m *machine) asUser(t *testing.T, args ...string) reply {
	t.Helper()
	return m.do(t, request{UID: userID, Args: append([]string{"nixsd-native"}, args...), Timeout: buildPatience})
}

func (m *machine) asRoot(t *testing.T, args ...string) reply {
	t.Helper()
	return m.do(t, request{UID: userID, Args: append([]string{"sudo", "-n", "nixsd-native"}, args...), Timeout: buildPatience})
}

// build are the arguments of each build.
func build(out string, more ...string) []string {
	return append([]string{"build", "--demo", "--offline", "--cache-dir", "/srv/cache", "-o", out + "/"}, more...)
}

// trial runs a program in the build's root; with emulation, where there has to be some,
// which was proved before.
func trial() []string {
	return []string{"shell", "--demo", "--offline", "-q", "--cache-dir", "/srv/cache", "--", "sh", "-c", "echo it works"}
}

// start boots a machine with what a user has.
func start(t *testing.T, r release, memory int) *machine {
	t.Helper()
	testenv.OnDemand(t, "vm")
	t.Parallel() // a machine keeps one processor busy
	m := boot(t, r, memory)
	// What begins by itself would come between a look before and one after.
	m.sh(t, "systemctl stop '*.timer' getty.target 'getty@*' getty-static; chown -R user:user /home/user /srv/cache; chown other:other /home/other; uname -a; free -m")
	return m
}

// mustHaveBuilt checks that a build delivered the image that this machine has, bit by
// bit, with the handler that it should.
func (m *machine) mustHaveBuilt(t *testing.T, r reply, out, emulation string) {
	t.Helper()
	image := filepath.Join("/home/user", out, imageName)
	if r.Status != 0 || strings.TrimSpace(r.Out) != image && strings.TrimSpace(r.Out) != filepath.Join(out, imageName) {
		t.Fatalf("%s: build = %d, %q\n%s", m.release, r.Status, r.Out, r.Err)
	}
	got, _, _ := strings.Cut(m.sh(t, "sha256sum "+image), " ")
	if want := testenv.SHA256(t, reference(t)); got != want {
		t.Errorf("%s: the image has sha256 %s; want %s as here", m.release, got, want)
		m.sh(t, "dd if="+image+" of=/dev/vdb bs=1M conv=sparse,fsync")
		sameButHash(t, reference(t), m.scratch)
	}
	if manifest := m.sh(t, "cat "+manifestOf(image)+"; stat -c owner=%U "+image); !strings.Contains(manifest, `"emulation": "`+emulation+`"`) || !strings.Contains(manifest, "owner=user") {
		t.Errorf("%s: the manifest, or the owner, is %s; want emulation %s, user", m.release, manifest, emulation)
	}
}

// manifestOf is what lies beside an image.
func manifestOf(image string) string { return strings.TrimSuffix(image, ".img") + ".json" }

// On Debian 12 (Linux 6.1) only root can build, through the host's binfmt_misc, whether
// systemd has an automount in its place, or its module is not loaded.
func TestDebian12(t *testing.T) {
	m := start(t, release{"bookworm", "amd64"}, 2048)
	if mounts := m.sh(t, "grep binfmt_misc /proc/self/mounts"); !strings.HasPrefix(mounts, "systemd-1 /proc/sys/fs/binfmt_misc autofs ") {
		t.Fatalf("binfmt_misc is %q; want an automount", mounts)
	}
	m.mustStay(t, "after a user's build", func() {
		m.asUser(t, build("refused")...).mustRefuse(t, "a user", "this kernel shares one binfmt_misc with the host (Linux 6.7 or newer needed)", "sudo nixsd-native build")
		if d := m.asUser(t, "doctor", "--offline"); d.Status != exitHost || !strings.Contains(d.Out, "shares one binfmt_misc") {
			t.Errorf("doctor = %d, %s", d.Status, d.Out)
		}
	})
	m.mustStay(t, "after a build under an automount", func() {
		m.mustHaveBuilt(t, m.asRoot(t, build("first")...), "first", "host")
	})
	m.sh(t, "systemctl stop proc-sys-fs-binfmt_misc.automount; modprobe -r binfmt_misc; ! grep binfmt_misc /proc/modules /proc/self/mounts")
	m.mustStay(t, "after a build without the module", func() {
		if r := m.asRoot(t, trial()...); r.Status != 0 || r.Out != "it works\n" {
			t.Errorf("without the module: %d, %q\n%s", r.Status, r.Out, r.Err)
		}
	})
	m.sh(t, `grep binfmt_misc /proc/modules && modprobe -r binfmt_misc
echo "install binfmt_misc /bin/false" >/etc/modprobe.d/no.conf`)
	m.mustSay(t, "root without the module", m.asRoot, "there is no binfmt_misc at /proc/sys/fs/binfmt_misc", "sudo modprobe binfmt_misc")
}

// On Debian 13 (Linux 6.12) a user builds with a handler of his own, whose module is
// loaded for him; where users may not make namespaces, it is root who builds.
func TestDebian13(t *testing.T) {
	m := start(t, release{"trixie", "amd64"}, 2048)
	m.sh(t, "systemctl stop proc-sys-fs-binfmt_misc.automount; modprobe -r binfmt_misc; ! grep binfmt_misc /proc/modules /proc/self/mounts")
	m.mustWork(t, "a user without the module", m.asUser)
	t.Run("no user namespaces", func(t *testing.T) { testNoNamespaces(t, m) })
	t.Run("for root alone", func(t *testing.T) { testRootAlone(t, m) })
	t.Run("AppArmor", func(t *testing.T) { testAppArmor(t, m) })
	m.mustStay(t, "after a user's build", func() {
		m.mustHaveBuilt(t, m.asUser(t, build("first")...), "first", "private")
	})
}

// mustWork checks that the program works, and leaves nothing.
func (m *machine) mustWork(t *testing.T, what string, run func(*testing.T, ...string) reply) {
	t.Helper()
	m.mustStay(t, what, func() {
		if r := run(t, trial()...); r.Status != 0 || r.Out != "it works\n" {
			t.Errorf("%s: %d, %q\n%s", what, r.Status, r.Out, r.Err)
		}
	})
}

// mustSay checks that a build and the doctor are refused for the same cause.
func (m *machine) mustSay(t *testing.T, what string, run func(*testing.T, ...string) reply, says, hint string) {
	t.Helper()
	m.mustStay(t, what, func() {
		run(t, build("refused")...).mustRefuse(t, what, says, hint)
		if d := run(t, "doctor", "--offline"); d.Status != exitHost || !strings.Contains(d.Out, says) || !strings.Contains(d.Out, hint) {
			t.Errorf("%s: doctor = %d, %s; want %d, %q and %q", what, d.Status, d.Out, exitHost, says, hint)
		}
	})
}

// Nobody may make user namespaces where there may be none, and the command that is
// printed mends it.
func testNoNamespaces(t *testing.T, m *machine) {
	const says, mend = "user.max_user_namespaces is 0", "sudo sysctl -w user.max_user_namespaces=15000"
	m.sh(t, "sysctl -w user.max_user_namespaces=0")
	m.mustSay(t, "a user", m.asUser, says, mend)
	m.mustSay(t, "root", m.asRoot, says, mend)
	m.sh(t, mend)
	m.mustWork(t, "a user, mended", m.asUser)
}

func testRootAlone(t *testing.T, m *machine) {
	m.sh(t, "sysctl -w kernel.unprivileged_userns_clone=0")
	defer m.sh(t, "sysctl -w kernel.unprivileged_userns_clone=1")
	m.mustSay(t, "a user", m.asUser, "kernel.unprivileged_userns_clone is 0", "with sudo")
	m.mustWork(t, "root", m.asRoot)
}

// restricting is an AppArmor profile that forbids the program user namespaces, as
// distributions restrict all programs: Debian's kernel has no setting for that.
const restricting = `abi <abi/4.0>,
profile restricted /usr/local/bin/nixsd-native flags=(attach_disconnected) {
  allow all,
  audit deny userns create,
}
`

func testAppArmor(t *testing.T, m *machine) {
	m.sh(t, fmt.Sprintf("cat >/etc/apparmor.d/restricted <<'EOF'\n%sEOF\napparmor_parser -r /etc/apparmor.d/restricted", restricting))
	m.mustSay(t, "a user", m.asUser, "AppArmor", "profile")
	m.mustSay(t, "root", m.asRoot, "AppArmor", "profile")
	m.sh(t, "apparmor_parser -R /etc/apparmor.d/restricted")
	m.mustWork(t, "a user, mended", m.asUser)
}

// An aarch64 machine emulates nothing: no emulator is in the cache, and there is no
// network to get it from; no handler is registered, not even the module is loaded.
func TestDebian13Arm64(t *testing.T) {
	m := start(t, release{"trixie", "arm64"}, 2048)
	m.mustStay(t, "after a build", func() {
		if r := m.asUser(t, build("first")...); r.Status != 0 {
			t.Fatalf("build = %d\n%s", r.Status, r.Err)
		}
	})
	m.mustWork(t, "root", m.asRoot)
	const image = "/home/user/first/" + imageName
	if manifest := m.sh(t, "cat "+manifestOf(image)); !strings.Contains(manifest, `"emulation": "none"`) || strings.Contains(manifest, `"emulator"`) {
		t.Errorf("the manifest is %s; want no emulation", manifest)
	}
	if found := m.sh(t, "ls /srv/cache | grep qemu-user || true; grep binfmt_misc /proc/modules || true"); found != "" {
		t.Errorf("there is %s", found)
	}
	m.sh(t, "dd if="+image+" of=/dev/vdb bs=1M conv=sparse,fsync")
	sameButHash(t, reference(t), m.scratch)
}

// sameButHash compares images bit by bit, except for what says in a superblock of ext4
// whether hashes of names take their bytes as signed, as on x86, or unsigned, as on ARM
// (s_flags and the checksum; fs/ext4/ext4.h in Linux).
func sameButHash(t *testing.T, want, got string) {
	t.Helper()
	one, err := os.ReadFile(want)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(got)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	two := make([]byte, len(one))
	if _, err := io.ReadFull(f, two); err != nil {
		t.Fatal(err)
	}
	const block = 4096
	for at := 0; at < len(one); at += block {
		x, y := one[at:min(at+block, len(one))], two[at:min(at+block, len(two))]
		for _, super := range []int{0, 1024} { // the first one is not at the start of its block
			if len(y) == block && y[super+0x38] == 0x53 && y[super+0x39] == 0xef {
				copy(x[super+0x160:][:4], y[super+0x160:])
				copy(x[super+0x3fc:][:4], y[super+0x3fc:])
			}
		}
		if !bytes.Equal(x, y) {
			t.Fatalf("the images differ at byte %d", at)
		}
	}
}
