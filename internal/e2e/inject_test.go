package e2e

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"nixsd-native/internal/testenv"
)

// rootStart is where the demo's root file system begins, in bytes.
const rootStart = 38 << 20

// debugfs asks the host's own debugfs about an image's root.
func debugfs(t *testing.T, image, request string) string {
	t.Helper()
	out, err := exec.Command(testenv.NeedProgram(t, "debugfs"), "-R", request, fmt.Sprintf("%s?offset=%d", image, rootStart)).Output()
	if err != nil {
		t.Fatalf("debugfs %s: %v", request, err)
	}
	return string(out)
}

// newHostKey makes a private key and returns its file, its text and its fingerprint.
func (c caller) newHostKey(t *testing.T) (file, text, fingerprint string) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text = string(pem.EncodeToMemory(block))
	return c.write(t, "secrets/host", text), text, ssh.FingerprintSHA256(signer.PublicKey())
}

// ageKeyText is a file like age-keygen makes, with the identity of age's own tests.
const ageKeyText = "# created: 2026-07-01T12:00:00Z\n# public key: age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj\n" +
	"AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX\n"

// leaks lists the files below folders that hold any of the secrets.
func leaks(t *testing.T, secrets []string, folders ...string) (all []string) {
	t.Helper()
	for _, dir := range folders {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			data, err := os.ReadFile(path)
			for _, s := range secrets {
				if bytes.Contains(data, []byte(s)) {
					all = append(all, path)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// copyImage copies the image that c built.
func (c caller) copyImage(t *testing.T, name string) string {
	t.Helper()
	to := filepath.Join(c.folder(t, filepath.Dir(name)), filepath.Base(name))
	output(t, "cp", "--sparse=always", filepath.Join(c.home, "first", imageName), to)
	c.own(t, to)
	return to
}

// Secrets get into the image, of a user and of root, and nowhere else; nothing but the
// root file system changes, and that stays whole.
func TestInject(t *testing.T) {
	check := mustStay(t)
	u, r := builds(t)
	for _, c := range []struct {
		caller
		places
	}{{user(), u}, {root(), r}} {
		if c.uid == 0 && os.Geteuid() != 0 {
			continue
		}
		t.Run(fmt.Sprint(c.uid), func(t *testing.T) { testInject(t, c.caller, c.places) })
	}
	check(t)
}

func testInject(t *testing.T, c caller, p places) {
	key, keyText, _ := c.newHostKey(t)
	odd := c.write(t, "secrets/odd name", "s3kr1t of an odd name")
	pass := c.write(t, "secrets/pass", "correct horse battery\n")
	age := c.write(t, "secrets/age", ageKeyText)
	image := c.copyImage(t, "inject/card.img")
	before, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	sum := c.write(t, "inject/card.img.sha256", "old\n")
	args := p.with("inject", "--demo", "--offline", image, "--ssh-host-key", key, "--age-key", age, "--wifi", "my net", "--wifi-passphrase-file", pass,
		"--file", odd+`:/home/nixos/.config/a "b" c:0640:1000:100`, "--file", pass+":/etc/hostname:0644",
		"--file", c.write(t, "secrets/zeros", "begin"+string(make([]byte, 64<<10))+"end")+":/etc/zeros")
	r := must(t, job{as: c, args: args})
	if strings.TrimSpace(r.out) != image {
		t.Errorf("it prints %q; want %s", r.out, image)
	}
	if strings.Count(r.errs, "copied card.img") != 1 || strings.Count(r.errs, "\nread card.img") != 1 {
		t.Errorf("it does not tell once that it copied the image, and read it:\n%s", r.errs)
	}
	if strings.Count(r.errs, "warning: nothing in card.img reads /var/lib/nixsd/wifi.conf") != 1 { // the demo has no Wi-Fi
		t.Errorf("it does not warn once that nothing reads the Wi-Fi's key:\n%s", r.errs)
	}
	if strings.Count(r.errs, "replaced /") != 1 || strings.Count(r.errs, "replaced /etc/hostname, which card.img had\n") != 1 {
		t.Errorf("it does not tell of /etc/hostname, and of nothing else, that it was replaced:\n%s", r.errs)
	}
	checkInjected(t, image, keyText)
	after, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	if len(after) != len(before) || !bytes.Equal(after[:rootStart], before[:rootStart]) {
		t.Error("the table, the firmware or the size has changed")
	}
	if line, err := os.ReadFile(sum); err != nil || string(line) != fmt.Sprintf("%x  card.img\n", sha256.Sum256(after)) {
		t.Errorf("card.img.sha256 is %q, %v", line, err)
	}
	if info, err := os.Stat(image); err != nil || info.Mode() != 0o600 || owner(info) != c.uid {
		t.Errorf("%v, %v; want -rw------- of %d", info.Mode(), err, c.uid)
	}
	// The key's second line, and what is derived from the passphrase and stands in the image.
	secrets := []string{strings.Split(keyText, "\n")[1], "s3kr1t of an odd name", "correct horse battery", "psk_my_20net=", "AGE-SECRET-KEY-1"}
	if all := leaks(t, secrets, p.state, p.cache); len(all) > 0 {
		t.Errorf("secrets are in %q", all)
	}
	for _, s := range secrets {
		if strings.Contains(r.errs, s) {
			t.Errorf("what is printed has %q", s)
		}
	}
	testRefused(t, c, p, image, pass)
}

// checkInjected looks at the image with other tools.
func checkInjected(t *testing.T, image, keyText string) {
	t.Helper()
	for path, want := range map[string]string{
		"/etc/ssh":                      "Mode:  0755",
		"/etc/ssh/ssh_host_ed25519_key": "Mode:  0600",
		"/var/lib/nixsd":                "Mode:  0755",
		"/var/lib/nixsd/wifi.conf":      "Mode:  0600",
		`/home/nixos/.config`:           "Mode:  0700",
		`/home/nixos/.config/a ""b"" c`: "Mode:  0640",
		"/etc/hostname":                 "Mode:  0644",
		"/var/lib/sops-nix/key.txt":     "Mode:  0600",
	} {
		if out := debugfs(t, image, `stat "`+path+`"`); !strings.Contains(out, want) {
			t.Errorf("%s: %s; want %s", path, out, want)
		}
	}
	if got := debugfs(t, image, "cat /etc/ssh/ssh_host_ed25519_key"); strings.TrimSpace(got) != strings.TrimSpace(keyText) {
		t.Errorf("the host key is %d bytes, others than it should", len(got))
	}
	if got := debugfs(t, image, "cat /var/lib/sops-nix/key.txt"); strings.TrimSpace(got) != strings.TrimSpace(ageKeyText) {
		t.Errorf("the age key is %d bytes, others than it should", len(got))
	}
	if got := debugfs(t, image, "cat /etc/hostname"); strings.TrimSpace(got) != "correct horse battery" {
		t.Errorf("what was there is not replaced: %q", got)
	}
	fsck := exec.Command(testenv.NeedProgram(t, "e2fsck"), "-fn", fmt.Sprintf("%s?offset=%d", image, rootStart))
	if out, err := fsck.CombinedOutput(); err != nil {
		t.Errorf("e2fsck: %v\n%s", err, out)
	}
}

// sumOf is a file's hash.
func sumOf(t *testing.T, name string) [sha256.Size]byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(data)
}

// testRefused tries what cannot be; the image stays as it is, bit for bit.
func testRefused(t *testing.T, c caller, p places, image, small string) {
	t.Helper()
	before := sumOf(t, image)
	big := filepath.Join(filepath.Dir(small), "big")
	data := make([]byte, 3<<20)
	rand.Read(data) // no holes
	if err := os.WriteFile(big, data, 0o644); err != nil {
		t.Fatal(err)
	}
	c.own(t, big)
	full := []string{"inject", "--demo", "--offline", image}
	for i := range 20 { // 60 MiB, where 40 are free
		full = append(full, "--file", fmt.Sprintf("%s:/var/big%d", big, i))
	}
	for name, tt := range map[string]struct {
		args   []string
		status int
		words  string
	}{
		"a folder":       {[]string{"inject", "--demo", "--offline", image, "--file", small + ":/etc"}, 2, "there is a folder already"},
		"through a link": {[]string{"inject", "--demo", "--offline", image, "--file", small + ":/bin/x"}, 2, "/bin is a link"},
		"a missing file": {[]string{"inject", "--demo", "--offline", image, "--file", small + "-not:/x"}, 2, "no such file"},
		"no room":        {full, exitOutput, "no room"},
	} {
		r := run(t, job{as: c, args: p.with(tt.args...)})
		if r.status != tt.status || !strings.Contains(r.errs, tt.words) || r.out != "" {
			t.Errorf("%s: status %d, %q; want %d and %q\n%s", name, r.status, r.out, tt.status, tt.words, r.errs)
		}
		if sumOf(t, image) != before {
			t.Errorf("%s: the image has changed", name)
		}
	}
	testUnfit(t, c, p, image, small)
	if got := listing(t, filepath.Dir(image)); len(got) != 2 {
		t.Errorf("beside the image lie %q", got)
	}
}

// testUnfit tries a cut-off image, and the demo's without --demo; nothing is fetched for
// what cannot be.
func testUnfit(t *testing.T, c caller, p places, image, small string) {
	t.Helper()
	cut := c.write(t, "secrets/cut.img", "")
	output(t, "dd", "if="+image, "of="+cut, "bs=1M", "count=50", "status=none")
	r := run(t, job{as: c, args: p.with("inject", "--demo", "--log-format", "plain", "--offline", cut, "--file", small+":/x")})
	r.mustBeClear(t, "cut off", exitVerify, "it is cut off")
	if strings.Contains(r.errs, "getting the inputs") {
		t.Errorf("inputs are fetched for an image that is cut off:\n%s", r.errs)
	}
	r = run(t, job{as: c, args: p.with("inject", "--log-format", "plain", "--offline", image, "--file", small+":/x")})
	r.mustBeClear(t, "without --demo", exitNetwork, "offline")
	if !strings.Contains(r.errs, "add --demo to this command") {
		t.Errorf("no hint names --demo:\n%s", r.errs)
	}
}

// build --inject does it in one go, compressed too, and leaves the store without.
func TestBuildInject(t *testing.T) {
	check := mustStay(t)
	p, _ := builds(t)
	u := user()
	const secret = "s3kr1t that is in no store"
	file := u.write(t, "secrets/one", secret)
	for _, compress := range []string{"none", "zstd"} {
		out := "injected-" + compress
		must(t, job{as: u, args: buildArgs(t, u, p, out, "--offline", "--compress", compress, "--inject", file+":/etc/one")})
		image := filepath.Join(u.home, out, imageName)
		if compress == "zstd" {
			output(t, testenv.NeedProgram(t, "zstd"), "-dq", image+".zst")
		}
		if got := debugfs(t, image, "cat /etc/one"); got != secret {
			t.Errorf("%s: /etc/one is %q", compress, got)
		}
		m, err := os.ReadFile(filepath.Join(u.home, out, strings.TrimSuffix(imageName, ".img")+".json"))
		if err != nil || !strings.Contains(string(m), `"path": "/etc/one"`) || strings.Contains(string(m), secret) {
			t.Errorf("%s: manifest %s, %v", compress, m, err)
		}
	}
	if all := leaks(t, []string{secret}, p.state, p.cache); len(all) > 0 {
		t.Errorf("the secret is in %q", all)
	}
	check(t)
}
