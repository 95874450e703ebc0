package debian

import (
	"bytes"
	"crypto"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// madeOn is the day the keys and signatures of testKey and signT are from.
var madeOn = day("2026-01-01")

func testConfig(lifetime time.Duration) *packet.Config {
	return &packet.Config{
		Time:            func() time.Time { return madeOn },
		Algorithm:       packet.PubKeyAlgoEdDSA,
		DefaultHash:     crypto.SHA256,
		KeyLifetimeSecs: uint32(lifetime / time.Second),
	}
}

// testKey makes a key that ends after lifetime (0: never).
func testKey(t testing.TB, lifetime time.Duration) *openpgp.Entity {
	t.Helper()
	e, err := openpgp.NewEntity("test", "", "test@example.org", testConfig(lifetime))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// ringT returns the public halves of keys.
func ringT(t testing.TB, keys ...*openpgp.Entity) Keyring {
	t.Helper()
	var b bytes.Buffer
	for _, e := range keys {
		if err := e.Serialize(&b); err != nil {
			t.Fatal(err)
		}
	}
	k, err := NewKeyring(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// signT clear-signs text.
func signT(t testing.TB, text string, config *packet.Config, keys ...*packet.PrivateKey) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := clearsign.EncodeMulti(&b, keys, config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const smallRelease = "Suite: stable\nCodename: trixie\nDate: Thu, 01 Jan 2026 00:00:00 UTC\n"

// TestParseReleaseSubkeys: Debian's archive keys sign by subkeys.
func TestParseReleaseSubkeys(t *testing.T) {
	const year = 365 * 24 * time.Hour
	revokePrimary := func(e *openpgp.Entity) error {
		return e.Revoke(packet.KeySuperseded, "", testConfig(0))
	}
	revokeSubkey := func(e *openpgp.Entity) error {
		return e.Subkeys[len(e.Subkeys)-1].Revoke(packet.KeyRetired, "", testConfig(0))
	}
	tests := []struct {
		name             string
		primary, subkey  time.Duration // lifetimes
		change           func(*openpgp.Entity) error
		now              string
		expired, refused bool
	}{
		{name: "good", now: "2026-01-02"},
		{name: "good for years", now: "2046-01-02"},
		{name: "before expiry", primary: year, subkey: year, now: "2026-12-31"},
		{name: "subkey expired", subkey: year, now: "2027-01-02", expired: true},
		{name: "primary key expired", primary: year, now: "2027-01-02", expired: true},
		{name: "not made yet", now: "2025-12-31", expired: true},
		{name: "primary key revoked", change: revokePrimary, now: "2026-01-02", refused: true},
		{name: "subkey revoked", change: revokeSubkey, now: "2026-01-02", refused: true},
		{name: "revoked, and the clock wrong", change: revokePrimary, now: "2025-12-31", refused: true},
	}
	for _, test := range tests {
		e := testKey(t, test.primary)
		if err := e.AddSigningSubkey(testConfig(test.subkey)); err != nil {
			t.Fatal(err)
		}
		signed := signT(t, smallRelease, testConfig(0), e.Subkeys[len(e.Subkeys)-1].PrivateKey)
		if test.change != nil {
			if err := test.change(e); err != nil {
				t.Fatal(err)
			}
		}
		r, err := ParseRelease(signed, ringT(t, e), day(test.now))
		var expired *ExpiredError
		var bad *SignatureError
		if errors.As(err, &expired) != test.expired || errors.As(err, &bad) != test.refused || (r == nil) != (test.expired || test.refused) {
			t.Errorf("%s: ParseRelease = %v, %v; want expired %v, refused %v", test.name, r, err, test.expired, test.refused)
		}
	}
}

func TestParseReleaseWrongKeyUse(t *testing.T) {
	e := testKey(t, 0)
	if err := e.AddSigningSubkey(testConfig(0)); err != nil {
		t.Fatal(err)
	}
	other := testKey(t, 0)
	signing := e.Subkeys[len(e.Subkeys)-1].PrivateKey
	signed := signT(t, smallRelease, testConfig(0), signing)

	// The subkey's signature counts only with the binding to its primary key.
	bare := &openpgp.Entity{PrimaryKey: e.PrimaryKey, Identities: e.Identities}
	var bad *SignatureError
	if _, err := ParseRelease(signed, ringT(t, bare), madeOn); !errors.As(err, &bad) || !bad.Unknown {
		t.Errorf("without the subkey: %v; want an unknown key", err)
	}
	// A subkey bound to another primary key's packets is nobody's.
	mixed := &openpgp.Entity{PrimaryKey: other.PrimaryKey, Identities: other.Identities, Subkeys: e.Subkeys}
	if _, err := ParseRelease(signed, ringT(t, mixed), madeOn); !errors.As(err, &bad) {
		t.Errorf("with a borrowed subkey: %v; want a *SignatureError", err)
	}
	// One good signature among several is enough, in any place.
	for _, keys := range [][]*packet.PrivateKey{{signing, other.PrivateKey}, {other.PrivateKey, signing}} {
		both := signT(t, smallRelease, testConfig(0), keys...)
		if r, err := ParseRelease(both, ringT(t, e), madeOn); err != nil || len(r.Signers) != 1 {
			t.Errorf("one known signer of two: %+v, %v", r, err)
		}
	}
}

// TestParseReleaseSignedNonsense: a good signature does not make text well
// formed.
func TestParseReleaseSignedNonsense(t *testing.T) {
	e := testKey(t, 0)
	for _, text := range []string{"", "nonsense\n", smallRelease + "\n" + smallRelease, smallRelease + "SHA256:\n x 1 y\n"} {
		r, err := ParseRelease(signT(t, text, testConfig(0), e.PrivateKey), ringT(t, e), madeOn)
		var malformed *FormatError
		if r != nil || !errors.As(err, &malformed) {
			t.Errorf("ParseRelease(signed %q) = %v, %v; want a *FormatError", text, r, err)
		}
	}
}

// TestParseReleaseNotForSigning: the key's owner says what it is for.
func TestParseReleaseNotForSigning(t *testing.T) {
	e := testKey(t, 0)
	for _, id := range e.Identities {
		for _, self := range id.SelfCertifications {
			self.Packet.FlagSign = false
			if err := self.Packet.SignUserId(id.Name, e.PrimaryKey, e.PrivateKey, testConfig(0)); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, err := ParseRelease(signT(t, smallRelease, testConfig(0), e.PrivateKey), ringT(t, e), madeOn)
	var bad *SignatureError
	if !errors.As(err, &bad) || !strings.Contains(err.Error(), "is not for signing") {
		t.Errorf("ParseRelease by a key that may only certify = %v; want a *SignatureError", err)
	}
}

// TestParseReleaseDigests: SHA-1 is among what gpg signed, since the library
// does not make such signatures.
func TestParseReleaseDigests(t *testing.T) {
	e := testKey(t, 0)
	for _, hash := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		config := testConfig(0)
		config.DefaultHash = hash
		if _, err := ParseRelease(signT(t, smallRelease, config, e.PrivateKey), ringT(t, e), madeOn); err != nil {
			t.Errorf("a signature with %v: %v", hash, err)
		}
	}
}

func FuzzParseRelease(f *testing.F) {
	for _, name := range []string{"good", "both", "sha1", "lapsing", "unknown"} {
		f.Add(readFileT(f, "gpg/InRelease."+name))
	}
	keys := keysT(f, "good", "second", "short")
	// The signed text of every file in testdata/gpg, as gpg signs it.
	want, err := ParseRelease(readFileT(f, "gpg/InRelease.good"), keys, day("2026-02-02"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseRelease(data, keys, day("2026-02-02"))
		if err == nil && (r.Codename != want.Codename || !r.Date.Equal(want.Date) || len(r.Files) != len(want.Files)) {
			t.Errorf("ParseRelease(%q) = %+v: not what was signed", data, r)
		}
		if err != nil && r != nil {
			t.Errorf("ParseRelease(%q) = %v and an error", data, r)
		}
	})
}

func FuzzReleaseText(f *testing.F) {
	f.Add([]byte(smallRelease + "SHA256:\n e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 main/Packages\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parseReleaseText(text)
		if err != nil {
			return
		}
		for path, e := range r.Files {
			if len(e.SHA256) != 64 || e.Size < 0 || path == "" || path[0] == '/' {
				t.Errorf("entry %q is %+v", path, e)
			}
		}
		if !isPlainName(r.name()) {
			t.Errorf("release name %q", r.name())
		}
	})
}
