# The SD card's system, for an AArch64 board: a NixOS module. Change it, then run
#
#   nixsd-native build FILE
#
# Options are described at https://search.nixos.org/options.
{ config, lib, pkgs, ... }:

{
  # Raspberry Pis, and boards whose own boot loader (U-Boot in flash memory or on another
  # medium) reads extlinux.conf, boot from this image. Others need their U-Boot written
  # into it as well: https://wiki.nixos.org/wiki/NixOS_on_ARM.
  imports = [ <nixpkgs/nixos/modules/installer/sd-card/sd-image-aarch64.nix> ];

  networking.hostName = "den";
  # time.timeZone = "Europe/Berlin";

  # ssh is on from the first boot; only keys let somebody in.
  services.openssh.enable = true;
  services.openssh.settings.PasswordAuthentication = false;

  users.users."nixos" = {
    isNormalUser = true;
    extraGroups = [ "wheel" ];
    openssh.authorizedKeys.keys = [
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJl3dIeudNqd0DPMRD6OIh65tjkxFNOtwGcWB2gCgPhk me@home"
    ];
  };
  security.sudo.wheelNeedsPassword = false;

  # Programs for everybody.
  # environment.systemPackages = [ pkgs.htop ];

  # nixsd-native compresses the finished image if asked to, much faster.
  sdImage.compressImage = false;

  # The NixOS release of the first installation; leave it when you upgrade.
  system.stateVersion = "26.05";
}
