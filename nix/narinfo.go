package nix

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/nix-community/go-nix/pkg/narinfo"
	"github.com/nix-community/go-nix/pkg/narinfo/signature"
)

// MaxNarinfo bounds a narinfo in bytes; one with 500 references has 40 kB.
const MaxNarinfo = 1 << 20

// A Narinfo is what a binary cache tells of a store path.
type Narinfo struct {
	StorePath string
	// ContentAddressed is set if the path itself vouches for its content.
	ContentAddressed bool

	info *narinfo.NarInfo
	text []byte
}

// ParseNarinfo reads a narinfo.
func ParseNarinfo(text []byte) (Narinfo, error) {
	if len(text) > MaxNarinfo {
		return Narinfo{}, fmt.Errorf("a narinfo of more than %d bytes", MaxNarinfo)
	}
	info, err := narinfo.Parse(bytes.NewReader(text))
	if err != nil {
		return Narinfo{}, fmt.Errorf("a narinfo that is none: %.200s", clean(err.Error()))
	}
	if !storePath.MatchString(info.StorePath) {
		return Narinfo{}, errors.New("a narinfo without a store path")
	}
	if info.NarHash == nil {
		return Narinfo{}, errors.New("a narinfo without a hash")
	}
	return Narinfo{info.StorePath, info.CA != "", info, text}, nil
}

// Trusted reports whether Nix takes the path with these keys, NAME:BASE64: it is
// content-addressed, or signed by one of them.
func (n Narinfo) Trusted(keys []string) (bool, error) {
	if n.ContentAddressed {
		return true, nil
	}
	var trusted []signature.PublicKey
	for _, k := range keys {
		key, err := signature.ParsePublicKey(k)
		if err != nil {
			return false, fmt.Errorf("key %.100q: %v", k, err)
		}
		trusted = append(trusted, key)
	}
	return signature.VerifyFirst(n.info.Fingerprint(), n.info.Signatures, trusted), nil
}

// Text returns the narinfo. Of a content-addressed path it leaves out who made it and
// who signed it, which depends on the machine and vouches for nothing.
func (n Narinfo) Text() []byte {
	if !n.ContentAddressed {
		return n.text
	}
	var b bytes.Buffer
	for line := range bytes.Lines(n.text) {
		if s := string(line); !strings.HasPrefix(s, "Sig:") && !strings.HasPrefix(s, "Deriver:") {
			b.Write(line)
		}
	}
	return b.Bytes()
}
