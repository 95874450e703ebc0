package nix

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"nixsd-native/internal/testenv"
)

// starters are a configuration for each board, and one of words that are code if they are
// not quoted.
func starters(t *testing.T) map[string]Starter {
	t.Helper()
	all := map[string]Starter{}
	for _, b := range Boards() {
		all[b.Name] = Starter{Board: b, HostName: "den", User: "nixos", Keys: sampleKeys[:1]}
	}
	static, err := ParseStaticAddress("192.168.1.10/24,192.168.1.1")
	six, err6 := ParseStaticAddress("fd00::10/64,fe80::1,fd00::53")
	if err != nil || err6 != nil {
		t.Fatal(err, err6)
	}
	s := all["rpi4"]
	s.TimeZone, s.Static = "Europe/Berlin", static
	all["rpi4"] = s
	s = all["zero2w"]
	s.WiFi, s.Static = "den", static
	all["zero2w"] = s
	all["hostile"] = Starter{
		Board: all["generic"].Board, HostName: `"; x = "`, User: `${builtins.abort "evaluated"}`, Keys: sampleKeys,
		TimeZone: "''\n\\", WiFi: `my "${net}"\ #1`, Static: six,
	}
	return all
}

// TestStarters shows each board's configuration, and that Nix parses it.
func TestStarters(t *testing.T) {
	parser := testenv.NeedProgram(t, "nix-instantiate")
	for name, s := range starters(t) {
		text, err := s.Text()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("testdata/starters", name+".nix")
		if *update {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(file); err != nil || string(want) != text {
			t.Errorf("%s: the configuration is\n%s\nwant %s\n%s, %v", name, text, file, want, err)
		}
		if out, err := exec.Command(parser, "--parse", file).CombinedOutput(); err != nil {
			t.Errorf("nix-instantiate --parse %s: %v\n%s", file, err, out)
		}
		for line := range strings.Lines(text) {
			if strings.HasSuffix(line, " \n") || name != "hostile" && utf8.RuneCountInString(line) > 105 {
				t.Errorf("%s: a long line, or one that ends with a blank: %q", name, line)
			}
		}
	}
}

// evaluated returns what Nix makes of an expression, in which %s stands for a starter's
// file.
func evaluated(t *testing.T, name, expression string, to any) {
	t.Helper()
	nix := testenv.NeedProgram(t, "nix-instantiate")
	file, err := filepath.Abs(filepath.Join("testdata/starters", name+".nix"))
	channel, err2 := filepath.Abs("../internal/demo/channel")
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	cmd := exec.Command(nix, "--eval", "--strict", "--json", "--store", "dummy://", "-I", "nixpkgs="+channel, "-E", strings.ReplaceAll(expression, "%s", file))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, to)
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, errs.Bytes())
	}
}

// TestStartersEvaluate shows that the demo's channel, whose modules work as NixOS's, finds
// in each configuration what was put in.
func TestStartersEvaluate(t *testing.T) {
	for name, s := range starters(t) {
		var got struct {
			Host string
			Keys []string
			Size bool
		}
		evaluated(t, name, `let c = (import <nixpkgs/nixos> { configuration = %s; system = "aarch64-linux"; }).config;
			in { Host = c.networking.hostName; Keys = c.users.users.`+String(s.User)+`.openssh.authorizedKeys.keys; Size = c.sdImage.compressImage; }`, &got)
		if got.Host != s.HostName || strings.Join(got.Keys, "\n") != strings.Join(s.Keys, "\n") || got.Size {
			t.Errorf("%s: Nix found %+v; want %q, %q, false", name, got, s.HostName, s.Keys)
		}
	}
}

// TestStarterNetwork shows what a configuration says of the network, and that the Wi-Fi's
// secret is a name and a file that is not in the store.
func TestStarterNetwork(t *testing.T) {
	const module = `(import %s { config.users.groups.wpa_supplicant = { }; pkgs = { }; lib = { optional = c: x: if c then [ x ] else [ ]; hasInfix = _: _: true; }; })`
	for name, s := range starters(t) {
		var got map[string]json.RawMessage
		evaluated(t, name, `let m = `+module+`; in m.networking // { rules = m.systemd.tmpfiles.rules or null; zone = m.time.timeZone or null; }`, &got)
		want := map[string]string{"hostName": quote(s.HostName), "rules": "null", "zone": "null"}
		if s.TimeZone != "" {
			want["zone"] = quote(s.TimeZone)
		}
		if s.WiFi != "" {
			want["wireless"] = fmt.Sprintf(`{"enable":true,"networks":{%s:{"authProtocols":["WPA-PSK"],"pskRaw":%s}},"secretsFile":"/var/lib/nixsd/wifi.conf"}`, quote(s.WiFi), quote(s.SecretName()))
			want["rules"] = `["z /var/lib/nixsd/wifi.conf 0640 root wpa_supplicant -"]`
		}
		six := ""
		if s.Family() == 6 {
			six = "6"
		}
		if s.HasStatic() {
			want["usePredictableInterfaceNames"] = "false"
			want["interfaces"] = fmt.Sprintf(`{%q:{"ipv%d":{"addresses":[{"address":%q,"prefixLength":%d}]}}}`, s.Interface(), s.Family(), s.Static.Address.Addr(), s.Static.Address.Bits())
			want["defaultGateway"+six] = fmt.Sprintf(`{"address":%q,"interface":%q}`, s.Static.Gateway, s.Interface())
			want["nameservers"] = fmt.Sprintf(`[%q]`, s.Static.DNS)
		}
		for key, value := range want {
			if string(got[key]) != value {
				t.Errorf("%s: Nix found networking.%s = %s; want %s", name, key, got[key], value)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s: Nix found networking = %s; want %v", name, got, want)
		}
	}
}

// quote is a text as Nix prints it in JSON.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(s)
	return strings.TrimSpace(b.String())
}

