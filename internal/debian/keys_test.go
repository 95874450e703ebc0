package debian

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

func TestArchiveKeys(t *testing.T) {
	keys, err := ArchiveKeys()
	if err != nil {
		t.Fatal(err)
	}
	// The subkeys of those two that sign trixie are told by TestParseReleaseReal.
	want := []string{
		"1F89983E0081FDE018F3CC9673A4F27B8DD47936", // archive, Debian 11
		"AC530D520F2F3269F5E98313A48449044AAD5C5D", // security, Debian 11
		"A4285295FC7B1A81600062A9605C66F00D6C9793", // stable release, Debian 11
		"4D64FEC119C2029067D6E791F8D2585B8783D481", // stable release, Debian 12
		"B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8", // archive, Debian 12
		"05AB90340C0C5E797F44A8C8254CF3B5AEC0A8F0", // security, Debian 12
		"04B54C3CDCA79751B16BC6B5225629DF75B188BD", // archive, Debian 13
		"5E04A1E3223A19A20706E20F9904613D4CCE68C6", // security, Debian 13
		"41587F7DB8C774BCCF131416762F67A0B2C39DE4", // stable release, Debian 13
	}
	if got := keys.Fingerprints(); !slices.Equal(got, want) {
		t.Errorf("ArchiveKeys has %q; want %q", got, want)
	}
}

func TestNewKeyringMalformed(t *testing.T) {
	tests := map[string][]byte{
		"empty":       nil,
		"text":        []byte("no key"),
		"truncated":   archiveKeys[:200],
		"armor only":  []byte("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----\n"),
		"a signature": []byte("-----BEGIN PGP SIGNATURE-----\n\naaaa\n-----END PGP SIGNATURE-----\n"),
		"huge":        bytes.Repeat([]byte{0x99}, maxKeyring+1),
	}
	for name, data := range tests {
		_, err := NewKeyring(data)
		var malformed *FormatError
		if !errors.As(err, &malformed) {
			t.Errorf("NewKeyring(%s) = %v; want a *FormatError", name, err)
		}
	}
}

func TestKeyringKeepsItsOwnCopy(t *testing.T) {
	data := bytes.Clone(archiveKeys)
	keys, err := NewKeyring(data)
	if err != nil {
		t.Fatal(err)
	}
	clear(data)
	if got := len(keys.Fingerprints()); got != 9 {
		t.Errorf("after the caller's slice changed, the keyring has %d keys; want 9", got)
	}
}

// Any bytes are a keyring, whose keys have fingerprints, or are none; and a release is
// good by no other key than the one that signed it.
func FuzzNewKeyring(f *testing.F) {
	for _, name := range []string{"good", "second"} {
		f.Add(readFileT(f, "gpg/"+name+".asc"))
	}
	f.Add(archiveKeys[:1500])
	release := readFileT(f, "gpg/InRelease.good")
	signer := keysT(f, "good").Fingerprints()[0]
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := NewKeyring(data)
		if bad := (*FormatError)(nil); err != nil && !errors.As(err, &bad) {
			t.Errorf("%T: %v; want a *FormatError", err, err)
		}
		if err != nil {
			return
		}
		all := keys.Fingerprints()
		if len(all) == 0 || slices.Contains(all, "") {
			t.Errorf("a keyring with the fingerprints %q", all)
		}
		if _, err := ParseRelease(release, keys, day("2026-02-02")); err == nil && !slices.Contains(all, signer) {
			t.Errorf("the release is good by one of %q", all)
		}
	})
}
