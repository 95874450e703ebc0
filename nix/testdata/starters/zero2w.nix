# The SD card's system, for a Raspberry Pi Zero 2 W: a NixOS module. Change it, then run
#
#   nixsd-native build FILE
#
# Options are described at https://search.nixos.org/options.
{ config, lib, pkgs, ... }:

{
  # The Raspberry Pi Zero 2 W has 512 MB of memory: enough to run NixOS, not to evaluate
  # it. Change this system here, and write the card anew, or send the system there with
  # nixos-rebuild --target-host.
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

  # Wi-Fi, WPA2 or WPA2/WPA3 mixed. The key is not part of this configuration, which every
  # account on the board can read: it is in a file of the finished image's, put there by
  # "nixsd-native inject IMAGE --wifi". WPA3 alone cannot take its password from a file.
  hardware.enableRedistributableFirmware = true;
  networking.wireless = {
    enable = true;
    secretsFile = "/var/lib/nixsd/wifi.conf";
    networks."den" = {
      pskRaw = "ext:psk_den";
      authProtocols = [ "WPA-PSK" ];
    };
  };
  # From NixOS 26.05 on wpa_supplicant is no longer root.
  systemd.tmpfiles.rules = lib.optional (config ? users.groups.wpa_supplicant)
    "z /var/lib/nixsd/wifi.conf 0640 root wpa_supplicant -";

  # A static address. Without predictable names, which differ from board to board, the
  # first interface is eth0, or wlan0 for Wi-Fi.
  networking.usePredictableInterfaceNames = false;
  networking.interfaces.wlan0.ipv4.addresses = [
    {
      address = "192.168.1.10";
      prefixLength = 24;
    }
  ];
  networking.defaultGateway = {
    address = "192.168.1.1";
    interface = "wlan0";
  };
  networking.nameservers = [ "192.168.1.1" ];

  # Programs for everybody.
  # environment.systemPackages = [ pkgs.htop ];

  # nixsd-native compresses the finished image if asked to, much faster.
  sdImage.compressImage = false;

  # The NixOS release of the first installation; leave it when you upgrade.
  system.stateVersion = "26.05";
}
