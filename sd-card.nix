# The SD card's system: a NixOS module. Change it, then run
#
#   sudo nixsd-native build
#
# in its folder. Options are described at https://search.nixos.org/options.
{ pkgs, ... }:

{
  imports = [ <nixpkgs/nixos/modules/installer/sd-card/sd-image-aarch64.nix> ];

  networking.hostName = "nixos";

  # ssh is on from the first boot; only keys let somebody in.
  services.openssh.enable = true;
  services.openssh.settings.PasswordAuthentication = false;

  users.users.nixos = {
    isNormalUser = true;
    extraGroups = [ "wheel" ];
    openssh.authorizedKeys.keys = [
      # Your public keys, as in ~/.ssh/id_ed25519.pub, or give them with --ssh-key.
    ];
  };
  security.sudo.wheelNeedsPassword = false;

  # Wi-Fi. What stands here, the password too, can be read by everybody who has the
  # image or an account on the board.
  # networking.wireless.enable = true;
  # networking.wireless.interfaces = [ "wlan0" ];
  # networking.wireless.networks."my network".psk = "my password";

  # A static address instead of DHCP.
  # networking.interfaces.eth0.ipv4.addresses = [
  #   {
  #     address = "192.168.1.10";
  #     prefixLength = 24;
  #   }
  # ];
  # networking.defaultGateway = "192.168.1.1";
  # networking.nameservers = [ "192.168.1.1" ];

  # Boards have no clock: the time comes from the network.
  # networking.timeServers = [ "pool.ntp.org" ];
  # time.timeZone = "Europe/Berlin";

  # A service of your own.
  # systemd.services.hello = {
  #   wantedBy = [ "multi-user.target" ];
  #   serviceConfig.ExecStart = "${pkgs.hello}/bin/hello";
  #   serviceConfig.Type = "oneshot";
  # };

  # Programs for everybody.
  # environment.systemPackages = [ pkgs.htop ];

  # nixsd-native compresses the finished image if asked to, much faster.
  sdImage.compressImage = false;

  # The NixOS release of the first installation; leave it when you upgrade.
  system.stateVersion = "26.05";
}
