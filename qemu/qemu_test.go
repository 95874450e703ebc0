package qemu

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nixsd-native/internal/debian"
)

// staticELF and dynamicELF are ELF headers with at most one program header.
func elfFile(interp bool) string {
	b := make([]byte, 64+56)
	copy(b, "\x7fELF\x02\x01\x01")
	b[16], b[18], b[20] = 3, 62, 1 // ET_DYN, EM_X86_64, version
	b[32] = 64                     // e_phoff
	b[52], b[54], b[56] = 64, 56, 1
	b[58] = 64 // e_shentsize
	b[64] = 1  // PT_LOAD
	if interp {
		b[64] = 3
	}
	return string(b)
}

type entry struct {
	name, content string
	link          string
	size          int64 // claimed, if not 0
}

func debOf(entries ...entry) []byte {
	var data bytes.Buffer
	w := tar.NewWriter(&data)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Mode: 0o755, Size: int64(len(e.content)), Typeflag: tar.TypeReg}
		if e.link != "" {
			h.Typeflag, h.Linkname = tar.TypeSymlink, e.link
		}
		if e.size != 0 {
			h.Size = e.size
		}
		w.WriteHeader(h)
		io.WriteString(w, e.content)
	}
	w.Flush()
	return fmt.Appendf(nil, "!<arch>\n%-16s%-12d%-6d%-6d%-8s%-10d`\n%s", "data.tar", 0, 0, 0, "100644", data.Len(), data.Bytes())
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// packageOf writes a .deb and describes it as pinned.
func packageOf(t *testing.T, deb []byte, emulator string) (Package, *os.File) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "q.deb")
	if err := os.WriteFile(name, deb, 0o644); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return Package{"q.deb", hexSum(deb), emulator}, file
}

func TestInstall(t *testing.T) {
	program := elfFile(false)
	want := hexSum([]byte(program))
	layouts := map[string][]byte{
		"debian 13": debOf(entry{name: "./usr/bin/"}, entry{name: "./usr/bin/qemu-aarch64", content: program}, entry{name: "./usr/bin/qemu-arm64", link: "qemu-aarch64"}),
		"debian 12": debOf(entry{name: "./usr/bin/qemu-aarch64-static", content: program}),
		"no dot":    debOf(entry{name: "usr/bin/qemu-aarch64", content: program}),
	}
	for name, deb := range layouts {
		dir := t.TempDir()
		p, file := packageOf(t, deb, want)
		if _, ok := Installed(p, dir); ok {
			t.Errorf("%s: installed before Install", name)
		}
		got, err := Install(t.Context(), p, file, dir)
		if err != nil || got.SHA256 != want {
			t.Errorf("%s: Install = %+v, %v; want %s", name, got, err, want)
			continue
		}
		if content, err := os.ReadFile(got.Path); err != nil || string(content) != program || filepath.Base(got.Path) != FileName {
			t.Errorf("%s: %s holds %d bytes, %v", name, got.Path, len(content), err)
		}
		if again, ok := Installed(p, dir); !ok || again != got {
			t.Errorf("%s: Installed = %+v, %v; want %+v", name, again, ok, got)
		}
		os.WriteFile(got.Path, []byte("rotten"), 0o755)
		if _, ok := Installed(p, dir); ok {
			t.Errorf("%s: a damaged emulator counts as installed", name)
		}
	}
}

func TestInstallRefuses(t *testing.T) {
	program := elfFile(false)
	whole := debOf(entry{name: "./usr/bin/qemu-aarch64", content: program + strings.Repeat("x", 4000)})
	tests := map[string]struct {
		deb      []byte
		emulator string
		change   func(*Package)
		message  string
	}{
		"symlink":       {deb: debOf(entry{name: "./usr/bin/qemu-aarch64-static", link: "qemu-aarch64"}), message: "points to"},
		"missing":       {deb: debOf(entry{name: "./usr/bin/qemu-arm", content: program}), message: "no usr/bin/qemu-aarch64"},
		"oversized":     {deb: debOf(entry{name: "./usr/bin/qemu-aarch64", size: 1 << 40}), message: "1099511627776 bytes"},
		"dynamic":       {deb: debOf(entry{name: "./usr/bin/qemu-aarch64", content: elfFile(true)}), message: "dynamically linked"},
		"no elf":        {deb: debOf(entry{name: "./usr/bin/qemu-aarch64", content: "#!/bin/sh\n"}), message: "no ELF"},
		"truncated":     {deb: whole[:len(whole)-2000], message: "no usable emulator"},
		"html":          {deb: []byte("<html>not found</html>"), message: "not an ar archive"},
		"other program": {deb: whole, emulator: hexSum([]byte("other")), message: "sha256"},
		"other package": {deb: whole, change: func(p *Package) { p.SHA256 = hexSum([]byte("x")) }, message: "sha256"},
	}
	for name, test := range tests {
		dir := t.TempDir()
		p, file := packageOf(t, test.deb, test.emulator)
		if test.change != nil {
			test.change(&p)
		}
		_, err := Install(t.Context(), p, file, dir)
		if err == nil || !strings.Contains(err.Error(), test.message) {
			t.Errorf("%s: Install = %v; want …%s…", name, err, test.message)
			continue
		}
		var hashErr *HashError
		var contentErr *ContentError
		if !errors.As(err, &hashErr) && !errors.As(err, &contentErr) {
			t.Errorf("%s: %T; want *HashError or *ContentError", name, err)
		}
		left, _ := filepath.Glob(filepath.Join(dir, "*", "*"))
		hidden, _ := filepath.Glob(filepath.Join(dir, "*", ".*"))
		if len(left)+len(hidden) != 0 {
			t.Errorf("%s: left %v %v", name, left, hidden)
		}
	}
}

