# OpenSSH with the keys of the users, and no other way in.
{ config, lib, ... }:

let
  cfg = config.services.openssh;
  types = lib.types;
  withKeys = lib.filter (u: u.openssh.authorizedKeys.keys != [ ]) (lib.attrValues config.users.users);
  show = value: if value == true then "yes" else if value == false then "no" else toString value;
in
{
  options.services.openssh = {
    enable = lib.mkOption {
      type = types.bool;
      default = false;
    };
    settings = lib.mkOption {
      type = types.attrsOf types.anything;
      default = { };
    };
  };

  config = lib.mkIf cfg.enable {
    services.openssh.settings = {
      PermitRootLogin = lib.mkDefault "prohibit-password";
      PasswordAuthentication = lib.mkDefault false;
      KbdInteractiveAuthentication = lib.mkDefault false;
      AuthorizedKeysFile = lib.mkDefault "/etc/ssh/authorized_keys.d/%u";
      Subsystem = lib.mkDefault "sftp internal-sftp";
      UseDNS = lib.mkDefault false;
    };
    environment.etcFiles = {
      "etc/ssh/sshd_config" = lib.lines (lib.mapAttrsToList (name: value: "${name} ${show value}") cfg.settings);
    }
    // lib.listToAttrs (
      map (u: {
        name = "etc/ssh/authorized_keys.d/${u.name}";
        value = lib.lines u.openssh.authorizedKeys.keys;
      }) withKeys
    );
  };
}
