package debian

import (
	"bytes"
	_ "embed"
	"fmt"
	"strings"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// archiveKeys is usr/share/keyrings/debian-archive-keyring.gpg of the package
// debian-archive-keyring 2025.1 (Debian 13; Debian 12's 2023.3+deb12u2 has the
// same file). It holds the keys of Debian 11 to 13. To refresh it, once
// a newer Debian has its keys:
//
//	apt-get download debian-archive-keyring
//	dpkg-deb --fsys-tarfile debian-archive-keyring_*.deb |
//	    tar xO ./usr/share/keyrings/debian-archive-keyring.pgp >archive-keyring.gpg
//
// and name the version here. TestArchiveKeys lists the keys to expect.
//
//go:embed archive-keyring.gpg
var archiveKeys []byte

// maxKeyring bounds the size of a keyring; Debian's has 56 kB.
const maxKeyring = 4 << 20

// Keyring holds the OpenPGP keys whose signature makes a release good. The
// zero Keyring has none. It never changes, so it may be shared.
type Keyring struct {
	// The packets, parsed anew for each use: parsed keys remember which of
	// their self-signatures were valid at the time of the first look.
	packets []byte
}

// ArchiveKeys returns the keys of the Debian archive.
func ArchiveKeys() (Keyring, error) { return NewKeyring(archiveKeys) }

// NewKeyring reads public keys, as written by gpg --export with or without
// --armor. The error is a *FormatError.
func NewKeyring(data []byte) (Keyring, error) {
	if len(data) > maxKeyring {
		return Keyring{}, &FormatError{What: "keyring", Reason: fmt.Sprintf("more than %d bytes", maxKeyring)}
	}
	k := Keyring{packets: bytes.Clone(data)}
	entities, err := k.entities()
	if err != nil {
		return Keyring{}, &FormatError{What: "keyring", Reason: err.Error()}
	}
	if len(entities) == 0 {
		return Keyring{}, &FormatError{What: "keyring", Reason: "no key in it"}
	}
	return k, nil
}

// Fingerprints returns the fingerprints of the primary keys, in upper-case hex,
// in the order of the file.
func (k Keyring) Fingerprints() []string {
	entities, _ := k.entities() // parsed once already
	var all []string
	for _, e := range entities {
		all = append(all, fmt.Sprintf("%X", e.PrimaryKey.Fingerprint))
	}
	return all
}

func (k Keyring) entities() (openpgp.EntityList, error) {
	if strings.HasPrefix(string(bytes.TrimLeft(k.packets, " \t\r\n")), "-----BEGIN PGP") {
		return openpgp.ReadArmoredKeyRing(bytes.NewReader(k.packets))
	}
	return openpgp.ReadKeyRing(bytes.NewReader(k.packets))
}
