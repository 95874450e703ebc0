package vmtest

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"nixsd-native/internal/deb"
	"nixsd-native/internal/debian"
	"nixsd-native/internal/decompress"
	"nixsd-native/internal/fetch"
	"nixsd-native/internal/testenv"
)

// A release is a Debian suite for an architecture in Debian's words.
type release struct{ suite, arch string }

func (r release) String() string { return r.suite + "-" + r.arch }

// roots are what makes a Debian that a person would log in to, with what the program
// meets there: service manager, sudo, kmod, AppArmor, newuidmap.
func (r release) roots() []string {
	return []string{
		"linux-image-" + r.arch, "systemd-sysv", "base-files", "base-passwd", "bash", "dash", "coreutils", "util-linux", "mount",
		"grep", "sed", "findutils", "kmod", "procps", "login", "passwd", "sudo", "uidmap", "apparmor", "libpam-modules", "ca-certificates",
	}
}

// installers are needed by maintainer scripts only, which do not run here.
var installers = []string{"debconf", "dpkg", "initramfs-tools", "linux-base", "libpam-runtime", "perl-base", "openssl", "lsb-base"}

// packages downloads what r is made of, verified from the archive's signature on, and
// returns the .deb files.
func packages(t *testing.T, r release) []string {
	t.Helper()
	cache, err := fetch.OpenCache(filepath.Join(lab(), "packages"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := debian.ArchiveKeys()
	if err != nil {
		t.Fatal(err)
	}
	client := &fetch.Client{Cache: cache, HTTP: fetch.NewHTTPClient(proxies(), nil)}
	archive := &debian.Archive{
		Mirrors: append(debian.HostMirrors(os.DirFS("/")), debian.FallbackMirror), Keys: keys, Document: client.Document, Open: decompress.Open,
		File: func(ctx context.Context, name, sha256 string, size int64, urls []string) (string, error) {
			return client.File(ctx, fetch.Request{Name: name, SHA256: sha256, Size: size, URLs: urls})
		},
	}
	index, err := indexOf(t.Context(), archive, r)
	testenv.Need(t, "Debian mirror", err)
	closure, err := index.Closure(r.roots(), debian.ClosureOptions{Skip: func(name string) bool { return slices.Contains(installers, name) }})
	if err != nil {
		t.Fatal(err)
	}
	var requests []fetch.Request
	for _, p := range closure {
		requests = append(requests, fetch.Request{SHA256: p.SHA256, Size: p.Size, URLs: p.Sources(archive.Mirrors)})
	}
	files, err := client.Files(t.Context(), requests, 0)
	testenv.Need(t, "Debian mirror", err)
	return files
}

func indexOf(ctx context.Context, a *debian.Archive, r release) (*debian.Index, error) {
	signed, err := a.Release(ctx, r.suite)
	if err != nil {
		return nil, err
	}
	return a.Index(ctx, signed, "main", r.arch)
}

func proxies() fetch.Proxies {
	of := func(name string) string {
		if value := os.Getenv(name); value != "" {
			return value
		}
		return os.Getenv(strings.ToUpper(name))
	}
	return fetch.Proxies{HTTP: of("http_proxy"), HTTPS: of("https_proxy"), No: of("no_proxy")}
}

// unpack unpacks packages into a folder, as dpkg would, two at a time. Whatever is
// there stays: maintainer scripts of older suites divert files that another has.
func unpack(t *testing.T, debs []string, dir string) {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	queue := make(chan string)
	var work sync.WaitGroup
	for range 2 {
		work.Go(func() {
			for name := range queue {
				if err := unpackOne(root, name); err != nil {
					t.Errorf("unpack %s: %v", name, err)
				}
			}
		})
	}
	for _, name := range debs {
		queue <- name
	}
	close(queue)
	work.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

func unpackOne(root *os.Root, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return deb.Walk(f, func(h *tar.Header, content io.Reader) error {
		if place := placeOf(h.Name); place != "." && !left(place) {
			return entry(root, place, h, content)
		}
		return nil
	})
}

// merged are the folders at the top that lie in /usr, as Debian has them since 12.
var merged = []string{"bin", "sbin", "lib", "lib64"}

// placeOf is where a package's file lies in a system with a merged /usr.
func placeOf(name string) string {
	name = path.Clean(strings.TrimPrefix(name, "./"))
	if first, _, _ := strings.Cut(name, "/"); slices.Contains(merged, first) {
		return "usr/" + name
	}
	return name
}

// left reports whether a file is of no use in these machines: documentation,
// translations, drivers for devices that QEMU does not give them, and what looks for
// disks and consoles of its own, which systemd does not wait for where it takes long.
func left(place string) bool {
	for _, dir := range []string{"usr/share/doc/", "usr/share/man/", "usr/share/locale/", "usr/share/i18n/", "usr/lib/systemd/system-generators/"} {
		if strings.HasPrefix(place, dir) {
			return true
		}
	}
	_, driver, found := strings.Cut(place, "/kernel/drivers/")
	kind, _, inside := strings.Cut(driver, "/")
	return found && inside && !slices.Contains([]string{"block", "char", "virtio"}, kind) || strings.Contains(place, "/kernel/sound/")
}

// entry makes a file as the archive has it, but for its owner, who is root in the
// machine.
func entry(root *os.Root, place string, h *tar.Header, content io.Reader) error {
	if err := root.MkdirAll(path.Dir(place), 0o755); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		if info, err := root.Lstat(place); err == nil && !info.IsDir() { // such as /bin
			return nil
		}
		if err := root.MkdirAll(place, 0o755); err != nil {
			return err
		}
		return root.Chmod(place, h.FileInfo().Mode().Perm()|h.FileInfo().Mode()&os.ModeSticky|0o700)
	case tar.TypeSymlink:
		return unlessThere(root.Symlink(h.Linkname, place))
	case tar.TypeLink:
		return unlessThere(root.Link(placeOf(h.Linkname), place))
	case tar.TypeReg:
		f, err := root.OpenFile(place, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return unlessThere(err)
		}
		_, err = io.Copy(f, content)
		return errors.Join(err, f.Chmod(h.FileInfo().Mode()&(os.ModePerm|os.ModeSetuid|os.ModeSetgid)), f.Close())
	}
	return nil
}

func unlessThere(err error) error {
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	return err
}
