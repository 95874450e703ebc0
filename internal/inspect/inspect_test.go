package inspect

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"nixsd-native/internal/testenv"
)

// Everything that a healthy image of NixOS holds is told, without a warning.
func TestNixOS(t *testing.T) {
	r := nixOS().read(t)
	if len(r.Warnings) > 0 {
		t.Errorf("warnings: %q", r.Warnings)
	}
	if r.Table != "mbr" || r.ID != "0x2178694e" || len(r.Partitions) != 2 {
		t.Fatalf("table: %+v", r)
	}
	fat, ext := r.Partitions[0], r.Partitions[1]
	if fat.Type != "b" || fat.Start != fatStart || fat.Size != fatSize || fat.Bootable || fat.Volume.Type != "fat12" ||
		fat.Volume.Label != "FIRMWARE" || fat.Volume.ID != "2178-694E" || fat.Volume.Free == 0 || fat.Volume.Free >= fatSize {
		t.Errorf("firmware: %+v %+v", fat, fat.Volume)
	}
	if ext.Type != "83" || !ext.Bootable || ext.Volume.Type != "ext4" || ext.Volume.Label != "NIXOS_SD" || ext.Volume.Size != extSize ||
		ext.Volume.ID != "44444444-4444-4444-8888-888888888888" || ext.Volume.Free == 0 || ext.Volume.Free >= extSize || !ext.Volume.Clean {
		t.Errorf("root: %+v %+v", ext, ext.Volume)
	}
	if len(r.Boot) != 2 || r.Boot[0] != (Entry{"nixos-default", "NixOS - Default", "/boot/nixos/x-linux-Image", "/boot/nixos/x-initrd", "/boot/nixos/x-dtbs", "",
		"init=" + top + "/init loglevel=4 root=LABEL=NIXOS_SD"}) {
		t.Errorf("boot: %+v", r.Boot)
	}
	want := System{"NixOS", "26.05.1234.abcdef", "6.12.47", "kitchen", true, []Login{
		{"guest", []Key{}, PasswordEmpty, false},
		{"me", []Key{{"SHA256:" + fingerprint, "ssh-ed25519", "me@laptop"}}, PasswordNone, false},
	}, false}
	if !reflect.DeepEqual(r.System, want) {
		t.Errorf("system: %+v\nwant %+v", r.System, want)
	}
}

// What joins a Wi-Fi network is wpa_supplicant, one for an interface or for all.
func TestWiFi(t *testing.T) {
	for unit, want := range map[string]bool{"wpa_supplicant.service": true, "wpa_supplicant-wlan0.service": true, "iwd.service": false} {
		s := nixOS()
		s.root[store+hash+"-units/multi-user.target.wants/"+unit] = "-> ../" + unit
		f := s.make(t)
		r, err := Read(f, extStart+extSize)
		if err != nil || r.System.WiFi != want {
			t.Errorf("%s: %+v, %v; want %v", unit, r.System, err, want)
		}
	}
}

// fingerprint of the sample's key, as ssh-keygen -lf prints it.
const fingerprint = "+7AEe6bQAIBFlIqb1bxVhMkoifYYIWc+V8+Yrn07SGc"

// What keeps a board from booting, or everybody out, is warned of; that no board could boot
// is told from the rest.
func TestWarnings(t *testing.T) {
	const menu = "/boot/extlinux/extlinux.conf"
	for name, c := range map[string]struct {
		change func(s *sample)
		says   string
		boots  bool
	}{
		"cut off":           {func(s *sample) { s.size = extStart + extSize - 1<<20 }, "cut off", false},
		"not bootable":      {func(s *sample) { s.bootable = 0 }, "no partition is marked bootable", true},
		"other bootable":    {func(s *sample) { s.bootable = 1 }, "partition 2, which is not marked bootable", false},
		"no firmware":       {func(s *sample) { s.firmware = nil }, "partition 1 (FIRMWARE) is empty", true},
		"no menu":           {func(s *sample) { delete(s.root, menu) }, "no boot menu", false},
		"empty menu":        {func(s *sample) { s.root[menu] = "DEFAULT x\n" }, "the boot menu is empty", false},
		"no kernel":         {func(s *sample) { delete(s.root, "/boot/nixos/x-linux-Image") }, "kernel /boot/nixos/x-linux-Image is not there", false},
		"no initrd":         {func(s *sample) { delete(s.root, "/boot/nixos/x-initrd") }, "initrd /boot/nixos/x-initrd is not there", false},
		"no device trees":   {func(s *sample) { delete(s.root, "/boot/nixos/x-dtbs/board.dtb") }, "folder of device trees /boot/nixos/x-dtbs", true},
		"kernel for x86":    {func(s *sample) { s.root["/boot/nixos/x-linux-Image"] = strings.Repeat("x", 512) }, "is no kernel for AArch64", false},
		"other root":        {func(s *sample) { s.label = "OTHER" }, "no file system is LABEL=NIXOS_SD", false},
		"no init":           {func(s *sample) { delete(s.root, top+"/init") }, "is not in the image", false},
		"for another board": {func(s *sample) { s.root[top+"/system"] = "x86_64-linux" }, "the system is for x86_64-linux", false},
		"no sshd":           {func(s *sample) { delete(s.root, store+hash+"-units/multi-user.target.wants/sshd.service") }, "sshd does not start", true},
		"nobody": {func(s *sample) {
			delete(s.root, etc+"/ssh/authorized_keys.d/me")
			s.root[users] = `{"users":[{"name":"me","hashedPassword":"!"}]}`
		}, "nobody could log in", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := nixOS()
			c.change(&s)
			r := s.read(t)
			if !strings.Contains(strings.Join(r.Warnings, "\n"), c.says) {
				t.Errorf("warnings: %q; want %q", r.Warnings, c.says)
			}
			if (len(r.Broken) == 0) != c.boots {
				t.Errorf("broken: %q; want some: %v", r.Broken, !c.boots)
			}
		})
	}
}