// TestStarterPi5 shows that a nixpkgs without a Pi 5's firmware is refused, and one with it
// is not.
func TestStarterPi5(t *testing.T) {
	for commands, want := range map[string]bool{"cp bcm2711-rpi-4-b.dtb firmware/": false, "cp bcm2712-rpi-5-b.dtb firmware/": true} {
		var got []struct {
			Assertion bool
			Message   string
		}
		evaluated(t, "rpi5", `(import %s { pkgs = { }; config.sdImage.populateFirmwareCommands = `+String(commands)+`;
			lib.hasInfix = part: text: builtins.match ".*${part}.*" text != null; }).assertions`, &got)
		if len(got) != 1 || got[0].Assertion != want || !strings.Contains(got[0].Message, "--nixos-release unstable") {
			t.Errorf("with %q Nix found %+v; want %v", commands, got, want)
		}
	}
}

func TestParseStaticAddress(t *testing.T) {
	for text, want := range map[string]string{
		"192.168.1.10/24":                      "192.168.1.10/24 invalid IP invalid IP",
		"192.168.1.10/24,192.168.1.1":          "192.168.1.10/24 192.168.1.1 192.168.1.1",
		"192.168.1.10/24,192.168.1.1,9.9.9.9":  "192.168.1.10/24 192.168.1.1 9.9.9.9",
		"10.0.0.1/31,10.0.0.0":                 "10.0.0.1/31 10.0.0.0 10.0.0.0",
		"fd00::10/64,fe80::1,2620:fe::fe":      "fd00::10/64 fe80::1 2620:fe::fe",
		"192.168.1.10":                         "",
		"192.168.1.0/24":                       "",
		"192.168.1.10/33":                      "",
		"0.0.0.0/0":                            "",
		"127.0.0.1/8":                          "",
		"224.0.0.1/4":                          "",
		"fe80::1%eth0/64":                      "",
		"::ffff:10.0.0.1/120":                  "",
		"192.168.1.10/24,192.168.1.10":         "",
		"192.168.1.10/24,192.168.2.1":          "",
		"192.168.1.10/24,fd00::1":              "",
		"192.168.1.10/24,":                     "",
		"192.168.1.10/24,192.168.1.1,dns":      "",
		"192.168.1.10/24,192.168.1.1,9.9.9.9,": "",
		"":                                     "",
	} {
		got := ""
		a, err := ParseStaticAddress(text)
		if err == nil {
			got = fmt.Sprint(a.Address, a.Gateway, a.DNS)
		}
		if got != want {
			t.Errorf("ParseStaticAddress(%q) = %q, %v; want %q", text, got, err, want)
		}
	}
}

// FuzzParseStaticAddress: what is taken is one address of a board in its network.
func FuzzParseStaticAddress(f *testing.F) {
	f.Add("192.168.1.10/24,192.168.1.1,9.9.9.9")
	f.Add("fd00::10/64,fe80::1")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseStaticAddress(text)
		if err == nil && (!a.Address.IsValid() || a.Gateway == (netip.Addr{}) && a.DNS != (netip.Addr{}) || strings.ContainsAny(fmt.Sprint(a), "\n\"$")) {
			t.Errorf("ParseStaticAddress(%q) = %v", text, a)
		}
	})
}

// unquoted reads a string of the Nix language without interpolation, as its manual
// describes them.
func unquoted(s string) (text string, ok bool) {
	s, opens := strings.CutPrefix(s, `"`)
	s, closes := strings.CutSuffix(s, `"`)
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"', s[i] == '\r', strings.HasPrefix(s[i:], "${"), s[i] == '\\' && i+1 == len(s):
			return "", false
		case s[i] == '\\':
			i++
			b.WriteString(strings.NewReplacer("n", "\n", "r", "\r", "t", "\t").Replace(s[i : i+1]))
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), opens && closes
}

// FuzzString: whatever the text, Nix reads it as one string, itself.
func FuzzString(f *testing.F) {
	for _, s := range quoted {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, ok := unquoted(String(s)); !ok || got != s {
			t.Errorf("Nix reads %s as %q, %v; want %q", String(s), got, ok, s)
		}
	})
}
