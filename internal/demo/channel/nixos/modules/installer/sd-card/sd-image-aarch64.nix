# What goes onto the partitions: u-boot and device trees for the Raspberry Pi, and
# the system with its boot entry.
{ config, pkgs, ... }:

{
  imports = [ ./sd-image.nix ];

  sdImage = {
    storePaths = [
      config.system.build.toplevel
      config.system.build.initialRamdisk
      pkgs.busybox
      pkgs.kernel
      pkgs.openssh
      pkgs.ubootRaspberryPi
    ];
    populateFirmwareCommands = ''
      cp ${pkgs.ubootRaspberryPi}/u-boot.bin firmware/u-boot.bin
      cp ${pkgs.kernel}/dtbs/broadcom/* firmware/
      cat > firmware/config.txt <<EOF
      arm_64bit=1
      enable_uart=1
      kernel=u-boot.bin
      avoid_warnings=1
      EOF
      chmod -R u+w firmware
    '';
    populateRootCommands = ''
      cp -a ${config.system.build.toplevel}/. files/
      chmod -R u+w files
    '';
  };
}
