package inspect

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nixsd-native/internal/testenv"
)

// A sample is an image to make: files by their paths, links as "-> target".
type sample struct {
	root     map[string]string
	firmware []string
	bootable int    // partition, 0 for none
	label    string // of the root
	size     int64  // bytes, 0 for what is needed
}

// Store paths of the sample's NixOS.
const (
	store  = "/nix/store/"
	hash   = "00000000000000000000000000000000"
	top    = store + hash + "-nixos-system-kitchen-26.05.1234"
	kernel = store + hash + "-linux-6.12.47/Image"
	etc    = store + hash + "-etc/etc"
	users  = store + hash + "-users-groups.json"
	pubKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE5DYiu4M6R7fyXkQjeONo3p8rvJHU2bYcFSc4bVUHSt me@laptop"
)

// image is the beginning of a kernel, with the magic number where arm64's has it.
func armKernel() string {
	head := make([]byte, 4096)
	binary.LittleEndian.PutUint32(head[56:], 0x644d5241)
	return string(head)
}

// nixOS has the layout of nixpkgs' sd-image.nix and top-level.nix.
func nixOS() sample {
	menu := `# Generated file
DEFAULT nixos-default
MENU TITLE ---
TIMEOUT 50

LABEL nixos-1-default
  MENU LABEL NixOS - Configuration 1
  LINUX ../nixos/x-linux-Image
  INITRD ../nixos/x-initrd
  APPEND init=` + top + `/init root=LABEL=NIXOS_SD
  FDTDIR ../nixos/x-dtbs

LABEL nixos-default
  MENU LABEL NixOS - Default
  LINUX ../nixos/x-linux-Image
  INITRD ../nixos/x-initrd
  APPEND init=` + top + `/init loglevel=4 root=LABEL=NIXOS_SD
  FDTDIR ../nixos/x-dtbs
`
	return sample{bootable: 2, label: "NIXOS_SD", firmware: []string{"config.txt"}, root: map[string]string{
		"/boot/extlinux/extlinux.conf":    menu,
		"/boot/nixos/x-linux-Image":       armKernel(),
		"/boot/nixos/x-initrd":            "initrd",
		"/boot/nixos/x-dtbs/board.dtb":    "dtb",
		top + "/init":                     "#!/bin/sh",
		top + "/nixos-version":            "26.05.1234.abcdef",
		top + "/system":                   "aarch64-linux",
		top + "/kernel":                   "-> " + kernel,
		top + "/etc":                      "-> " + etc,
		top + "/activate":                 "perl ./update-users-groups.pl " + users + "\n",
		kernel:                            armKernel(),
		etc + "/hostname":                 "kitchen\n",
		etc + "/ssh/authorized_keys.d/me": "-> " + store + hash + "-key",
		store + hash + "-key":             "# a comment\n" + pubKey + "\n",
		etc + "/systemd/system":           "-> " + store + hash + "-units",
		store + hash + "-units/multi-user.target.wants/sshd.service": "-> ../sshd.service",
		store + hash + "-units/sshd.service":                         "[Unit]",
		users:                                                        `{"users":[{"name":"me","hashedPassword":null,"initialPassword":null},{"name":"root","hashedPassword":"!"},{"name":"guest","initialHashedPassword":""}]}`,
	}}
}

func run(t testing.TB, program string, stdin string, args ...string) {
	t.Helper()
	cmd := exec.Command(testenv.NeedProgram(t, program), args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
}

// Places of the sample's partitions, in bytes.
const (
	fatStart, fatSize = 1 << 20, 4 << 20
	extStart, extSize = fatStart + fatSize, 8 << 20
)

// make makes an image by the tools that make real ones.
func (s sample) make(t testing.TB) *os.File {
	t.Helper()
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	for name, text := range s.root {
		path := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, link := strings.CutPrefix(text, "-> "); link {
			err = os.Symlink(target, path)
		} else {
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "image")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, extStart+extSize); err != nil {
		t.Fatal(err)
	}
	flag := map[bool]string{true: ", bootable"}
	run(t, "sfdisk", fmt.Sprintf("label: dos\nlabel-id: 0x2178694e\nstart=%d, size=%d, type=b%s\nstart=%d, size=%d, type=83%s\n",
		fatStart/sector, fatSize/sector, flag[s.bootable == 1], extStart/sector, extSize/sector, flag[s.bootable == 2]), "-q", file)
	run(t, "mkfs.vfat", "", "--offset", fmt.Sprint(fatStart/sector), "-i", "2178694e", "-n", "FIRMWARE", file, fmt.Sprint(fatSize>>10))
	s.addFirmware(t, file)
	run(t, "mke2fs", "", "-q", "-t", "ext4", "-L", s.label, "-U", "44444444-4444-4444-8888-888888888888", "-d", tree,
		"-E", fmt.Sprintf("offset=%d", extStart), file, fmt.Sprintf("%dk", extSize>>10))
	if s.size != 0 {
		if err := os.Truncate(file, s.size); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// addFirmware writes directory entries of empty files into the root of the FAT.
func (s sample) addFirmware(t testing.TB, file string) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	head := make([]byte, 512)
	if _, err := f.ReadAt(head, fatStart); err != nil {
		t.Fatal(err)
	}
	u16 := binary.LittleEndian.Uint16
	root := int64(fatStart) + (int64(u16(head[14:]))+int64(head[16])*int64(u16(head[22:])))*int64(u16(head[11:]))
	for i, name := range s.firmware {
		base, ext, _ := strings.Cut(strings.ToUpper(name), ".")
		entry := make([]byte, 32)
		copy(entry, fmt.Sprintf("%-8s%-3s", base, ext))
		// The first entry is the label's.
		if _, err := f.WriteAt(entry, root+int64(i+1)*32); err != nil {
			t.Fatal(err)
		}
	}
}

func (s sample) read(t *testing.T) *Report {
	t.Helper()
	f := s.make(t)
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	r, err := Read(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	return r
}
