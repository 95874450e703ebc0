package sbom

import (
	"bytes"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"nixsd-native/internal/sbom/sbomtest"
)

const (
	libPath  = "/nix/store/0h59ybgsj3sq9zdkdgi3r7hhaqqrpsh5-lib++-1.2"
	mainPath = "/nix/store/074lc6jqbiigxcrfcniaa87mbdzr6g70-main"
)

var sum = strings.Repeat("5f", 32)

// sample is an image of two store paths and two packages of one name.
func sample() Image {
	info := &debug.BuildInfo{
		GoVersion: "go1.26.0",
		Main:      debug.Module{Path: "nixsd-native"},
		Settings:  []debug.BuildSetting{{Key: "GOARCH", Value: "arm64"}, {Key: "-ldflags", Value: "secret"}},
		Deps:      []*debug.Module{{Path: "github.com/ProtonMail/go-crypto", Version: "v1.5.2", Sum: "h1:/7Jum36UA6V043tQZ/fE3jf+Nf9gn/qxUFfd7QReMy8="}},
	}
	return Image{
		Name: "card.img", SHA256: sum, StorePath: "/nix/store/62iplf9pp6y67rzibwl40bp6plgqjvzk-card.img",
		Tool:  Program(info, "v1", map[string][]string{"github.com/ProtonMail/go-crypto": {"BSD-3-Clause"}}),
		Roots: []string{mainPath},
		Closure: []StorePath{
			{Path: mainPath, Name: "main", NarSHA256: sum, NarSize: 7, References: []string{libPath, mainPath}},
			{Path: libPath, Name: "lib++", Version: "1.2", NarSHA256: sum},
		},
		Packages: []Component{Debian("libc6", "2:1+a~b-1", "arm64", sum), Debian("libc6", "2:1+a~b-1", "all", sum)},
		Inputs: []Component{
			{Name: "nixexprs.tar.xz", SHA256: sum, Version: "8f4c2a1be07d", PURL: "pkg:github/nixos/nixpkgs@8f4c2a1be07d"}, Debian("qemu-user", "1:10", "amd64", sum),
			{Name: "patch", SHA256: sum}, {Name: "./nixpkgs"},
		},
	}
}

func text(t *testing.T, i Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := i.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decoded(t *testing.T, data []byte) *cdx.BOM {
	t.Helper()
	bom := new(cdx.BOM)
	if err := cdx.NewBOMDecoder(bytes.NewReader(data), cdx.BOMFileFormatJSON).Decode(bom); err != nil {
		t.Fatal(err)
	}
	return bom
}

func TestImage(t *testing.T) {
	data := text(t, sample())
	if err := sbomtest.Check(t, data); err != nil {
		t.Fatal(err)
	}
	bom := decoded(t, data)
	var got []string
	for _, c := range *bom.Components {
		got = append(got, fmt.Sprintln(c.BOMRef, c.Name, c.Version, c.PackageURL, (*c.Hashes)[0].Value == sum))
	}
	want := []string{
		"/nix/store/074lc6jqbiigxcrfcniaa87mbdzr6g70-main main  pkg:nix/main true\n",
		"/nix/store/0h59ybgsj3sq9zdkdgi3r7hhaqqrpsh5-lib++-1.2 lib++ 1.2 pkg:nix/lib%2B%2B@1.2 true\n",
		"pkg:deb/debian/libc6@2:1%2Ba~b-1?arch=all libc6 2:1+a~b-1 pkg:deb/debian/libc6@2:1%2Ba~b-1?arch=all true\n",
		"pkg:deb/debian/libc6@2:1%2Ba~b-1?arch=arm64 libc6 2:1+a~b-1 pkg:deb/debian/libc6@2:1%2Ba~b-1?arch=arm64 true\n",
	}
	if !slices.Equal(got, want) {
		t.Errorf("components %q; want %q", got, want)
	}
	edges := map[string][]string{}
	for _, d := range *bom.Dependencies {
		if edges[d.Ref] = nil; d.Dependencies != nil {
			edges[d.Ref] = *d.Dependencies
		}
	}
	if len(edges) != 3 || !slices.Equal(edges["image"], []string{mainPath, (*bom.Components)[2].BOMRef, (*bom.Components)[3].BOMRef}) || !slices.Equal(edges[mainPath], []string{libPath}) || len(edges[libPath]) > 0 {
		t.Errorf("dependencies %q", edges)
	}
	tool := (*bom.Metadata.Tools.Components)[0]
	module := (*tool.Components)[0]
	if module.PackageURL != "pkg:golang/github.com/protonmail/go-crypto@v1.5.2" || (*module.Licenses)[0].License.ID != "BSD-3-Clause" ||
		(*module.Hashes)[0].Value != "ffb26e9b7e9403a574e37b5067f7c4de37fe35ff609ffab15057dded045e332f" {
		t.Errorf("the tool's module is %+v", module)
	}
	if strings.Contains(string(data), "secret") || strings.Contains(string(data), "timestamp") {
		t.Errorf("the document has what it must not: %s", data)
	}
	if len(*(*bom.Formulation)[0].Components) != 4 || (*bom.Compositions)[0].Aggregate != cdx.CompositionAggregateComplete {
		t.Errorf("formulation %+v, compositions %+v", bom.Formulation, bom.Compositions)
	}
}

// The same materials make the same bytes, in whatever order they come, and others do not.
func TestDeterministic(t *testing.T) {
	want := text(t, sample())
	again := sample()
	slices.Reverse(again.Packages)
	slices.Reverse(again.Inputs)
	if got := text(t, again); !bytes.Equal(got, want) {
		t.Errorf("the same materials make\n%s\nand\n%s", want, got)
	}
	other := sample()
	other.Closure[1].NarSHA256 = strings.Repeat("60", 32)
	if a, b := decoded(t, want).SerialNumber, decoded(t, text(t, other)).SerialNumber; a == b {
		t.Errorf("different materials have one serial number, %s", a)
	}
	other.Unknown = true
	if bom := decoded(t, text(t, other)); (*bom.Compositions)[0].Aggregate != cdx.CompositionAggregateIncomplete {
		t.Errorf("compositions %+v of an unknown closure", bom.Compositions)
	}
}

func TestProgram(t *testing.T) {
	var b bytes.Buffer
	if err := WriteProgram(&b, sample().Tool); err != nil {
		t.Fatal(err)
	}
	if err := sbomtest.Check(t, b.Bytes()); err != nil {
		t.Fatal(err)
	}
	bom := decoded(t, b.Bytes())
	if names := []string{(*bom.Components)[0].Name, (*bom.Components)[1].Name}; !slices.Equal(names, []string{"github.com/ProtonMail/go-crypto", "std"}) {
		t.Errorf("components %q", names)
	}
}
