package e2e

import (
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"nixsd-native/internal/testenv"
)

// privateFile writes loginKey into c's home.
func (c caller) privateFile(t *testing.T) string {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(privateLogin(), "")
	if err != nil {
		t.Fatal(err)
	}
	return c.write(t, "keys/id", string(pem.EncodeToMemory(block)))
}

// boot --check logs in to an image as it was built and, by the injected host key, to one
// with secrets; it tells a key that a compressed one does not let in, and an image that
// does not boot.
func TestBootCommand(t *testing.T) {
	testenv.NeedProgram(t, "qemu-system-aarch64")
	testenv.Need(t, "u-boot-qemu", exec.Command("test", "-r", uboot).Run())
	check := mustStay(t)
	p, _ := builds(t)
	u := user()
	image, id := u.copyImage(t, "boot/card.img"), u.privateFile(t)
	before := sumOf(t, image)
	r := must(t, job{as: u, args: []string{"boot", "--check", "-i", id, image}})
	if !strings.HasPrefix(r.out, image+" boots: aarch64, root logged in with "+ssh.FingerprintSHA256(loginKey().PublicKey())) {
		t.Errorf("it prints %q", r.out)
	}
	if sumOf(t, image) != before {
		t.Error("the image has changed")
	}
	key, _, fingerprint := u.newHostKey(t)
	must(t, job{as: u, args: p.with("inject", "--demo", "--offline", image, "--ssh-host-key", key)})
	as := u
	if os.Geteuid() == 0 {
		as = root() // who opens the files; an id that nobody has runs the machine
	}
	booting := start(t, job{as: as, args: []string{"boot", "--check", "-i", id, image}})
	mustHaveOnlyImage(t, booting, id)
	r = booting.wait()
	if r.status != 0 {
		t.Fatalf("boot = %d, %s", r.status, r.errs)
	}
	if !strings.Contains(r.out, "host key "+fingerprint) {
		t.Errorf("with an injected host key it prints %q; want %s", r.out, fingerprint)
	}
	output(t, testenv.NeedProgram(t, "zstd"), "-q", image)
	u.own(t, image+".zst")
	r = run(t, job{as: u, args: []string{"boot", "--check", "-i", key, image + ".zst"}})
	r.mustBeClear(t, "another key, and a compressed image", 2, "lets in none of the keys at hand")
	testUnheard(t, u, image)
	testBroken(t, u, image, id)
	check(t)
}

// mustHaveOnlyImage looks at a running QEMU, in which a guest may have taken over: it is
// neither root nor nobody, and has no key open.
func mustHaveOnlyImage(t *testing.T, p *process, key string) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		for _, d := range descendants(p.cmd.Process.Pid) {
			if d.name != "qemu-system-aar" { // as the kernel cuts it
				continue
			}
			if uid, _, _ := strings.Cut(statusOf(fmt.Sprintf("/proc/%d/status", d.pid))["Uid"], " "); uid == "0" || uid == "65534" {
				t.Errorf("QEMU runs as uid %s", uid)
			}
			for _, f := range descriptors(d.pid) {
				if f.link == key {
					t.Error("QEMU has the private key open")
				}
			}
			return
		}
	}
	t.Error("QEMU was not seen")
}

// testUnheard boots with a console whose reader goes away, at which QEMU itself goes on.
func testUnheard(t *testing.T, u caller, image string) {
	t.Helper()
	head := []string{"bash", "-c", `"$0" "$@" | head -n 1; exit ${PIPESTATUS[0]}`}
	r := run(t, job{as: u, under: head, args: []string{"boot", image}})
	if r.status != 7 || !strings.Contains(r.errs, "error: nobody reads the console any more\nhint: ") {
		t.Errorf("without a reader boot = %d, %s", r.status, r.errs)
	}
}

// testBroken boots an image whose kernel is damaged, behind what inspect looks at.
func testBroken(t *testing.T, u caller, image, id string) {
	t.Helper()
	packed := u.write(t, "boot/packed", "\x1f\x8b"+string(make([]byte, 1<<20))) // of gzip, and then nothing
	script := u.write(t, "boot/script", "cd /boot/nixos\nrm vmlinuz\nwrite "+packed+" vmlinuz\n")
	output(t, testenv.NeedProgram(t, "debugfs"), "-w", "-f", script, image+"?offset=39845888")
	r := run(t, job{as: u, args: []string{"boot", "--check", "--timeout", "90s", "-i", id, image}})
	r.mustBeClear(t, "a damaged kernel", 4, image)
	if !strings.Contains(r.errs, "\nconsole> ") || r.took > 2*patience/3 {
		t.Errorf("after %v it tells %s; want the console's last lines", r.took, r.errs)
	}
}