func TestPins(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range Pins() {
		if len(p.SHA256) != 64 || len(p.SHA1) != 40 || len(p.Emulator) != 64 || p.Size < 50<<20 || seen[p.SHA256] {
			t.Errorf("pin %+v is not whole", p)
		}
		seen[p.SHA256] = true
		if got, ok := ByHash(p.SHA256); !ok || got != p {
			t.Errorf("ByHash(%s) = %+v, %v", p.SHA256, got, ok)
		}
		urls := p.Sources([]string{"http://a.test/debian/", "http://b.test/debian"})
		if len(urls) != 4 || urls[0] != "http://a.test/debian/"+p.PoolPath || urls[1] != "http://b.test/debian/"+p.PoolPath ||
			urls[2] != debian.Snapshots+"/file/"+p.SHA1 || !strings.HasSuffix(urls[3], p.PoolPath) {
			t.Errorf("Sources = %q", urls)
		}
	}
	if _, ok := ByHash("00"); ok {
		t.Error("ByHash found what is not there")
	}
}

func TestResolve(t *testing.T) {
	def, other := Default(), Pins()[1]
	unknown, installed := hexSum([]byte("unknown")), Pins()[2].SHA256
	source := func(fileSum string) Source {
		return Source{
			Mirrors:   []string{"http://m.test"},
			Installed: func(p Package) bool { return p.SHA256 == installed },
			Get:       func(_ context.Context, f File) (string, error) { return "got/" + f.SHA256, nil },
			Learn:     func(_ context.Context, f File) (string, string, error) { return "learnt", fileSum, nil },
			Import:    func(_ context.Context, file string) (string, string, error) { return "imported", fileSum, nil },
			Suite: func(_ context.Context, suite string) (File, error) {
				return File{Name: suite + ".deb", SHA256: fileSum}, nil
			},
		}
	}
	tests := []struct {
		name     string
		want     Want
		fileSum  string
		path     string
		emulator string
		pinned   bool
		fails    string
	}{
		{name: "default", path: "got/" + def.SHA256, emulator: def.Emulator, pinned: true},
		{name: "other pin", want: Want{SHA256: other.SHA256}, path: "got/" + other.SHA256, emulator: other.Emulator, pinned: true},
		{name: "installed pin", want: Want{SHA256: installed}, path: "", emulator: Pins()[2].Emulator, pinned: true},
		{name: "no pin", want: Want{SHA256: unknown}, fails: "none of the pinned"},
		{name: "file of a pin", want: Want{Deb: "x.deb"}, fileSum: def.SHA256, path: "imported", emulator: def.Emulator, pinned: true},
		{name: "unknown file", want: Want{Deb: "x.deb"}, fileSum: unknown, fails: unknown},
		{name: "file with hash", want: Want{Deb: "x.deb", SHA256: unknown}, fileSum: unknown, path: "imported", pinned: true},
		{name: "file with wrong hash", want: Want{Deb: "x.deb", SHA256: unknown}, fileSum: def.SHA256, fails: "not the expected"},
		{name: "url with hash", want: Want{Deb: "http://h.test/x.deb", SHA256: unknown}, path: "got/" + unknown, pinned: true},
		{name: "url of a pin", want: Want{Deb: "http://h.test/x.deb"}, fileSum: def.SHA256, path: "learnt", emulator: def.Emulator, pinned: true},
		{name: "unknown url", want: Want{Deb: "https://h.test/x.deb"}, fileSum: unknown, fails: "none of the pinned"},
		{name: "suite", want: Want{Suite: "sid"}, fileSum: unknown, path: "got/" + unknown},
		{name: "suite that is a pin", want: Want{Suite: "sid"}, fileSum: other.SHA256, path: "got/" + other.SHA256, emulator: other.Emulator, pinned: true},
		{name: "suite with hash", want: Want{Suite: "sid", SHA256: unknown}, fileSum: unknown, path: "got/" + unknown, pinned: true},
		{name: "suite with wrong hash", want: Want{Suite: "sid", SHA256: def.SHA256}, fileSum: unknown, fails: "not the expected"},
	}
	for _, test := range tests {
		got, err := Resolve(t.Context(), test.want, source(test.fileSum))
		if test.fails != "" {
			if err == nil || !strings.Contains(err.Error(), test.fails) {
				t.Errorf("%s: %v; want …%s…", test.name, err, test.fails)
			}
			continue
		}
		if err != nil || got.File != test.path || got.Emulator != test.emulator || got.Pinned != test.pinned {
			t.Errorf("%s: Resolve = %+v, %v; want %s, %s, %v", test.name, got, err, test.path, test.emulator, test.pinned)
		}
	}
}
