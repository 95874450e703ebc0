package demo

import (
	"archive/tar"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed channel
var channelFiles embed.FS

// ChannelName is the folder in the channel's tarball. Upstream's is
// nixos-<release>.<commits>.<revision>.
const ChannelName = "nixos-demo"

// A Set is what the channel is told of one Debian architecture: packages and, by
// purpose, which of them belong together.
type Set struct {
	Packages []Package
	Groups   map[string][]string // "tools", "ssh", "kernel", "uboot" → names of packages
}

// Channel writes to w, as an uncompressed tar, a channel as upstream's
// nixexprs.tar.xz: the demo's Nix expressions, the packages of each architecture by
// URL and hash, and BusyBox, taken out of its package, to start from. The output
// depends on its arguments alone.
func Channel(w io.Writer, sets map[string]Set, walk Walk) error {
	tw := tarWriter{tar.NewWriter(w)}
	if err := tw.dir(ChannelName); err != nil {
		return err
	}
	if err := writeEmbedded(tw); err != nil {
		return err
	}
	for _, host := range Hosts {
		set, ok := sets[host.Arch]
		if !ok {
			continue
		}
		if err := writeBootstrap(tw, host, set, walk); err != nil {
			return err
		}
	}
	if err := tw.file(path.Join(ChannelName, "debian.nix"), []byte(archiveNix(sets)), false); err != nil {
		return err
	}
	return tw.Close()
}

func writeEmbedded(tw tarWriter) error {
	return fs.WalkDir(channelFiles, "channel", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "channel" {
			return err
		}
		in := ChannelName + strings.TrimPrefix(name, "channel")
		if d.IsDir() {
			return tw.dir(in)
		}
		data, err := channelFiles.ReadFile(name)
		if err != nil {
			return err
		}
		return tw.file(in, data, false)
	})
}

// errFound ends a walk.
var errFound = errors.New("found")

func writeBootstrap(tw tarWriter, host Host, set Set, walk Walk) error {
	i := slices.IndexFunc(set.Packages, func(p Package) bool { return p.Name == "busybox-static" })
	if i < 0 {
		return fmt.Errorf("no busybox-static for %s", host.Arch)
	}
	var busybox []byte
	err := walk(set.Packages[i], func(h *tar.Header, content io.Reader) (err error) {
		if path.Clean(h.Name) != "usr/bin/busybox" {
			return nil
		}
		if h.Typeflag != tar.TypeReg {
			return errors.New("usr/bin/busybox is no file")
		}
		if h.Size > maxFile {
			return fmt.Errorf("usr/bin/busybox has %d bytes", h.Size)
		}
		if busybox, err = io.ReadAll(io.LimitReader(content, maxFile)); err != nil {
			return err
		}
		return errFound
	})
	if err == nil {
		err = errors.New("no usr/bin/busybox")
	}
	if !errors.Is(err, errFound) {
		return fmt.Errorf("busybox-static for %s: %v", host.Arch, err)
	}
	dir := path.Join(ChannelName, "bootstrap")
	for _, d := range []string{dir, path.Join(dir, host.System), path.Join(dir, host.System, "bin")} {
		if err := tw.dir(d); err != nil {
			return err
		}
	}
	return tw.file(path.Join(dir, host.System, "bin", "busybox"), busybox, true)
}

// archiveNix returns the packages as a Nix expression.
func archiveNix(sets map[string]Set) string {
	var b strings.Builder
	b.WriteString("{\n")
	for _, arch := range sorted(sets) {
		fmt.Fprintf(&b, "  %s.packages = {\n", arch)
		for _, p := range sets[arch].Packages {
			fmt.Fprintf(&b, "    %s = { version = %s; url = %s; sha256 = %s; };\n",
				nixString(p.Name), nixString(p.Version), nixString(p.URL), nixString(p.SHA256))
		}
		b.WriteString("  };\n")
		for _, group := range sorted(sets[arch].Groups) {
			fmt.Fprintf(&b, "  %s.sets.%s = [", arch, group)
			for _, name := range sets[arch].Groups[group] {
				b.WriteString(" " + nixString(name))
			}
			b.WriteString(" ];\n")
		}
	}
	b.WriteString("}\n")
	return b.String()
}

// nixString quotes text for Nix.
func nixString(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`).Replace(s) + `"`
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
