package debian

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// maxSignatures bounds the OpenPGP packets of a release's signature block;
// Debian's three signatures have 1.3 kB.
const maxSignatures = 64 << 10

// weakHashes have known collisions, or nearly so.
var weakHashes = map[crypto.Hash]bool{crypto.MD5: true, crypto.SHA1: true, crypto.RIPEMD160: true}

// verifier checks signatures of one text as of one time.
type verifier struct {
	keys   openpgp.EntityList
	now    time.Time
	config *packet.Config
}

// verifyClearsigned returns the text that the good signatures cover, and the
// fingerprints of their keys. Signatures that are not good do not matter as
// long as one is.
func verifyClearsigned(data []byte, keys Keyring, now time.Time) (text []byte, signers []string, err error) {
	block, rest := clearsign.Decode(data)
	switch {
	case block == nil:
		return nil, nil, releaseFormat("not a clear-signed text")
	case !bytes.HasPrefix(data, []byte("-----BEGIN PGP SIGNED MESSAGE-----")):
		return nil, nil, releaseFormat("text before the signed part")
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, nil, releaseFormat("text after the signature")
	}
	sigs, err := io.ReadAll(io.LimitReader(block.ArmoredSignature.Body, maxSignatures+1))
	if err != nil {
		return nil, nil, releaseFormat("signature block: " + err.Error())
	}
	if len(sigs) > maxSignatures {
		return nil, nil, releaseFormat(fmt.Sprintf("signature block of more than %d bytes", maxSignatures))
	}
	entities, err := keys.entities()
	if err != nil && len(keys.packets) > 0 {
		return nil, nil, &FormatError{What: "keyring", Reason: err.Error()}
	}
	v := &verifier{keys: entities, now: now, config: &packet.Config{
		Time:                        func() time.Time { return now },
		RejectHashAlgorithms:        weakHashes,
		RejectMessageHashAlgorithms: weakHashes,
	}}
	signers, err = v.signers(block.Bytes, sigs)
	return block.Plaintext, signers, err
}

// signers returns the fingerprints of the keys with a good signature of text:
// at least one if there is no error.
func (v *verifier) signers(text, sigs []byte) ([]string, error) {
	md, err := openpgp.VerifyDetachedSignatureReader(v.keys, bytes.NewReader(text), bytes.NewReader(sigs), v.config)
	if errors.Is(err, pgperrors.ErrUnknownIssuer) {
		return nil, releaseFormat("no signature in the signature block")
	}
	if err != nil {
		return nil, releaseFormat("signature block: " + err.Error())
	}
	if _, err := io.Copy(io.Discard, md.UnverifiedBody); err != nil {
		return nil, releaseFormat("signature block: " + err.Error())
	}
	var good, named []string
	var worst error
	for _, c := range md.SignatureCandidates {
		name := keyName(c)
		named = append(named, name)
		switch err := v.check(c, name); {
		case err == nil:
			good = append(good, name)
		case rank(err) > rank(worst):
			worst = err
		}
	}
	if len(good) > 0 {
		return good, nil
	}
	if s, ok := worst.(*SignatureError); ok {
		s.Keys = named
	}
	return nil, worst
}

// rank orders errors by how much they tell.
func rank(err error) int {
	if err == nil {
		return 0
	}
	if s, ok := err.(*SignatureError); ok && s.Unknown {
		return 1
	}
	return 2
}

// check judges one signature whose arithmetic was done.
func (v *verifier) check(c *openpgp.SignatureCandidate, name string) error {
	if c.SignedByEntity == nil {
		return &SignatureError{Unknown: true, Reason: "no key of the keyring made it"}
	}
	sig := c.CorrespondingSig
	if weakHashes[sig.Hash] {
		return &SignatureError{Reason: fmt.Sprintf("its digest %v is too weak", sig.Hash)}
	}
	switch {
	case c.SignatureError == nil:
		return v.checkKey(c.SignedByEntity, c.IssuerKeyId, name, v.now)
	case errors.Is(c.SignatureError, pgperrors.ErrSignatureExpired) && sig.SigExpired(v.now):
		return v.expired("signature by key "+name, sig.CreationTime, sig.SigLifetimeSecs)
	case c.SignedBy == nil: // no such key was valid when the signature was made
		if err := v.checkKey(c.SignedByEntity, c.IssuerKeyId, name, sig.CreationTime); err != nil {
			return err
		}
	}
	return &SignatureError{Reason: strings.TrimPrefix(c.SignatureError.Error(), "openpgp: ")}
}

// checkKey returns why the key (or subkey) id cannot sign at a time, nil if it
// can.
func (v *verifier) checkKey(e *openpgp.Entity, id uint64, name string, at time.Time) error {
	if _, ok := e.SigningKeyById(at, id, v.config); ok {
		return nil
	}
	key := e.PrimaryKey
	self, err := e.VerifyPrimaryKey(at, v.config)
	for i := range e.Subkeys {
		if sub := &e.Subkeys[i]; err == nil && sub.PublicKey.KeyId == id {
			key = sub.PublicKey
			self, _ = sub.LatestValidBindingSignature(at, v.config)
			_, err = sub.Verify(at, v.config)
		}
	}
	switch {
	case errors.Is(err, pgperrors.ErrKeyRevoked):
		return &SignatureError{Reason: fmt.Sprintf("key %s is revoked", name)}
	case errors.Is(err, pgperrors.ErrKeyExpired) && self != nil:
		return v.expired("key "+name, key.CreationTime, self.KeyLifetimeSecs)
	case err != nil:
		return &SignatureError{Reason: fmt.Sprintf("key %s: %s", name, strings.TrimPrefix(err.Error(), "openpgp: "))}
	}
	return &SignatureError{Reason: fmt.Sprintf("key %s is not for signing", name)}
}

// expired makes the error of something that is valid from created on, for
// lifetime seconds (nil or 0: for ever).
func (v *verifier) expired(what string, created time.Time, lifetime *uint32) error {
	if created.After(v.now) || lifetime == nil {
		return &ExpiredError{What: what, When: created, Future: true, Now: v.now}
	}
	return &ExpiredError{What: what, When: created.Add(time.Duration(*lifetime) * time.Second), Now: v.now}
}

// keyName names the key that a signature says it is from: by its fingerprint,
// or else its key id.
func keyName(c *openpgp.SignatureCandidate) string {
	if len(c.IssuerFingerprint) > 0 {
		return fmt.Sprintf("%X", c.IssuerFingerprint)
	}
	return fmt.Sprintf("%016X", c.IssuerKeyId)
}

func releaseFormat(reason string) error { return &FormatError{What: "InRelease", Reason: reason} }
