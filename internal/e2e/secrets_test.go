package e2e

import (
	"strings"
	"testing"
)

// Secrets in a configuration, and in what it imports, are warned of while it is built, by
// file and line, and are not printed.
func TestSecretsWarned(t *testing.T) {
	check := mustStay(t)
	p, _ := builds(t)
	u := user()
	u.write(t, "literals/sd-card.nix", `{
  imports = [ <nixpkgs/nixos/modules/installer/sd-card/sd-image-aarch64.nix> ./wifi.nix ];
  users.users.nixos.isNormalUser = true;
  users.users.nixos.password = "s3kr1t of a user";
}
`)
	u.write(t, "literals/wifi.nix", `{
  # psk = "an example";
  networking.wireless.networks.home.psk = "s3kr1t of a network";
}
`)
	dir := u.folder(t, "literals")
	r := must(t, job{as: u, dir: dir, args: p.with("build", "--demo", "--offline", "--log-format", "plain", "--ssh-key", u.keyFile(t), "-o", "out/")})
	for _, want := range []string{"sd-card.nix:4: this looks like a password, ", "wifi.nix:3: this looks like a Wi-Fi key, "} {
		if strings.Count(r.errs, want) != 1 {
			t.Errorf("%q is not said once:\n%s", want, r.errs)
		}
	}
	if strings.Count(r.errs, "this looks like") != 2 || strings.Contains(r.errs, "s3kr1t") {
		t.Errorf("more is warned of, or secrets are printed:\n%s", r.errs)
	}
	check(t)
}