// A file system that was not unmounted is told of.
func TestUnclean(t *testing.T) {
	f := nixOS().make(t)
	if _, err := f.WriteAt([]byte{0, 0}, extStart+1024+0x3a); err != nil {
		t.Fatal(err)
	}
	r, err := Read(f, extStart+extSize)
	if err != nil || !strings.Contains(strings.Join(r.Warnings, "\n"), "not unmounted cleanly") {
		t.Errorf("%+v, %v", r, err)
	}
}

// What lacks may be where nobody could look, or in a way that is not known here: then it
// is not said that no board boots the image. A partition of zeros holds nothing.
func TestUnread(t *testing.T) {
	const superblock = 1024 + 0x38
	script := nixOS()
	delete(script.root, "/boot/extlinux/extlinux.conf")
	script.root["/boot.scr"] = "script"
	for _, tt := range []struct {
		name   string
		image  *os.File
		at     int64
		bytes  []byte
		broken bool
	}{
		{"another file system", nixOS().make(t), extStart + superblock, []byte{1, 2}, false},
		{"no file system", nixOS().make(t), extStart, make([]byte, 1<<20), true},
		{"a script for u-boot", script.make(t), extStart, nil, false},
	} {
		if _, err := tt.image.WriteAt(tt.bytes, tt.at); err != nil {
			t.Fatal(err)
		}
		r, err := Read(tt.image, extStart+extSize)
		if err != nil || len(r.Broken) > 0 != tt.broken || !strings.Contains(strings.Join(r.Warnings, "\n"), "no boot menu") {
			t.Errorf("%s: %+v, %v; want broken: %v", tt.name, r, err, tt.broken)
		}
	}
}

// What is no image is refused with the reason.
func TestNoImage(t *testing.T) {
	for name, data := range map[string][]byte{"empty": nil, "text": []byte(strings.Repeat("no image\n", 500)), "zeros": make([]byte, 1<<20)} {
		_, err := Read(fileOf(t, data), int64(len(data)))
		if not := (*NotImageError)(nil); !errors.As(err, &not) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func fileOf(t *testing.T, data []byte) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// Links lead nowhere but to the image's own files, and loops end.
func TestLinks(t *testing.T) {
	s := nixOS()
	s.root["/a"], s.root["/b"] = "-> b", "-> a"
	s.root["/out"] = "-> ../../../../etc/passwd"
	s.root["/etc/passwd"] = "inside"
	s.root["/dir"] = "-> /boot/nixos/"
	f := s.make(t)
	d := &disk{File: f, report: &Report{Size: extStart + extSize}}
	if err := d.readTable(); err != nil {
		t.Fatal(err)
	}
	d.readVolumes()
	tree := d.trees[2]
	if got := tree.text("/a"); got != "" {
		t.Errorf("a loop holds %q", got)
	}
	if got := tree.text("/out"); got != "inside" {
		t.Errorf("a link that leads out holds %q", got)
	}
	if got := tree.text("/dir/x-initrd"); got != "initrd" {
		t.Errorf("through a linked folder: %q", got)
	}
	if got := tree.text("/dir/../extlinux"); got != "" {
		t.Errorf("a folder is read as %q", got)
	}
}

// A file with nothing but a hole ends.
func TestHole(t *testing.T) {
	s := nixOS()
	s.root["/hole"] = strings.Repeat("\x00", 64<<10) // which mke2fs makes one
	d := &disk{File: s.make(t)}
	tree, err := d.openTree(&Partition{Start: extStart, Size: extSize, Volume: &Volume{Type: "ext4"}})
	if err != nil {
		t.Fatal(err)
	}
	if data, err := tree.head("/hole", 4096); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a hole is read as %d bytes, %v; want io.ErrNoProgress", len(data), err)
	}
}

// However an image is damaged, reading ends soon, with a report or an error.
func TestDamaged(t *testing.T) {
	f := nixOS().make(t)
	random := rand.New(rand.NewPCG(1, 2))
	// Tables, superblocks, group descriptors, inodes and folders lie at the beginnings.
	spots := []int64{0, fatStart, extStart + 1024, extStart + 2048, extStart + 4096}
	for i := range testenv.Times(80, 2000) {
		var at int64
		if i%2 == 0 {
			at = spots[i/2%len(spots)] + random.Int64N(512)
		} else {
			at = extStart + random.Int64N(512<<10)
		}
		was := make([]byte, 4)
		if _, err := f.ReadAt(was, at); err != nil {
			t.Fatal(err)
		}
		bad := []byte{byte(random.Uint32()), byte(random.Uint32()), 0xff, 0xff}
		if _, err := f.WriteAt(bad[:1+i%4], at); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		r, err := Read(f, extStart+extSize)
		if (r == nil) == (err == nil) || time.Since(began) > 5*time.Second {
			t.Errorf("%x at %d: %+v, %v after %v", bad, at, r, err, time.Since(began))
		}
		if _, err := f.WriteAt(was, at); err != nil {
			t.Fatal(err)
		}
	}
}
