{ config, lib, ... }:
{
  imports = [ ./sd-image.nix ];
  boot.supportedFilesystems =
    if builtins.getEnv "STANDIN_RELEASE" == "23.11" then
      [ "vfat" "zfs" ]
    else
      { vfat = true; zfs = true; };
  sdImage.populateRootCommands = "mkdir -p ./files/boot";
}
