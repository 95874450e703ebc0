package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nixsd-native/internal/inspect"
	"nixsd-native/internal/testenv"
)

// inspectImage returns what inspect tells of an image.
func inspectImage(t *testing.T, as caller, name string) inspect.Report {
	t.Helper()
	r := must(t, job{as: as, args: []string{"inspect", "--json", name}})
	var report inspect.Report
	if err := json.Unmarshal([]byte(r.out), &report); err != nil {
		t.Fatalf("%q: %v", r.out, err)
	}
	return report
}

// inspect tells of a delivered image, of a compressed one and of a card the same, and
// leaves nothing behind.
func TestInspect(t *testing.T) {
	check := mustStay(t)
	_, _ = builds(t)
	u := user()
	img := filepath.Join(u.home, "first", imageName)
	r := inspectImage(t, u, img)
	if len(r.Warnings) > 0 {
		t.Errorf("warnings: %q", r.Warnings)
	}
	s := r.System
	if s.Name != "NixOS demo" || s.HostName != "nixos" || !s.SSH || s.Kernel == "" {
		t.Errorf("system: %+v", s)
	}
	out, err := exec.Command(testenv.NeedProgram(t, "ssh-keygen"), "-lf", filepath.Join(u.home, "keys", "id.pub")).Output()
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Logins) == 0 || len(s.Logins[0].Keys) != 1 || !slices.Contains(strings.Fields(string(out)), s.Logins[0].Keys[0].Fingerprint) {
		t.Errorf("logins: %+v; want the key %s", s.Logins, out)
	}
	packed := filepath.Join(u.home, "inspect.img.zst")
	if out, err := exec.Command(testenv.NeedProgram(t, "zstd"), "-q", img, "-o", packed).CombinedOutput(); err != nil {
		t.Fatalf("zstd: %v: %s", err, out)
	}
	if err := os.Chmod(packed, 0o644); err != nil {
		t.Fatal(err)
	}
	compare := func(what string, other inspect.Report) {
		one, _ := json.Marshal(r)
		if two, _ := json.Marshal(other); string(one) != string(two) {
			t.Errorf("%s: %s\nwant %s", what, two, one)
		}
	}
	compare("compressed", inspectImage(t, u, packed))
	testCutOff(t, u, img)
	t.Run("device", func(t *testing.T) {
		testenv.NeedRoot(t)
		compare("a device, by root", inspectImage(t, root(), loopDevice(t, img)))
	})
	check(t)
}

// testCutOff has inspect tell of an image that no board would boot, in both ways.
func testCutOff(t *testing.T, u caller, img string) {
	t.Helper()
	cut := u.write(t, "inspect/cut.img", "")
	output(t, "dd", "if="+img, "of="+cut, "bs=1M", "count=50", "status=none")
	r := run(t, job{as: u, args: []string{"inspect", cut}})
	if r.status != exitVerify || !strings.Contains(r.out, "WARNING") || !strings.Contains(r.errs, "would not boot: its partitions end at ") {
		t.Errorf("inspect of what is cut off = %d, %s\n%s", r.status, r.out, r.errs)
	}
	r = run(t, job{as: u, args: []string{"inspect", "--json", cut}})
	var report inspect.Report
	if err := json.Unmarshal([]byte(r.out), &report); err != nil || r.status != exitVerify || len(report.Warnings) == 0 {
		t.Errorf("inspect --json of what is cut off = %d, %s, %v", r.status, r.out, err)
	}
}

// loopDevice makes a file a device for the time of the test.
func loopDevice(t *testing.T, file string) string {
	t.Helper()
	losetup := testenv.NeedProgram(t, "losetup")
	out, err := exec.Command(losetup, "--find", "--show", "--read-only", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	device := strings.TrimSpace(string(out))
	t.Cleanup(func() { exec.Command(losetup, "--detach", device).Run() })
	return device
}
