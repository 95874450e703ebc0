package nix

import (
	"path"
	"strings"
	"testing"
)

// sampleOutput is an output that holds an image.
const sampleOutput = "/nix/store/00000000000000000000000000000000-nixos-sd-image"

func TestImage(t *testing.T) {
	o := sampleOutput
	tests := []struct{ products, want string }{
		{"file sd-image " + o + "/sd-image/nixos.img.zst\n", o + "/sd-image/nixos.img.zst"},
		{"file sd-image " + o + "/a.img", o + "/a.img"},
		{"file sd-image " + o + "/a.img\r\n", o + "/a.img"},
		{"file sd-image \"" + o + "/two words.img\"\n", o + "/two words.img"},
		{"file iso " + o + "/a.iso\nfile sd-image " + o + "/a.img\nfile sd-image " + o + "/b.img\n", o + "/a.img"},
		{"file iso " + o + "/a.iso\nfile iso " + o + "/b.iso\n", o + "/a.iso"},
		{"doc manual " + o + "/manual\n\nreport\nfile sd-image\nfile sd-image " + o + "/a.img\n", o + "/a.img"},
		{"", ""},
		{"doc manual " + o + "/manual\n", ""},
		{"file sd-image \n", ""},
		{"file sd-image " + o + "\n", ""},
		{"file sd-image " + o + "/\n", ""},
		{"file sd-image " + o + "-2/a.img\n", ""},
		{"file sd-image /etc/shadow\n", ""},
		{"file sd-image etc/shadow\n", ""},
		{"file sd-image " + o + "/../../../etc/shadow\n", ""},
		{"file sd-image " + o + "//a.img\n", ""},
		{"file iso /etc/shadow\nfile sd-image " + o + "/a.img\n", ""},
		{"file sd-image " + o + "/" + strings.Repeat("x", maxProducts) + "\n", ""},
		{strings.Repeat("\n", maxProducts) + "file sd-image " + o + "/a.img\n", ""},
	}
	for _, test := range tests {
		got, err := Image(strings.NewReader(test.products), o)
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("Image(%.100q) = %q, %v; want %q", test.products, got, err, test.want)
		}
	}
}

// FuzzImage shows that an image is always below its output.
func FuzzImage(f *testing.F) {
	f.Add("file sd-image " + sampleOutput + "/sd-image/nixos.img.zst\n")
	f.Add("file iso \"" + sampleOutput + "/../x\"\nfile sd-image /etc/shadow\n")
	f.Fuzz(func(t *testing.T, products string) {
		got, err := Image(strings.NewReader(products), sampleOutput)
		if err != nil {
			return
		}
		if rest, ok := strings.CutPrefix(path.Clean(got), sampleOutput+"/"); !ok || rest == "" || path.Clean(got) != got {
			t.Errorf("Image(%q) = %q; want a path below %s", products, got, sampleOutput)
		}
	})
}

// The image of an earlier build is found without its output, but never outside of it.
func TestImageOfLast(t *testing.T) {
	o := sampleOutput
	for products, want := range map[string]string{
		"file sd-image " + o + "/sd-image/a.img\n":                   o + "/sd-image/a.img",
		"file sd-image \"" + o + "/a.img\"\n":                        o + "/a.img",
		"doc x /etc/y\nfile iso " + o + "/a.iso\n":                   o + "/a.iso",
		"file sd-image " + o + "/a.img\nfile sd-image /etc/shadow\n": o + "/a.img",
		"file iso " + o + "/a.iso\nfile sd-image /etc/shadow\n":      "",
		"file sd-image /etc/shadow\n":                                "",
		"file sd-image " + o + "/../../etc/shadow\n":                 "",
		"": "",
	} {
		got, err := ImageOfLast(strings.NewReader(products))
		if got != want || (err == nil) != (want != "") {
			t.Errorf("ImageOfLast(%q) = %q, %v; want %q", products, got, err, want)
		}
	}
}
