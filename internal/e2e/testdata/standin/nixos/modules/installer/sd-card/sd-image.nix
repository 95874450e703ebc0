# As upstream's: file systems and image through pkgs.callPackage, services from pkgs.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  rootfs = pkgs.callPackage ../../../lib/make-ext4-fs.nix {
    commands = config.sdImage.populateRootCommands;
  };
in
{
  options.sdImage = {
    populateRootCommands = lib.mkOption { type = lib.types.lines; };
    compressImage = lib.mkOption {
      type = lib.types.bool;
      default = true;
    };
  };
  config = {
    system.build.sdImage = pkgs.callPackage (
      { stdenv, dosfstools }:
      stdenv.mkDerivation {
        name = "image";
        inherit rootfs;
        tools = "${dosfstools}";
      }
    ) { };
    boot.postBootCommands = "${pkgs.util-linux}/bin/findmnt";
  };
}
