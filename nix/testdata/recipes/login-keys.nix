{ lib, ... }:

let
  keys = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJl3dIeudNqd0DPMRD6OIh65tjkxFNOtwGcWB2gCgPhk me@home" "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJl3dIeudNqd0DPMRD6OIh65tjkxFNOtwGcWB2gCgPhk \"\${builtins.abort \"evaluated\"}\" \\" ];
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
