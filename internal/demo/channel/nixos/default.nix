# As nixpkgs' nixos/default.nix: a configuration to a system.
{
  configuration ? import <nixos-config>,
  system ? builtins.currentSystem,
  ...
}:

let
  lib = import ../lib;
  pkgs = import ../. { inherit system; };
  modulesPath = ./modules;
  eval = lib.evalModules {
    modules = [
      ./modules/system/base.nix
      ./modules/system/network.nix
      ./modules/system/sshd.nix
      configuration
    ];
    args = { inherit pkgs modulesPath; };
  };
  warn = builtins.warn or (text: builtins.trace "warning: ${text}");
  unknown = eval.unknown;
  noKeys = lib.all (u: u.openssh.authorizedKeys.keys == [ ]) (lib.attrValues eval.config.users.users);
  warnings =
    lib.optional (unknown != [ ])
      "the demo does not know, and leaves out: ${lib.concatStringsSep ", " unknown}"
    ++ lib.optional noKeys "no ssh key is configured: nobody can log in to this image; add --ssh-key FILE";
in
builtins.foldl' (result: text: warn text result) {
  inherit pkgs;
  inherit (eval) config options;
  system = eval.config.system.build.toplevel;
} warnings
