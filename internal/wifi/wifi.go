// Package wifi makes what a board needs to enter a WPA2 network with a passphrase, in a
// form that keeps the passphrase itself away: a line of the file that wpa_supplicant's
// external passwords come from (wpa_supplicant.conf(5), ext_password_backend), which
// NixOS names in networking.wireless.secretsFile.
package wifi

import (
	"crypto/pbkdf2"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// File is where the secrets lie on the board. It is root's and has mode Mode.
const (
	File = "/var/lib/nixsd/wifi.conf"
	Mode = 0o600
)

// maxSSID is the longest name of a network in bytes (IEEE 802.11, 9.4.2.2).
const maxSSID = 32

// Bounds of a passphrase in characters (IEEE 802.11i, H.4.1).
const (
	minPassphrase = 8
	maxPassphrase = 63
)

// The pre-shared key is derived from passphrase and name with PBKDF2 and HMAC-SHA-1
// (IEEE 802.11i, H.4.1).
const (
	rounds = 4096
	keyLen = 32 // bytes
)

// hexKey is a pre-shared key that was derived already.
var hexKey = regexp.MustCompile(`^[0-9A-Fa-f]{64}$`)

// ValidateSSID refuses what is no name of a network, or none that a line of a
// configuration can hold.
func ValidateSSID(ssid string) error {
	switch {
	case ssid == "":
		return errors.New("the network has no name")
	case len(ssid) > maxSSID:
		return fmt.Errorf("a network's name has at most %d bytes, this one %d", maxSSID, len(ssid))
	case !utf8.ValidString(ssid) || strings.ContainsFunc(ssid, unicode.IsControl):
		return errors.New("the network's name has bytes that are no text")
	}
	return nil
}

// ValidatePassphrase refuses what no WPA2 network has. 64 hexadecimal digits are taken
// as the key itself. Errors do not quote it.
func ValidatePassphrase(passphrase string) error {
	switch n := len(passphrase); {
	case hexKey.MatchString(passphrase):
		return nil
	case strings.ContainsFunc(passphrase, func(r rune) bool { return r < ' ' || r > '~' }):
		return errors.New("a Wi-Fi passphrase is made of printable ASCII characters")
	case n < minPassphrase || n > maxPassphrase:
		return fmt.Errorf("a Wi-Fi passphrase has %d to %d characters, or is a key of 64 hexadecimal digits; this one has %d", minPassphrase, maxPassphrase, n)
	}
	return nil
}

// Key returns the network's pre-shared key, 64 hexadecimal digits.
func Key(ssid, passphrase string) (string, error) {
	if err := ValidateSSID(ssid); err != nil {
		return "", err
	}
	if err := ValidatePassphrase(passphrase); err != nil {
		return "", err
	}
	if hexKey.MatchString(passphrase) {
		return strings.ToLower(passphrase), nil
	}
	key, err := pbkdf2.Key(sha1.New, passphrase, []byte(ssid), rounds, keyLen)
	if err != nil {
		return "", fmt.Errorf("derive the Wi-Fi key: %v", err)
	}
	return hex.EncodeToString(key), nil
}

// Name returns what a network's secret is called in File: ASCII letters and digits of
// the SSID stay, every other byte becomes _ and two hexadecimal digits, so that no two
// networks have one name.
func Name(ssid string) string {
	var b strings.Builder
	b.WriteString("psk_")
	for _, c := range []byte(ssid) {
		if '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "_%02x", c)
		}
	}
	return b.String()
}

// Secret returns the network's line of File, NAME=KEY, with its line break. It holds the
// key and not the passphrase, of which wpa_supplicant would drop what follows a #.
func Secret(ssid, passphrase string) (line string, err error) {
	key, err := Key(ssid, passphrase)
	if err != nil {
		return "", err
	}
	return Name(ssid) + "=" + key + "\n", nil
}
