# The SD card's system, for a Raspberry Pi 3: a NixOS module. Change it, then run
#
#   nixsd-native build FILE
#
# Options are described at https://search.nixos.org/options.
{ config, lib, pkgs, ... }:

{
  # The Raspberry Pi 3, all models, and the Compute Module 3 boot from this image.
  imports = [ <nixpkgs/nixos/modules/installer/sd-card/sd-image-aarch64.nix> ];

  # Memory is scarce: swap to a compressed part of it, and leave manuals out.
  zramSwap.enable = true;
  documentation.enable = false;

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
