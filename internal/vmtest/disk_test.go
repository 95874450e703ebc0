package vmtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A disk is a machine's root file system with the kernel that boots from it.
type disk struct{ image, kernel, initramfs string }

// diskSize is room for the system, a filled cache, two stores and two images, in
// mke2fs's words; the file is sparse.
const diskSize = "8G"

var disks fixture[disk]

// diskOf makes the disk of a release: Debian's packages, the program, a filled cache.
func diskOf(t *testing.T, r release) disk {
	t.Helper()
	return disks.get(t, "the disk of "+r.String(), func() disk {
		tree := filepath.Join(lab(), r.String())
		if err := os.Mkdir(tree, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, dir := range merged {
			makeFolder(t, filepath.Join(tree, "usr", dir))
			makeLink(t, "usr/"+dir, filepath.Join(tree, dir))
		}
		unpack(t, packages(t, r), tree)
		configure(t, tree, r)
		d := disk{image: tree + ".ext4"}
		d.kernel, d.initramfs = bootFiles(t, tree, r)
		makeFolder(t, filepath.Join(tree, "srv"))
		tool(t, "cp", "-a", cacheFor(t, r.arch), filepath.Join(tree, "srv/cache"))
		// Files belong to root in a user namespace, whoever runs the tests.
		tool(t, "unshare", "-r", "mke2fs", "-q", "-t", "ext4", "-d", tree, d.image, diskSize)
		if err := os.RemoveAll(tree); err != nil {
			t.Fatal(err)
		}
		return d
	})
}

// userID is the ordinary user of every machine; otherID has subordinate ids, too.
const (
	userID  = 1000
	otherID = 1001
)

// service runs the guest once the system is up. A process of its that memory runs out for
// does not end it, as is so for the processes of who has logged in.
const service = `[Unit]
After=basic.target
[Service]
OOMPolicy=continue
ExecStart=/usr/local/bin/guest
StandardOutput=null
StandardError=tty
TTYPath=/dev/console
[Install]
WantedBy=multi-user.target
`

// anybody lets in whoever calls: passwords are not what is tested here.
const anybody = `auth required pam_permit.so
account required pam_permit.so
session required pam_permit.so
`

// configure does what maintainer scripts and an installer do.
func configure(t *testing.T, tree string, r release) {
	t.Helper()
	in := func(name string) string { return filepath.Join(tree, name) }
	for name, master := range map[string]string{"etc/passwd": "passwd.master", "etc/group": "group.master"} {
		text, err := os.ReadFile(in("usr/share/base-passwd/" + master))
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range []string{"user:x:1000:1000", "other:x:1001:1001"} {
			if name == "etc/group" {
				text = fmt.Appendf(text, "%s:\n", u[:strings.LastIndex(u, ":")])
			} else {
				text = fmt.Appendf(text, "%s::/home/%s:/bin/bash\n", u, u[:strings.Index(u, ":")])
			}
		}
		writeFile(t, in(name), string(text), 0o644)
	}
	for name, text := range map[string]string{
		"etc/hostname": "vmtest\n", "etc/hosts": "127.0.0.1 localhost vmtest\n", "etc/machine-id": "", "etc/subuid": "other:100000:65536\n", "etc/subgid": "other:100000:65536\n",
		"etc/systemd/system/vmtest.service": service, "etc/pam.d/sudo": anybody, "etc/sudoers.d/user": "user ALL=(ALL) NOPASSWD: ALL\n",
	} {
		makeFolder(t, filepath.Dir(in(name)))
		writeFile(t, in(name), text, 0o644)
	}
	for _, dir := range []string{"home/user", "home/other", "proc", "sys", "dev", "run", "tmp", "root", "usr/local/bin", "etc/systemd/system/multi-user.target.wants"} {
		makeFolder(t, in(dir))
	}
	if err := os.Chmod(in("tmp"), 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	makeLink(t, "../vmtest.service", in("etc/systemd/system/multi-user.target.wants/vmtest.service"))
	makeLink(t, "/usr/lib/systemd/system/multi-user.target", in("etc/systemd/system/default.target"))
	makeLink(t, "dash", in("usr/bin/sh"))
	tool(t, "cp", program(t, "nixsd-native/cmd/nixsd-native", r.arch), in("usr/local/bin/nixsd-native"))
	tool(t, "cp", program(t, "./testdata/guest", r.arch), in("usr/local/bin/guest"))
}

func makeFolder(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

// makeLink makes a symbolic link, unless a package has it.
func makeLink(t *testing.T, target, path string) {
	t.Helper()
	if err := unlessThere(os.Symlink(target, path)); err != nil {
		t.Fatal(err)
	}
}

func writeFile(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	os.Remove(path) // a package's, which may be read-only
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
