# The same image as one to install from, which lets the holders of keys in as root.
{ config, lib, ... }:

{
  imports = [ ./sd-image-aarch64.nix ];

  services.openssh.enable = lib.mkDefault true;
  users.users.nixos.isNormalUser = true;
  image.baseName = lib.mkDefault "nixos-demo-installer-aarch64";
}
