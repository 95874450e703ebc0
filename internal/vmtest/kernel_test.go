package vmtest

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nixsd-native/internal/decompress"
)

// bootModules find the disk, its file system and the port to the test.
var bootModules = []string{"virtio_pci", "virtio_blk", "virtio_console", "ext4", "crc32c_generic", "libcrc32c"}

// bootFiles takes the kernel out of a tree, prepares its modules as its maintainer
// script would, and makes an initramfs.
func bootFiles(t *testing.T, tree string, r release) (kernel, initramfs string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(tree, "boot/vmlinuz-*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("the packages have the kernels %q, %v; want one", found, err)
	}
	version := strings.TrimPrefix(filepath.Base(found[0]), "vmlinuz-")
	t.Logf("%s has Linux %s", r, version)
	tool(t, "depmod", "-b", tree, version)
	base := filepath.Join(lab(), r.String())
	if err := os.Rename(found[0], base+".vmlinuz"); err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	guest, err := os.ReadFile(program(t, "./testdata/guest", r.arch))
	if err != nil {
		t.Fatal(err)
	}
	cpioEntry(&archive, "init", 0o100755, guest)
	cpioEntry(&archive, "modules", 0o040755, nil)
	for i, path := range moduleFiles(t, filepath.Join(tree, "lib/modules", version)) {
		name, _, _ := strings.Cut(filepath.Base(path), ".")
		cpioEntry(&archive, fmt.Sprintf("modules/%03d-%s.ko", i, name), 0o100644, plain(t, path))
	}
	cpioEntry(&archive, "TRAILER!!!", 0, nil)
	writeFile(t, base+".cpio", archive.String(), 0o644)
	return base + ".vmlinuz", base + ".cpio"
}

// moduleFiles lists bootModules with what they depend on, in the order of loading. One
// that the kernel has built in, or does not know, is left out.
func moduleFiles(t *testing.T, dir string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "modules.dep")) // modules.dep(5)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for line := range strings.Lines(string(text)) {
		path, needs, _ := strings.Cut(strings.TrimSpace(line), ":")
		name, _, _ := strings.Cut(filepath.Base(path), ".")
		if !slices.Contains(bootModules, strings.ReplaceAll(name, "-", "_")) {
			continue
		}
		chain := append([]string{path}, strings.Fields(needs)...)
		slices.Reverse(chain) // the line names what is to be loaded first last
		for _, p := range chain {
			if p = filepath.Join(dir, p); !slices.Contains(all, p) {
				all = append(all, p)
			}
		}
	}
	return all
}

func plain(t *testing.T, path string) []byte {
	t.Helper()
	r, err := decompress.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// cpioEntry appends a file to an initramfs, in the format that the kernel's
// Documentation/driver-api/early-userspace/buffer-format.rst describes: newc.
func cpioEntry(b *bytes.Buffer, name string, mode int, data []byte) {
	pad := func() { b.Write(make([]byte, -b.Len()&3)) }
	// ino, mode, uid, gid, nlink, mtime, filesize, maj, min, rmaj, rmin, namesize, chksum
	fmt.Fprintf(b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", b.Len(), mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0)
	b.WriteString(name + "\x00")
	pad()
	b.Write(data)
	pad()
}
