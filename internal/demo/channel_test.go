package demo

import (
	"archive/tar"
	"bytes"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
)

// setsT are two architectures, and what their packages hold.
func setsT() (map[string]Set, map[string][]member) {
	return map[string]Set{
			"amd64": {
				Packages: []Package{pkg("busybox-static", "1:1.37.0-6+b2"), pkg("tar", "1.35+dfsg-3.1")},
				Groups:   map[string][]string{"tools": {"tar", "busybox-static"}, "nix": {"busybox-static"}},
			},
			"arm64": {
				Packages: []Package{pkg("busybox-static", "1:1.37.0-6+b2")},
				Groups:   map[string][]string{"kernel": {}},
			},
		}, map[string][]member{
			"busybox-static": {{name: "./"}, {name: "./usr/bin/"}, {name: "./usr/bin/busybox", content: "busybox"}, {name: "./usr/bin/busybox", content: "later"}},
		}
}

func channelT(t testing.TB, sets map[string]Set, members map[string][]member) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Channel(&b, sets, walkOf(members)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The channel is one folder: the expressions as they are in the source, what Debian
// has, and a BusyBox to run for every architecture that is asked for.
func TestChannel(t *testing.T) {
	sets, members := setsT()
	for name, tt := range map[string]struct {
		sets      map[string]Set
		bootstrap []string
	}{
		"both": {sets, []string{"bootstrap/", "bootstrap/x86_64-linux/", "bootstrap/x86_64-linux/bin/", "bootstrap/x86_64-linux/bin/busybox", "bootstrap/aarch64-linux/", "bootstrap/aarch64-linux/bin/", "bootstrap/aarch64-linux/bin/busybox"}},
		"one":  {map[string]Set{"arm64": sets["arm64"]}, []string{"bootstrap/", "bootstrap/aarch64-linux/", "bootstrap/aarch64-linux/bin/", "bootstrap/aarch64-linux/bin/busybox"}},
		"none": {nil, nil},
	} {
		want := map[string]bool{"": true, "debian.nix": true}
		for _, b := range tt.bootstrap {
			want[b] = true
		}
		all := readTar(t, channelT(t, tt.sets, members))
		wantSource(t, all, want)
		found := map[string]bool{}
		for _, e := range all {
			below, ok := strings.CutPrefix(e.name, ChannelName+"/")
			if !ok {
				t.Errorf("Channel(%s) has %s beside its folder", name, e.name)
			}
			found[below] = true
		}
		if !maps.Equal(found, want) {
			t.Errorf("Channel(%s) holds %q; want %q", name, slices.Sorted(maps.Keys(found)), slices.Sorted(maps.Keys(want)))
		}
		entryOf(t, all, ChannelName+"/nixos/default.nix")
		for _, b := range tt.bootstrap {
			if e := entryOf(t, all, ChannelName+"/"+b); e.kind == tar.TypeReg && (e.content != "busybox" || !e.executable) {
				t.Errorf("%s = %q, executable %v; want the package's first", b, e.content, e.executable)
			}
		}
	}
}

// wantSource checks that a channel has the expressions of the source, and adds their
// names to want.
func wantSource(t *testing.T, all []inTar, want map[string]bool) {
	t.Helper()
	err := fs.WalkDir(channelFiles, "channel", func(name string, d fs.DirEntry, err error) error {
		in := strings.TrimPrefix(name, "channel/")
		if err != nil || name == "channel" {
			return err
		}
		if d.IsDir() {
			want[in+"/"] = true
			return nil
		}
		want[in] = true
		data, err := channelFiles.ReadFile(name)
		if got := entryOf(t, all, ChannelName+"/"+in); got.content != string(data) || got.executable {
			t.Errorf("Channel has another %s than the source", in)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A folder comes before what is in it, as unpackers want it, and nothing comes twice.
func TestChannelOrder(t *testing.T) {
	sets, members := setsT()
	folders := map[string]bool{"": true}
	seen := map[string]bool{}
	for _, e := range readTar(t, channelT(t, sets, members)) {
		name := strings.TrimSuffix(e.name, "/")
		i := strings.LastIndex(name, "/")
		if !folders[name[:max(i, 0)]] {
			t.Errorf("%s comes before its folder", e.name)
		}
		if e.name != name {
			folders[name] = true
		}
		if seen[e.name] && e.kind != tar.TypeDir {
			t.Errorf("%s comes twice", e.name)
		}
		seen[e.name] = true
	}
}

// The same packages make the same bytes.
func TestChannelIsReproducible(t *testing.T) {
	sets, members := setsT()
	want := channelT(t, sets, members)
	for range 5 {
		again, _ := setsT()
		if got := channelT(t, again, members); !bytes.Equal(got, want) {
			t.Errorf("Channel of the same = %d bytes; want the same %d", len(got), len(want))
		}
	}
	sets["arm64"].Packages[0].SHA256 = strings.Repeat("0", 64)
	if bytes.Equal(channelT(t, sets, members), want) {
		t.Error("Channel of another package is the same")
	}
}

func TestChannelErrors(t *testing.T) {
	sets, whole := setsT()
	noBusybox := map[string]Set{"arm64": {Packages: []Package{pkg("tar", "1")}}}
	for name, tt := range map[string]struct {
		sets    map[string]Set
		members map[string][]member
		want    string
	}{
		"not in the set":      {noBusybox, whole, "no busybox-static for arm64"},
		"no file":             {sets, nil, "file does not exist"},
		"other files":         {sets, map[string][]member{"busybox-static": {{name: "./usr/bin/ash", content: "x"}}}, "busybox-static for amd64: no usr/bin/busybox"},
		"in another folder":   {sets, map[string][]member{"busybox-static": {{name: "./bin/busybox", content: "x"}}}, "busybox-static for amd64: no usr/bin/busybox"},
		"above in the folder": {sets, map[string][]member{"busybox-static": {{name: "../usr/bin/busybox", content: "x"}}}, "busybox-static for amd64: no usr/bin/busybox"},
	} {
		if err := Channel(io.Discard, tt.sets, walkOf(tt.members)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Channel(%s) = %v; want …%s…", name, err, tt.want)
		}
	}
	size := len(channelT(t, sets, whole))
	for at := 0; at < size-1024; at += 5 * 512 {
		if err := Channel(&errWriter{at}, sets, walkOf(whole)); err == nil {
			t.Errorf("Channel with room for %d of %d bytes succeeded", at, size)
		}
	}
}

func TestArchiveNix(t *testing.T) {
	sets, _ := setsT()
	sets["amd64"].Packages[1].URL = `file:///in puts/${x}"\.deb`
	sum := func(name, version string) string { return pkg(name, version).SHA256 }
	want := `{
  amd64.packages = {
    "busybox-static" = { version = "1:1.37.0-6+b2"; url = "file:///inputs/busybox-static.deb"; sha256 = "` + sum("busybox-static", "1:1.37.0-6+b2") + `"; };
    "tar" = { version = "1.35+dfsg-3.1"; url = "file:///in puts/\${x}\"\\.deb"; sha256 = "` + sum("tar", "1.35+dfsg-3.1") + `"; };
  };
  amd64.sets.nix = [ "busybox-static" ];
  amd64.sets.tools = [ "tar" "busybox-static" ];
  arm64.packages = {
    "busybox-static" = { version = "1:1.37.0-6+b2"; url = "file:///inputs/busybox-static.deb"; sha256 = "` + sum("busybox-static", "1:1.37.0-6+b2") + `"; };
  };
  arm64.sets.kernel = [ ];
}
`
	if got := archiveNix(sets); got != want {
		t.Errorf("archiveNix =\n%s; want\n%s", got, want)
	}
	if got := archiveNix(nil); got != "{\n}\n" {
		t.Errorf("archiveNix(nil) = %q; want an empty set", got)
	}
}

// Nothing in a string is Nix's: no interpolation, no end.
func TestNixString(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", `""`},
		{"libstdc++6", `"libstdc++6"`},
		{`a"b`, `"a\"b"`},
		{`a\`, `"a\\"`},
		{`\"`, `"\\\""`},
		{"${x}", `"\${x}"`},
		{"$${x}", `"\$\${x}"`},
		{"a\nb", "\"a\nb\""},
		{"ü", `"ü"`},
	} {
		if got := nixString(tt.in); got != tt.want {
			t.Errorf("nixString(%q) = %s; want %s", tt.in, got, tt.want)
		}
	}
}
