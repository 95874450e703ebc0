package nix

import (
	"fmt"
	"strings"
)

// LoginKeys returns a module that lets the holders of ssh keys log in as root and as
// every ordinary user of the configuration. Each key is a line as in
// authorized_keys(5).
func LoginKeys(keys []string) string {
	quoted := make([]string, len(keys))
	for i, k := range keys {
		quoted[i] = String(k)
	}
	return fmt.Sprintf(`{ lib, ... }:

let
  keys = [ %s ];
in
{
  # A second declaration of users.users adds to what a user is.
  options.users.users = lib.mkOption {
    type = lib.types.attrsOf (
      lib.types.submodule (
        { config, ... }:
        {
          config.openssh.authorizedKeys.keys = lib.mkIf config.isNormalUser keys;
        }
      )
    );
  };
  config.users.users.root.openssh.authorizedKeys.keys = keys;
}
`, strings.Join(quoted, " "))
}

// String quotes text as a string of the Nix language.
func String(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(s) + `"`
}
