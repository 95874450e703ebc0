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
#
# All of this rests on sd-image.nix being a function that calls pkgs.callPackage.
# Where it is not, nothing is exchanged.
{ lib, modulesPath, ... }:

let
  name = "installer/sd-card/sd-image.nix";
  file = modulesPath + "/${name}";
  original = import file;
  text = builtins.readFile file;
  reason =
    if !builtins.pathExists file then
      "this nixpkgs has no ${name}"
    else if !builtins.isFunction original then
      "${name} of this nixpkgs is no function"
    else if builtins.replaceStrings [ "pkgs.callPackage" ] [ "" ] text == text then
      "${name} of this nixpkgs does not use pkgs.callPackage"
    else
      null;

  native = import (modulesPath + "/../..") {
    system = "@nativeSystem@";
    config = { };
    overlays = [ ];
  };
  exchanged =
    args: original (args // { pkgs = args.pkgs // { inherit (native) callPackage; }; });
in
if reason == null then
  {
    disabledModules = [ name ];
    imports = [ (lib.setFunctionArgs exchanged (builtins.functionArgs original // { pkgs = false; })) ];
  }
else if @strict@ then
  throw "@refused@--assembly native does not work: ${reason}"
else
  builtins.trace "@mark@${reason}" { }
