# Makes the tools that assemble an SD image run natively.
#
# sd-image.nix is imported again with a pkgs whose callPackage is that of the
# machine that builds. So the derivations that it makes itself, the root file system
# and the image, are of that machine's system, while what it puts into them, taken
# from pkgs, stays the board's. Three precautions:
#
# - The original is disabled, or its options would be declared twice.
# - The function keeps its formal arguments, which tell the module system what to
#   pass, and has pkgs among them.
# - Of pkgs nothing but callPackage is exchanged, or the image's services would get
#   the wrong machine's programs.
{ lib, ... }:

let
  file = <nixpkgs/nixos/modules/installer/sd-card/sd-image.nix>;
  original = import file;
  native = import <nixpkgs> {
    system = "@nativeSystem@";
    config = { };
    overlays = [ ];
  };
  exchanged =
    args: original (args // { pkgs = args.pkgs // { inherit (native) callPackage; }; });
in
{
  disabledModules = [ "installer/sd-card/sd-image.nix" ];
  imports = [ (lib.setFunctionArgs exchanged (lib.functionArgs original // { pkgs = false; })) ];
}
