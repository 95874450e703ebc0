# The shape of nixpkgs' nixos/default.nix. The module system is the demo's, but it
# refuses definitions of options that are not declared, as NixOS's does.
{ configuration, system }:

let
  lib = import <demo/lib>;
  pkgs = import ../. { inherit system; };
  eval = lib.evalModules {
    modules = [
      ./modules/options.nix
      configuration
    ];
    args = {
      inherit pkgs;
      modulesPath = toString ./modules;
    };
  };
in
if eval.unknown == [ ] then
  {
    inherit pkgs;
    inherit (eval) config options;
  }
else
  throw "options that do not exist: ${builtins.concatStringsSep ", " eval.unknown}"
