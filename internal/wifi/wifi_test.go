package wifi

import (
	"regexp"
	"strings"
	"testing"
)

// The keys are IEEE 802.11i's own test vectors (H.4.3).
func TestSecret(t *testing.T) {
	for _, test := range []struct{ ssid, passphrase, want string }{
		{"IEEE", "password", "psk_IEEE=f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e\n"},
		{"ThisIsASSID", "ThisIsAPassword", "psk_ThisIsASSID=0dc0d6eb90555ed6419756b9a15ec3e3209b63df707dd508d14581f8982721af\n"},
		{strings.Repeat("Z", 32), strings.Repeat("a", 32), "psk_" + strings.Repeat("Z", 32) + "=becb93866bb8c3832cb777c2f559807c8c59afcb6eae734885001300a981cc62\n"},
		{"IEEE", "F42C6FC52DF0EBEF9EBB4B90B38A5F902E83FE1B135A70E23AED762E9710A12E", "psk_IEEE=f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e\n"},
	} {
		if line, err := Secret(test.ssid, test.passphrase); err != nil || line != test.want {
			t.Errorf("Secret(%q, %q) = %q, %v; want %q", test.ssid, test.passphrase, line, err, test.want)
		}
	}
}

func TestName(t *testing.T) {
	for ssid, want := range map[string]string{
		"home": "psk_home", "my network": "psk_my_20network", "my_20network": "psk_my_5f20network",
		"Café": "psk_Caf_c3_a9", "a=b": "psk_a_3db", "ext:x\"#": "psk_ext_3ax_22_23",
	} {
		if name := Name(ssid); name != want {
			t.Errorf("Name(%q) = %q; want %q", ssid, name, want)
		}
	}
}

func TestValidate(t *testing.T) {
	for ssid, ok := range map[string]bool{
		"": false, "x": true, strings.Repeat("x", 32): true, strings.Repeat("x", 33): false, strings.Repeat("ß", 17): false,
		"a\nb": false, "a\x00": false, "\xff": false, "Küche 2.4 \"GHz\"": true,
	} {
		if err := ValidateSSID(ssid); (err == nil) != ok {
			t.Errorf("ValidateSSID(%q) = %v; want ok %v", ssid, err, ok)
		}
	}
	for passphrase, ok := range map[string]bool{
		"": false, "1234567": false, "12345678": true, strings.Repeat("x", 63): true, strings.Repeat("x", 64): false,
		strings.Repeat("a", 64): true, strings.Repeat("a", 65): false, "with\nbreak": false, "pässword": false, " # \" ' ${x} ": true,
	} {
		err := ValidatePassphrase(passphrase)
		if (err == nil) != ok {
			t.Errorf("ValidatePassphrase(%q) = %v; want ok %v", passphrase, err, ok)
		}
		if err != nil && passphrase != "" && strings.Contains(err.Error(), passphrase) {
			t.Errorf("ValidatePassphrase(%q) tells it: %v", passphrase, err)
		}
	}
}

// Every secret is one line that wpa_supplicant reads whole, and two networks never share
// a name.
func FuzzSecret(f *testing.F) {
	f.Add("home", "password", "home ")
	f.Add("Café", strings.Repeat("0", 64), "Caf_e9")
	line := regexp.MustCompile(`^psk_[A-Za-z0-9_]+=[0-9a-f]{64}\n$`)
	f.Fuzz(func(t *testing.T, ssid, passphrase, other string) {
		secret, err := Secret(ssid, passphrase)
		if err == nil && !line.MatchString(secret) {
			t.Errorf("Secret(%q, %q) = %q; want one line", ssid, passphrase, secret)
		}
		if ssid != other && Name(ssid) == Name(other) {
			t.Errorf("%q and %q are both called %s", ssid, other, Name(ssid))
		}
	})
}
