# The SD card's system, for a Raspberry Pi 5: a NixOS module. Change it, then run
#
#   nixsd-native build FILE
#
# Options are described at https://search.nixos.org/options.
{ config, lib, pkgs, ... }:

{
  # The Raspberry Pi 5 boots with U-Boot and the mainline kernel of a nixpkgs from mid-2026
  # or later (its pull request 537862). If the one that is built is older, the build stops
  # and says so. Not everything on the board works with that kernel; Raspberry Pi's own,
  # built from source, is in the flake github:nvmd/nixos-raspberrypi.
  imports = [ <nixpkgs/nixos/modules/installer/sd-card/sd-image-aarch64.nix> ];
  assertions = [
    {
      assertion = lib.hasInfix "bcm2712" config.sdImage.populateFirmwareCommands;
      message = "this nixpkgs is too old for a Raspberry Pi 5; build with --nixos-release unstable";
    }
  ];

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
