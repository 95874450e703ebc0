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

  networking.hostName = "\"; x = \"";
  time.timeZone = "''\n\\";

  # ssh is on from the first boot; only keys let somebody in.
  services.openssh.enable = true;
  services.openssh.settings.PasswordAuthentication = false;

  users.users."\${builtins.abort \"evaluated\"}" = {
    isNormalUser = true;
    extraGroups = [ "wheel" ];
    openssh.authorizedKeys.keys = [
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJl3dIeudNqd0DPMRD6OIh65tjkxFNOtwGcWB2gCgPhk me@home"
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJl3dIeudNqd0DPMRD6OIh65tjkxFNOtwGcWB2gCgPhk \"\${builtins.abort \"evaluated\"}\" \\"
    ];
  };
  security.sudo.wheelNeedsPassword = false;

  # Wi-Fi, WPA2 or WPA2/WPA3 mixed. The key is not part of this configuration, which every
  # account on the board can read: it is in a file of the finished image's, put there by
  # "nixsd-native inject IMAGE --wifi". WPA3 alone cannot take its password from a file.
  hardware.enableRedistributableFirmware = true;
  networking.wireless = {
    enable = true;
    secretsFile = "/var/lib/nixsd/wifi.conf";
    networks."my \"\${net}\"\\ #1" = {
      pskRaw = "ext:psk_my_20_22_24_7bnet_7d_22_5c_20_231";
      authProtocols = [ "WPA-PSK" ];
    };
  };
  # From NixOS 26.05 on wpa_supplicant is no longer root.
  systemd.tmpfiles.rules = lib.optional (config ? users.groups.wpa_supplicant)
    "z /var/lib/nixsd/wifi.conf 0640 root wpa_supplicant -";

  # A static address. Without predictable names, which differ from board to board, the
  # first interface is eth0, or wlan0 for Wi-Fi.
  networking.usePredictableInterfaceNames = false;
  networking.interfaces.wlan0.ipv6.addresses = [
    {
      address = "fd00::10";
      prefixLength = 64;
    }
  ];
  networking.defaultGateway6 = {
    address = "fe80::1";
    interface = "wlan0";
  };
  networking.nameservers = [ "fd00::53" ];

  # Programs for everybody.
  # environment.systemPackages = [ pkgs.htop ];

  # nixsd-native compresses the finished image if asked to, much faster.
  sdImage.compressImage = false;

  # The NixOS release of the first installation; leave it when you upgrade.
  system.stateVersion = "26.05";
}
