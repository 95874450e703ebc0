package nix

import (
	"bytes"
	"strings"
	"testing"
)

// What `nix copy --to 'file:///nix/var/gold?secret-key=…&compression=none'` of Nix 2.26.3
// wrote for a path that was built and for one that builtins.toFile made, and the key.
const (
	goldenKey   = "golden-1:1696sv6dmRxV9BfITDyiRSbGCvHZhNrvYCjc2hdyTW0="
	otherKey    = "golden-1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	goldenBuilt = `StorePath: /nix/store/cg2bwarqdpb5vfy9i9ip9zs41y657919-busybox
URL: nar/1dnw70acbkb3lb7fcav5idrsq7vv8z8axmrjc9g0rn94ap98isgj.nar
Compression: none
FileHash: sha256:1dnw70acbkb3lb7fcav5idrsq7vv8z8axmrjc9g0rn94ap98isgj
FileSize: 2042936
NarHash: sha256:1dnw70acbkb3lb7fcav5idrsq7vv8z8axmrjc9g0rn94ap98isgj
NarSize: 2042936
References: cg2bwarqdpb5vfy9i9ip9zs41y657919-busybox
Deriver: 9pa1g3lrpaz2gcmb3byv3bpryjw06gdc-busybox.drv
Sig: golden-1:TxKoN6ioWf598T3Q/snexaVgq38VFF1KLoCBkdrS3PgcRr1nP/gwDlK4L98Ntb0nGfttwR66EaPAUqnpBX6HAQ==
`
	goldenText = `StorePath: /nix/store/1ij88cqgf35hkzh21wis1mvzl85db23v-motd
URL: nar/0588aajq4aha98br264hhhz07vb9fkgmk17qz32ig38yfks0i99r.nar
Compression: none
FileHash: sha256:0588aajq4aha98br264hhhz07vb9fkgmk17qz32ig38yfks0i99r
FileSize: 168
NarHash: sha256:0588aajq4aha98br264hhhz07vb9fkgmk17qz32ig38yfks0i99r
NarSize: 168
References: 
Sig: golden-1:GpsgPM7ykChXGzTYig+J863Xof8rM25yIRfVLXe0u9Mv36S+mfesxPegJPfBZT6JlPaqeCdEWNcqxQj7CtezAw==
CA: text:sha256:1pjnligg30z4krfhcnq3sklwl6xb9zhnkdc1m5fss3bkwvm4r19j
`
)

func TestNarinfoTrusted(t *testing.T) {
	unsigned := goldenBuilt[:strings.Index(goldenBuilt, "Sig:")]
	for name, c := range map[string]struct {
		text string
		keys []string
		want bool
	}{
		"signed":                       {goldenBuilt, []string{goldenKey}, true},
		"by one of two":                {goldenBuilt, []string{CacheKey, goldenKey}, true},
		"by nobody known":              {goldenBuilt, []string{CacheKey}, false},
		"by another of that name":      {goldenBuilt, []string{otherKey}, false},
		"unsigned":                     {unsigned, []string{goldenKey}, false},
		"no keys":                      {goldenBuilt, nil, false},
		"another NAR":                  {strings.Replace(goldenBuilt, "NarSize: 2", "NarSize: 3", 1), []string{goldenKey}, false},
		"content-addressed":            {goldenText, nil, true},
		"content-addressed, with keys": {goldenText, []string{CacheKey}, true},
	} {
		n, err := ParseNarinfo([]byte(c.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, err := n.Trusted(c.keys); got != c.want || err != nil {
			t.Errorf("%s: Trusted(%q) = %v, %v; want %v", name, c.keys, got, err, c.want)
		}
	}
	n, err := ParseNarinfo([]byte(goldenBuilt))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Trusted([]string{"no key"}); err == nil {
		t.Error("Trusted with a bad key: no error")
	}
}

// Signatures and derivers stay where they count.
func TestNarinfoText(t *testing.T) {
	built, err := ParseNarinfo([]byte(goldenBuilt))
	if err != nil || string(built.Text()) != goldenBuilt || built.ContentAddressed {
		t.Errorf("a built path: %+v, %v", built, err)
	}
	text, err := ParseNarinfo([]byte(goldenText))
	got := string(text.Text())
	if err != nil || !text.ContentAddressed || strings.Contains(got, "Sig:") || !strings.Contains(got, "\nCA: text:") || len(got) < 350 {
		t.Errorf("a content-addressed path: %q, %v", got, err)
	}
	if again, err := ParseNarinfo([]byte(got)); err != nil || again.StorePath != text.StorePath {
		t.Errorf("ParseNarinfo(%q) = %v, %v", got, again.StorePath, err)
	}
}

func TestParseNarinfoRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"empty":         "",
		"no text":       "\x00\x01",
		"no store path": strings.Replace(goldenBuilt, "/nix/store/", "/etc/", 1),
		"upwards":       strings.Replace(goldenBuilt, "-busybox\n", "-busybox/../../x\n", 1),
		"an option":     strings.Replace(goldenBuilt, "/nix/store/cg2bwarqdpb5vfy9i9ip9zs41y657919-busybox", "--option", 1),
		"huge":          goldenBuilt + strings.Repeat("x", MaxNarinfo),
	} {
		if n, err := ParseNarinfo([]byte(text)); err == nil {
			t.Errorf("%s: ParseNarinfo = %+v; want an error", name, n)
		}
	}
}

func FuzzParseNarinfo(f *testing.F) {
	f.Add([]byte(goldenBuilt))
	f.Add([]byte(goldenText))
	f.Add([]byte("StorePath: /nix/store/x\n"))
	f.Add([]byte("Sig: a:b\nCA: x"))
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := ParseNarinfo(text)
		if err != nil {
			return
		}
		if !storePath.MatchString(n.StorePath) {
			t.Errorf("%q is no store path", n.StorePath)
		}
		trusted, err := n.Trusted([]string{otherKey})
		if err != nil || trusted && !n.ContentAddressed {
			t.Errorf("trusted: %v, %v", trusted, err)
		}
		if !n.ContentAddressed && !bytes.Equal(n.Text(), text) {
			t.Error("the text was changed")
		}
	})
}
