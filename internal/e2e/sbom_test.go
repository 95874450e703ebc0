package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/nix-community/go-nix/pkg/nixhash"

	"nixsd-native/internal/sbom/sbomtest"
)

// billIn reads the bill of materials in a folder, which CycloneDX's schema must allow.
func billIn(t *testing.T, dir string) (*cdx.BOM, []byte) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, strings.TrimSuffix(imageName, ".img")+".cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := sbomtest.Check(t, data); err != nil {
		t.Errorf("%s: %v", dir, err)
	}
	bom := new(cdx.BOM)
	if err := cdx.NewBOMDecoder(bytes.NewReader(data), cdx.BOMFileFormatJSON).Decode(bom); err != nil {
		t.Fatal(err)
	}
	return bom, data
}

// refs are what the document says that a component needs.
func refs(bom *cdx.BOM, of string) []string {
	for _, d := range *bom.Dependencies {
		if d.Ref == of && d.Dependencies != nil {
			return *d.Dependencies
		}
	}
	return nil
}

// The bill of materials has exactly the closure of what is in the image, with Nix's own
// hashes, and the Debian packages that it was made of; the same for everybody who makes
// the image.
func TestBillOfMaterials(t *testing.T) {
	check := mustStay(t)
	p, r := builds(t)
	u := user()
	dir := filepath.Join(u.home, "first")
	bom, data := billIn(t, dir)
	roots := slices.DeleteFunc(slices.Clone(refs(bom, "image")), func(ref string) bool { return !strings.HasPrefix(ref, "/nix/store/") })
	if len(roots) < 6 {
		t.Fatalf("the image needs %q; want the system, its initrd, BusyBox, kernel, OpenSSH and U-Boot", roots)
	}
	checkClosure(t, p, bom, roots)
	m := manifestIn(t, dir)
	image := bom.Metadata.Component
	if image.Name != imageName || (*image.Hashes)[0].Value != m.SHA256 || (*bom.Compositions)[0].Aggregate != cdx.CompositionAggregateComplete {
		t.Errorf("the document is of %+v, %+v; want the image, complete", image, *bom.Compositions)
	}
	var inputs []string
	for _, c := range *(*bom.Formulation)[0].Components {
		inputs = append(inputs, (*c.Hashes)[0].Value)
	}
	for _, want := range []string{m.Nix.SHA256, m.Nixpkgs.SHA256, m.Emulator.SHA256} {
		if want != "" && !slices.Contains(inputs, want) {
			t.Errorf("the document's inputs are %q; want %s, too", inputs, want)
		}
	}
	packages := debianPackages(bom)
	for _, want := range []string{"openssh-server", "busybox-static", "u-boot-rpi", "libc6"} {
		if packages[want] == "" {
			t.Errorf("the document has no Debian package %s", want)
		}
	}
	if packages["mtools"] != "" {
		t.Error("the document has mtools, which is not in the image")
	}
	if r.state != "" {
		if _, roots := billIn(t, filepath.Join(root().home, "first")); !bytes.Equal(roots, data) {
			t.Error("root's document is another than the user's")
		}
	}
	check(t)
}

// debianPackages are the document's, with their versions by name.
func debianPackages(bom *cdx.BOM) map[string]string {
	all := map[string]string{}
	for _, c := range *bom.Components {
		if strings.HasPrefix(c.PackageURL, "pkg:deb/debian/"+c.Name+"@") && len((*c.Hashes)[0].Value) == 64 {
			all[c.Name] = c.Version
		}
	}
	return all
}

// checkClosure compares the document's store paths with what Nix itself says.
func checkClosure(t *testing.T, p places, bom *cdx.BOM, roots []string) {
	t.Helper()
	script := `for p in $(nix-store --query --requisites "$@"); do
		printf '{"path":"%s","hash":"%s","refs":"%s"}\n' "$p" "$(nix-store --query --hash "$p")" "$(nix-store --query --references "$p" | tr '\n' ' ')"
	done`
	args := append(p.with("shell", "--demo", "-q", "--offline", "--", "sh", "-c", script, "sh"), roots...)
	r := must(t, job{as: user(), isolated: true, args: args})
	type fact struct{ Path, Hash, Refs string }
	want := map[string]fact{}
	for d := json.NewDecoder(strings.NewReader(r.out)); d.More(); {
		var f fact
		if err := d.Decode(&f); err != nil {
			t.Fatalf("%v in %s", err, r.out)
		}
		want[f.Path] = f
	}
	found := 0
	for _, c := range *bom.Components {
		if !strings.HasPrefix(c.BOMRef, "/nix/store/") {
			continue
		}
		found++
		f, ok := want[c.BOMRef]
		refsWanted := slices.DeleteFunc(strings.Fields(f.Refs), func(ref string) bool { return ref == c.BOMRef })
		slices.Sort(refsWanted)
		if !ok || len(f.Hash) < 52 || !sameHash(t, f.Hash, (*c.Hashes)[0].Value) || !slices.Equal(refs(bom, c.BOMRef), refsWanted) {
			t.Errorf("%s: %+v, needs %q; Nix says %+v", c.BOMRef, *c.Hashes, refs(bom, c.BOMRef), f)
		}
	}
	if found != len(want) || found < len(roots) {
		t.Errorf("the document has %d store paths; the closure has %d", found, len(want))
	}
	t.Logf("%d store paths, %d components", found, len(*bom.Components))
}

// sameHash compares a hash as Nix prints it with one in hex.
func sameHash(t *testing.T, text, hex string) bool {
	t.Helper()
	hash, err := nixhash.ParseAny(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", hash.Digest()) == hex
}
