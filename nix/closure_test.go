package nix

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const (
	hexSum    = "a591a6d40bf420404a011733cfb7b190d62c65bf0bcda32b57b277d9ad9f146e"
	base64Sum = "pZGm1Av0IEBKARczz7exkNYsZb8LzaMrV7J32a2fFG4="
	base32Sum = "0vhlkynxjxxjawms7k8bpxjjrmlhn6vwycqp0554087l1gaad4d5"
)

func closureText(t *testing.T, text string) (map[string]ClosurePath, error) {
	t.Helper()
	return ParseClosure(strings.NewReader(text))
}

// Infos as Nix 2.18, 2.26 and 2.33 with --json-format 2 print them, shortened.
func TestParseClosure(t *testing.T) {
	base := func(p string) string { return strings.TrimPrefix(p, storeDir) }
	for name, text := range map[string]string{
		"list": `[{"path":"` + builtPath + `","narHash":"sha256:` + base32Sum + `","narSize":9,"references":["` + fetchedPath + `","` + builtPath + `"]},
			{"path":"` + fetchedPath + `","narHash":"sha256:` + hexSum + `","references":[]},{"path":"` + sourcePath + `","narHash":"sha256-` + base64Sum + `"}]`,
		"object": `{"` + builtPath + `":{"narHash":"sha256-` + base64Sum + `","narSize":9,"references":["` + fetchedPath + `","` + builtPath + `"]},
			"` + fetchedPath + `":{"narHash":"sha256-` + base64Sum + `","references":[]},"` + sourcePath + `":{"narHash":"sha256-` + base64Sum + `"}}`,
		"base names": `{"version":2,"storeDir":"/nix/store","info":{"` + base(builtPath) + `":{"narHash":{"algorithm":"sha256","format":"base64","hash":"` + base64Sum + `"},"narSize":9,
			"references":["` + base(fetchedPath) + `","` + base(builtPath) + `"]},"` + base(fetchedPath) + `":{"narHash":"sha256-` + base64Sum + `"},"` + base(sourcePath) + `":{"narHash":"sha256-` + base64Sum + `"}}}`,
	} {
		closure, err := closureText(t, text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for path, p := range closure {
			if p.Path != path || p.NarSHA256 != hexSum {
				t.Errorf("%s: %s is %+v; want hash %s", name, path, p, hexSum)
			}
		}
		if p := closure[builtPath]; len(closure) != 3 || p.NarSize != 9 || !slices.Equal(p.References, []string{fetchedPath, builtPath}) {
			t.Errorf("%s: %d paths, %+v", name, len(closure), p)
		}
		var got []string
		for _, p := range Reachable(closure, []string{builtPath}) {
			got = append(got, p.Path)
		}
		if want := []string{fetchedPath, builtPath}; !slices.Equal(got, want) {
			t.Errorf("%s: Reachable = %q; want %q", name, got, want)
		}
	}
	for _, text := range []string{
		"", `{"` + builtPath + `":{}}`, `{"` + builtPath + `":null}`, `{"/nix/store/x":{"narHash":"sha256-` + base64Sum + `"}}`,
		`{"` + builtPath + `":{"narHash":"sha512-` + base64Sum + `"}}`, `{"` + builtPath + `":{"narHash":7}}`,
		`{"` + builtPath + `":{"narHash":"sha256-` + base64Sum + `","references":["` + fetchedPath + `"]}}`,
		`{"` + builtPath + `":{"narHash":"sha256-` + base64Sum + `","signatures":["x"]}}`,
	} {
		if got, err := closureText(t, text); err == nil {
			t.Errorf("ParseClosure(%q) = %v; want an error", text, got)
		}
	}
}

// What a cache says of a path counts if the key signed these very words; the signature is
// one of cache.nixos.org's.
func TestSigned(t *testing.T) {
	const (
		path = "/nix/store/syd87l2rxw8cbsxmxl853h0r6pdwhwjr-curl-7.82.0-bin"
		sig  = "cache.nixos.org-1:TsTTb3WGTZKphvYdBHXwo6weVILmTytUjLB+vcX89fOjjRicCHmKA4RCPMVLkj6TMJ4GMX3HPVWRdD1hkeKZBQ=="
	)
	const refs = `"/nix/store/0jqd0rlxzra1rs38rdxl43yh6rxchgc6-curl-7.82.0","/nix/store/6w8g7njm4mck5dmjxws0z1xnrxvl81xa-glibc-2.34-115","/nix/store/j5jxw3iy7bbz4a57fh9g2xm2gxmyal8h-zlib-1.2.12","/nix/store/yxvjs9drzsphm9pcf42a4byzj1kb9m7k-openssl-1.1.1n"`
	// As a cache would say it of a path that has these references.
	info := func(size int) pathInfo {
		i := pathInfo{Path: path, NarHash: []byte(`"sha256:1b4sb93wp679q4zx9k1ignby1yna3z7c4c2ri3wphylbc2dwsys0"`), NarSize: int64(size), Signatures: []string{sig}}
		for _, r := range strings.Split(refs, ",") {
			i.References = append(i.References, strings.Trim(r, `"`))
		}
		return i
	}
	for size, want := range map[int]bool{196040: true, 196041: false} {
		i := info(size)
		p, err := i.closurePath()
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := p.Signed([]string{CacheKey}); ok != want || err != nil {
			t.Errorf("with %d bytes: Signed = %v, %v; want %v", size, ok, err, want)
		}
		if ok, _ := p.Signed(nil); ok {
			t.Error("signed by no key")
		}
	}
}

func TestSplitName(t *testing.T) {
	for name, want := range map[string][2]string{
		"hello-2.12.1":                  {"hello", "2.12.1"},
		"hello":                         {"hello", ""},
		"nixos-system-nixos-26.05.1":    {"nixos-system-nixos", "26.05.1"},
		"linux-6.18.2-modules":          {"linux", "6.18.2-modules"},
		"python3.13-requests-2.32":      {"python3.13-requests", "2.32"},
		"unit-dbus.service":             {"unit-dbus.service", ""},
		"a--1":                          {"a", "-1"},
		"trailing-":                     {"trailing-", ""},
		"libkrb5-unstable-2024-01-01-x": {"libkrb5-unstable", "2024-01-01-x"},
	} {
		if n, v := SplitName("/nix/store/0h59ybgsj3sq9zdkdgi3r7hhaqqrpsh5-" + name); n != want[0] || v != want[1] {
			t.Errorf("SplitName(%q) = %q, %q; want %q", name, n, v, want)
		}
	}
}

func TestContentsRoots(t *testing.T) {
	drv := func(roots string) string {
		return fmt.Sprintf(`Derive([("out","/nix/store/pisdghl27p4ixvn7146m43zw7phvaq02-nixsd-contents","","")],[],[],"builtin","none",[],[("builder","none"),("name","nixsd-contents"),("out","/nix/store/pisdghl27p4ixvn7146m43zw7phvaq02-nixsd-contents"),("roots","%s"),("system","builtin")])`, roots)
	}
	got, err := ContentsRoots(strings.NewReader(drv(builtPath + " " + fetchedPath + " " + builtPath)))
	if want := []string{fetchedPath, builtPath}; err != nil || !slices.Equal(got, want) {
		t.Errorf("ContentsRoots = %q, %v; want %q", got, err, want)
	}
	if got, err := ContentsRoots(strings.NewReader(drv(""))); err != nil || len(got) > 0 {
		t.Errorf("ContentsRoots of none = %q, %v", got, err)
	}
	for _, bad := range []string{"", drv("/etc/passwd"), drv("--store")} {
		if got, err := ContentsRoots(strings.NewReader(bad)); err == nil {
			t.Errorf("ContentsRoots(%q) = %q; want an error", bad, got)
		}
	}
}

func FuzzParseClosure(f *testing.F) {
	f.Add(`{"` + builtPath + `":{"narHash":"sha256-` + base64Sum + `","references":["` + builtPath + `"],"signatures":["a-1:x"]}}`)
	f.Add(`[{"path":"` + builtPath + `","narHash":"sha256:` + base32Sum + `"}]`)
	f.Add(`{"info":{"x":{"narHash":{"algorithm":"sha256","hash":"x"}}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		closure, err := ParseClosure(strings.NewReader(text))
		for path, p := range closure {
			if err != nil || !storePath.MatchString(path) || len(p.NarSHA256) != 64 {
				t.Errorf("ParseClosure(%q) = %+v, %v", text, p, err)
			}
			for _, q := range Reachable(closure, []string{path}) {
				if q.Path == "" {
					t.Errorf("Reachable of %q has an empty path", text)
				}
			}
		}
	})
}
