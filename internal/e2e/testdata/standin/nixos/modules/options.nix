# The options that sd-card.nix uses, with their types, as NixOS 23.11 and later declare
# them. boot.supportedFilesystems is a list until 23.11, a set of switches from 24.05 on.
{ lib, ... }:

let
  inherit (lib) types;
  option = type: lib.mkOption { inherit type; };
  optionWith = default: type: lib.mkOption { inherit type default; };
  anything = optionWith { } (types.attrsOf types.anything);
in
{
  options = {
    boot.supportedFilesystems =
      if builtins.getEnv "STANDIN_RELEASE" == "23.11" then
        optionWith [ ] (types.listOf types.str)
      else
        optionWith { } (types.attrsOf types.bool);
    boot.postBootCommands = optionWith "" types.lines;
    environment.systemPackages = optionWith [ ] (types.listOf types.package);
    networking = {
      hostName = optionWith "nixos" types.str;
      defaultGateway = optionWith null (types.nullOr types.str);
      nameservers = optionWith [ ] (types.listOf types.str);
      timeServers = optionWith [ ] (types.listOf types.str);
      wireless.enable = optionWith false types.bool;
      wireless.interfaces = optionWith [ ] (types.listOf types.str);
      wireless.networks = optionWith { } (
        types.attrsOf (types.submodule { options.psk = optionWith null (types.nullOr types.str); })
      );
      interfaces = optionWith { } (
        types.attrsOf (
          types.submodule {
            options.ipv4.addresses = optionWith [ ] (
              types.listOf (
                types.submodule {
                  options.address = option types.str;
                  options.prefixLength = option types.int;
                }
              )
            );
          }
        )
      );
    };
    security.sudo.wheelNeedsPassword = optionWith true types.bool;
    services.openssh.enable = optionWith false types.bool;
    services.openssh.settings.PasswordAuthentication = optionWith true types.bool;
    system.build = anything;
    system.stateVersion = option types.str;
    systemd.services = anything;
    time.timeZone = optionWith null (types.nullOr types.str);
    users.users = optionWith { } (
      types.attrsOf (
        types.submodule {
          options.isNormalUser = optionWith false types.bool;
          options.extraGroups = optionWith [ ] (types.listOf types.str);
          options.openssh.authorizedKeys.keys = optionWith [ ] (types.listOf types.str);
        }
      )
    );
  };
}
