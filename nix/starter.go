package nix

import (
	_ "embed"
	"fmt"
	"net/netip"
	"strings"
	"text/template"

	"nixsd-native/internal/wifi"
)

// A Board is a kind of machine that images are made for.
type Board struct {
	Name  string // as the command line has it
	Title string
	Notes []string // what is known about it, as comment lines of a configuration

	LowMemory  bool // 1 GB or less
	NoEthernet bool // so without Wi-Fi it is alone
	NeedsPi5   bool // only a nixpkgs that puts a Pi 5's firmware into the image will do
}

// Boards are those that a starting configuration can be made for. All of them boot what
// nixpkgs' sd-image-aarch64.nix makes: the Raspberry Pi's firmware, U-Boot, and a kernel
// found by extlinux.conf.
func Boards() []Board {
	return []Board{
		{Name: "rpi3", Title: "a Raspberry Pi 3", LowMemory: true, Notes: []string{
			"The Raspberry Pi 3, all models, and the Compute Module 3 boot from this image.",
		}},
		{Name: "rpi4", Title: "a Raspberry Pi 4", Notes: []string{
			"The Raspberry Pi 4, the 400 and the Compute Module 4 boot from this image.",
		}},
		{Name: "rpi5", Title: "a Raspberry Pi 5", NeedsPi5: true, Notes: []string{
			"The Raspberry Pi 5 boots with U-Boot and the mainline kernel of a nixpkgs from mid-2026",
			"or later (its pull request 537862). If the one that is built is older, the build stops",
			"and says so. Not everything on the board works with that kernel; Raspberry Pi's own,",
			"built from source, is in the flake github:nvmd/nixos-raspberrypi.",
		}},
		{Name: "zero2w", Title: "a Raspberry Pi Zero 2 W", LowMemory: true, NoEthernet: true, Notes: []string{
			"The Raspberry Pi Zero 2 W has 512 MB of memory: enough to run NixOS, not to evaluate",
			"it. Change this system here, and write the card anew, or send the system there with",
			"nixos-rebuild --target-host.",
		}},
		{Name: "generic", Title: "an AArch64 board", Notes: []string{
			"Raspberry Pis, and boards whose own boot loader (U-Boot in flash memory or on another",
			"medium) reads extlinux.conf, boot from this image. Others need their U-Boot written",
			"into it as well: https://wiki.nixos.org/wiki/NixOS_on_ARM.",
		}},
	}
}

// A StaticAddress is an address that a board has instead of asking for one.
type StaticAddress struct {
	Address netip.Prefix
	Gateway netip.Addr // zero for none
	DNS     netip.Addr // zero for none
}

// ParseStaticAddress reads ADDRESS/PREFIX[,GATEWAY[,DNS]]. Without a DNS server, the
// gateway is asked.
func ParseStaticAddress(s string) (a StaticAddress, err error) {
	parts := strings.Split(s, ",")
	if len(parts) > 3 {
		return a, fmt.Errorf("%q has more than an address, a gateway and a DNS server", s)
	}
	if a.Address, err = netip.ParsePrefix(parts[0]); err != nil {
		return a, fmt.Errorf("%q is no address with the length of its network, such as 192.168.1.10/24", parts[0])
	}
	ip := a.Address.Addr()
	isNetwork := a.Address.Bits() < ip.BitLen()-1 && a.Address.Masked().Addr() == ip
	if isNetwork || ip.IsUnspecified() || ip.IsMulticast() || ip.IsLoopback() || ip.Is4In6() {
		return a, fmt.Errorf("%s is no address of a board", a.Address)
	}
	for i, to := range []*netip.Addr{&a.Gateway, &a.DNS} {
		if len(parts) <= i+1 {
			break
		}
		if *to, err = netip.ParseAddr(parts[i+1]); err != nil || to.Zone() != "" {
			return a, fmt.Errorf("%q is no address", parts[i+1])
		}
	}
	switch gateway := a.Gateway; {
	case !gateway.IsValid():
	case gateway == ip || gateway.Is4() != ip.Is4():
		return a, fmt.Errorf("%s is no gateway for %s", gateway, ip)
	case !a.Address.Contains(gateway) && !gateway.IsLinkLocalUnicast():
		return a, fmt.Errorf("the gateway %s is not in the network %s", gateway, a.Address.Masked())
	case !a.DNS.IsValid():
		a.DNS = gateway
	}
	return a, nil
}

// A Starter is a configuration to begin with.
type Starter struct {
	Board    Board
	HostName string
	User     string
	Keys     []string // lines as in authorized_keys(5)
	TimeZone string   // "" for UTC
	WiFi     string   // the network's name, or ""
	Static   StaticAddress
}

//go:embed starter.nix.in
var starter string

// starterTemplate quotes what comes from outside with str.
var starterTemplate = template.Must(template.New("starter").Funcs(template.FuncMap{"str": String}).Parse(starter))

// Text returns the configuration, a NixOS module.
func (s Starter) Text() (string, error) {
	var b strings.Builder
	if err := starterTemplate.Execute(&b, s); err != nil {
		return "", fmt.Errorf("write a configuration: %v", err)
	}
	return b.String(), nil
}

// HasStatic reports whether there is a static address.
func (s Starter) HasStatic() bool { return s.Static.Address.IsValid() }

// Interface is the network interface that gets the static address.
func (s Starter) Interface() string {
	if s.WiFi != "" {
		return "wlan0"
	}
	return "eth0"
}

// Family is 4 or 6: the static address's.
func (s Starter) Family() int {
	if s.Static.Address.Addr().Is4() {
		return 4
	}
	return 6
}

// SecretName is how the configuration refers to the Wi-Fi's key.
func (s Starter) SecretName() string { return "ext:" + wifi.Name(s.WiFi) }

// SecretFile is where the board finds the key.
func (s Starter) SecretFile() string { return wifi.File }

// Release is the release of NixOS that is the first installation's.
func (s Starter) Release() string { return DefaultRelease }
