# As nixpkgs' nixos/lib/eval-config.nix: modules to a system.
args@{
  modules,
  system ? builtins.currentSystem,
  specialArgs ? { },
  ...
}:

let
  lib = import ../../lib;
  pkgs = import ../../. { inherit system; };
  eval = lib.evalModules {
    modules = [
      ../modules/system/base.nix
      ../modules/system/network.nix
      ../modules/system/sshd.nix
    ]
    ++ modules;
    args = {
      inherit pkgs;
      modulesPath = toString ../modules;
    }
    // specialArgs;
  };
  warn = builtins.warn or (text: builtins.trace "warning: ${text}");
  unknown = eval.unknown;
  noKeys = lib.all (u: u.openssh.authorizedKeys.keys == [ ]) (lib.attrValues eval.config.users.users);
  warnings =
    lib.optional (unknown != [ ])
      "the demo does not know, and leaves out: ${lib.concatStringsSep ", " unknown}"
    ++ lib.optional noKeys "no ssh key is configured: nobody can log in to this image; add --ssh-key FILE";
in
{
  inherit pkgs lib;
  inherit (eval) options;
  config = builtins.foldl' (result: text: warn text result) eval.config warnings;
  extendModules =
    {
      modules,
      specialArgs ? { },
    }:
    import ./eval-config.nix (
      args
      // {
        modules = args.modules ++ modules;
        specialArgs = args.specialArgs or { } // specialArgs;
      }
    );
}
