# The SD card's system: a NixOS module. Change it, then run
#
#   sudo nixsd-native build
#
# in its folder. Options are described at https://search.nixos.org/options.
{ ... }:

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

  # nixsd-native compresses the finished image if asked to, much faster.
  sdImage.compressImage = false;

  # The NixOS release of the first installation; leave it when you upgrade.
  system.stateVersion = "26.05";
}
