package debian

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func readFileT(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(name, ".gz") {
		return data
	}
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if data, err = io.ReadAll(r); err != nil {
		t.Fatal(err)
	}
	return data
}

func keysT(t testing.TB, names ...string) Keyring {
	t.Helper()
	var all bytes.Buffer
	for _, name := range names {
		k, err := NewKeyring(readFileT(t, "gpg/"+name+".asc"))
		if err != nil {
			t.Fatal(err)
		}
		entities, err := k.entities()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entities {
			if err := e.Serialize(&all); err != nil {
				t.Fatal(err)
			}
		}
	}
	k, err := NewKeyring(all.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func day(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return t
}

func TestParseReleaseReal(t *testing.T) {
	keys, err := ArchiveKeys()
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseRelease(readFileT(t, "trixie/InRelease.gz"), keys, day("2026-11-23"))
	if err != nil {
		t.Fatal(err)
	}
	if r.Suite != "stable" || r.Codename != "trixie" || r.Version != "13.8" || !r.AcquireByHash || !r.ValidUntil.IsZero() {
		t.Errorf("release is %q %q %q, by hash %v, valid until %v", r.Suite, r.Codename, r.Version, r.AcquireByHash, r.ValidUntil)
	}
	if want := time.Date(2026, 11, 21, 9, 15, 44, 0, time.UTC); !r.Date.Equal(want) {
		t.Errorf("date is %v; want %v", r.Date, want)
	}
	wantSigners := []string{
		"4CB50190207B4758A3F73A796ED0E7B82643E131",
		"B8E5F13176D2A7A75220028078DBA3BC47EF2265",
		"41587F7DB8C774BCCF131416762F67A0B2C39DE4",
	}
	if !slices.Equal(r.Signers, wantSigners) {
		t.Errorf("signers are %q; want %q", r.Signers, wantSigners)
	}
	if len(r.Files) != 720 {
		t.Errorf("%d files; want 720", len(r.Files))
	}
	if e := r.Files["main/binary-amd64/Packages.xz"]; len(e.SHA256) != 64 || e.Size < 9e6 {
		t.Errorf("entry of Packages.xz is %+v", e)
	}
}

// TestParseReleaseGPG judges what gpg signed, see testdata/README.md.
func TestParseReleaseGPG(t *testing.T) {
	tests := []struct {
		file string
		keys []string
		now  string
		want string // of the error; "" if good
	}{
		{"good", []string{"good"}, "2026-02-02", ""},
		{"good", []string{"second", "good", "short"}, "2026-10-31", ""},
		{"both", []string{"good"}, "2026-02-02", ""},
		{"both", []string{"second"}, "2026-02-02", ""},
		{"both", []string{"second", "revoked"}, "2026-04-01", ""},
		{"short", []string{"short"}, "2026-05-31", ""},
		{"lapsing", []string{"good"}, "2026-03-01", ""},

		{"unknown", []string{"good"}, "2026-02-02", "no key of the keyring made it"},
		{"good", []string{"second"}, "2026-02-02", "no key of the keyring made it"},
		{"good", []string{"revoked"}, "2026-04-01", "is revoked"},
		{"good", []string{"revoked"}, "2026-02-02", "is revoked"},
		{"sha1", []string{"good"}, "2026-02-02", "its digest SHA-1 is too weak"},
		{"short", []string{"short"}, "2026-06-03", "expired on 2026-06-01 12:00 UTC, and the clock of this host says 2026-06-03"},
		{"lapsing", []string{"good"}, "2026-03-04", "expired on 2026-03-03 00:00 UTC"},
		{"good", []string{"good"}, "2026-11-02", "release example expired on 2026-11-01 00:00 UTC"},
		{"good", []string{"good"}, "2026-01-31", "is not valid before 2026-02-01 00:00 UTC"},
		{"good", []string{"good"}, "1970-01-01", "is not valid before 2026-02-01 00:00 UTC"},
	}
	for _, test := range tests {
		r, err := ParseRelease(readFileT(t, "gpg/InRelease."+test.file), keysT(t, test.keys...), day(test.now))
		call := fmt.Sprintf("ParseRelease(%s, %q, %s)", test.file, test.keys, test.now)
		switch {
		case test.want != "":
			checkVerification(t, call, err, test.want)
		case err != nil:
			t.Errorf("%s: %v", call, err)
		case r.Codename != "example" || r.Files["main/binary-arm64/Packages.xz"].Size != 3 || len(r.Signers) != 1:
			t.Errorf("%s = %+v", call, r)
		}
	}
}

// checkVerification wants an error of verification, with hints, that says want.
func checkVerification(t *testing.T, call string, err error, want string) {
	t.Helper()
	var expired *ExpiredError
	var bad *SignatureError
	hints := 0
	if errors.As(err, &expired) {
		hints = len(expired.Hints())
	} else if errors.As(err, &bad) && len(bad.Keys) > 0 {
		hints = len(bad.Hints())
	}
	if hints == 0 || !strings.Contains(err.Error(), want) {
		t.Errorf("%s = %v (%T); want one that says %q", call, err, err, want)
	}
}

func TestParseReleaseNamesUnknownKey(t *testing.T) {
	_, err := ParseRelease(readFileT(t, "trixie/InRelease.gz"), keysT(t, "good"), day("2026-11-23"))
	var bad *SignatureError
	if !errors.As(err, &bad) || !bad.Unknown || len(bad.Keys) != 3 || !strings.Contains(err.Error(), "4CB50190207B4758A3F73A796ED0E7B82643E131") {
		t.Errorf("ParseRelease with other keys = %v; want the names of the 3 unknown keys", err)
	}
	if _, err := ParseRelease(readFileT(t, "gpg/InRelease.good"), Keyring{}, day("2026-02-02")); !errors.As(err, &bad) || !bad.Unknown {
		t.Errorf("ParseRelease with no keys = %v; want a *SignatureError of unknown keys", err)
	}
}

// TestParseReleaseTampered changes a good file, which must then not be used.
func TestParseReleaseTampered(t *testing.T) {
	good := string(readFileT(t, "gpg/InRelease.good"))
	body, signature, _ := strings.Cut(good, "-----BEGIN PGP SIGNATURE-----")
	signature = "-----BEGIN PGP SIGNATURE-----" + signature
	_, real, _ := strings.Cut(body, "\n\n")
	tests := []struct {
		name, text string
		signature  bool // a *SignatureError is wanted, else a *FormatError
	}{
		{"codename", strings.Replace(good, "example", "exempla", 1), true},
		{"hash", strings.Replace(good, "e3b0c4", "e3b0c5", 1), true},
		{"added line", strings.Replace(good, "Origin:", "Version: 1\nOrigin:", 1), true},
		{"removed line", strings.Replace(good, "Origin: Example\n", "", 1), true},
		{"NUL", strings.Replace(good, "Origin:", "Origin:\x00", 1), true},
		{"text before", "Codename: sid\n\n" + good, false},
		{"blank line before", "\n" + good, false},
		{"text after", good + "Codename: sid\n", false},
		{"second message", good + good, false},
		{"first message unsigned", body + "\n" + good, true},
		{"header smuggles fields", strings.Replace(good, "Hash: SHA256", "Hash: SHA256\nCodename: sid", 1), false},
		{"header has text", strings.Replace(good, "MESSAGE-----\n", "MESSAGE-----\nCodename sid\n", 1), false},
		{"unsigned", real, false},
		{"no signature", body, false},
		{"empty signature", body + "-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n", false},
		{"not a signature", body + "-----BEGIN PGP SIGNATURE-----\n\n!!!!\n-----END PGP SIGNATURE-----\n", false},
		{"truncated", good[:len(good)-60], false},
		{"only the signature", signature, false},
		{"empty", "", false},
		{"huge", good + strings.Repeat("\n", maxRelease), false},
		{"huge signature", strings.Replace(good, "\niI", "\n"+strings.Repeat(strings.Repeat("A", 64)+"\n", 1500)+"iI", 1), false},
	}
	keys := keysT(t, "good")
	for _, test := range tests {
		if test.text == good {
			t.Errorf("%s: nothing changed", test.name)
		}
		r, err := ParseRelease([]byte(test.text), keys, day("2026-02-02"))
		var bad *SignatureError
		var malformed *FormatError
		if r != nil || errors.As(err, &bad) != test.signature || errors.As(err, &malformed) == test.signature {
			t.Errorf("ParseRelease(%s) = %v, %v (%T); want signature error: %v", test.name, r, err, err, test.signature)
		}
	}
}

// TestParseReleaseSameText: what gpg does not sign over must not matter.
func TestParseReleaseSameText(t *testing.T) {
	good := string(readFileT(t, "gpg/InRelease.good"))
	for name, text := range map[string]string{
		"line ends":       strings.ReplaceAll(good, "\n", "\r\n"),
		"trailing blanks": strings.Replace(good, "Codename: example", "Codename: example \t", 1),
		"hash header":     strings.Replace(good, "Hash: SHA256\n", "", 1),
		"newlines after":  good + "\n\n",
	} {
		r, err := ParseRelease([]byte(text), keysT(t, "good"), day("2026-02-02"))
		if err != nil || r.Codename != "example" || len(r.Files) != 2 {
			t.Errorf("ParseRelease(%s) = %+v, %v", name, r, err)
		}
	}
}

func TestParseReleaseText(t *testing.T) {
	const head = "Suite: stable\nCodename: trixie\nDate: Sat, 21 Nov 2026 09:15:44 UTC\n"
	hash := strings.Repeat("ab", 32)
	tests := []struct {
		name, text, want string // of the error; "" if good
	}{
		{"least", head, ""},
		{"codename only", "Codename: trixie\nDate: Sat, 1 Nov 2026 09:15:44 GMT\n", ""},
		{"numeric zone", "Suite: x\nDate: Sun, 01 Nov 2026 09:15:44 +0000\n", ""},
		{"entries", head + "SHA256:\n " + hash + " 3 a/b\n " + hash + "\t4\tc\n", ""},
		{"same entry twice", head + "SHA256:\n " + hash + " 3 a\n " + hash + " 3 a\n", ""},
		{"blank lines around", "\n\n" + head + "\n\n", ""},
		{"empty", "", "0 stanzas"},
		{"two stanzas", head + "\nCodename: sid\n", "2 stanzas"},
		{"field twice", head + "codename: sid\n", `field "codename" twice`},
		{"no suite", "Date: Sat, 21 Nov 2026 09:15:44 UTC\n", "suite"},
		{"suite with slash", head + "\nSuite: ../x\n", "stanzas"},
		{"bad suite", "Suite: ../x\nDate: Sat, 21 Nov 2026 09:15:44 UTC\n", `suite "../x"`},
		{"no date", "Suite: x\n", `date ""`},
		{"local date", "Suite: x\nDate: Sat, 21 Nov 2026 09:15:44 CET\n", "date"},
		{"bad valid-until", head + "Valid-Until: tomorrow\n", `date "tomorrow"`},
		{"empty valid-until", head + "Valid-Until:\n", `date ""`},
		{"entry of two", head + "SHA256:\n " + hash + " 3\n", "SHA256 entry"},
		{"short hash", head + "SHA256:\n abcd 3 a\n", "4 characters; want 64"},
		{"hash not hex", head + "SHA256:\n " + strings.Repeat("g", 64) + " 3 a\n", "not hexadecimal"},
		{"negative size", head + "SHA256:\n " + hash + " -3 a\n", `size "-3"`},
		{"huge size", head + "SHA256:\n " + hash + " 99999999999999999999 a\n", "size"},
		{"absolute path", head + "SHA256:\n " + hash + " 3 /a\n", `path "/a"`},
		{"path upwards", head + "SHA256:\n " + hash + " 3 a/../../b\n", "path"},
		{"two hashes", head + "SHA256:\n " + hash + " 3 a\n " + hash + " 4 a\n", "two different entries"},
		{"carriage return", head + "X: a\rb\n", "carriage return"},
		{"NUL", head + "X: a\x00b\n", "NUL"},
		{"continuation first", " x\n" + head, "continuation line"},
		{"no colon", head + "nonsense\n", "line 4: not of the form"},
		{"long line", head + "X: " + strings.Repeat("x", maxLine) + "\n", "a line of more than"},
	}
	for _, test := range tests {
		r, err := parseReleaseText([]byte(test.text))
		if test.want == "" {
			if err != nil || r.name() == "" || r.Date.Year() != 2026 {
				t.Errorf("parseReleaseText(%s) = %+v, %v", test.name, r, err)
			}
			continue
		}
		var malformed *FormatError
		if !errors.As(err, &malformed) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("parseReleaseText(%s) = %v; want a *FormatError that says %q", test.name, err, test.want)
		}
	}
}
