# The system of the demo: BusyBox as init, programs at Debian's paths, one boot
# entry. What the options below say, it does.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  types = lib.types;
  users = lib.attrValues config.users.users;
  normal = lib.filter (u: u.isNormalUser) users;

  # Ids as NixOS gives them: from 1000 on, in the order of names.
  ids = lib.imap0 (i: u: u // { uid = if u.uid != null then u.uid else 1000 + i; }) normal;

  line = lib.concatStringsSep ":";
  passwd = [
    "root:x:0:0:System administrator:/root:/bin/sh"
    "sshd:x:998:65534:sshd:/run/sshd:/bin/false"
    "nobody:x:65534:65534:nobody:/var/empty:/bin/false"
  ]
  ++ map (u: line [ u.name "x" (toString u.uid) "100" u.description "/home/${u.name}" "/bin/sh" ]) ids;

  # "*" lets nobody in by password, but, other than "!", by key.
  shadow = map (name: "${name}:*:1::::::") ([ "root" "sshd" "nobody" ] ++ map (u: u.name) normal);

  members = group: map (u: u.name) (lib.filter (u: lib.elem group u.extraGroups) normal);
  group = [
    "root:x:0:"
    "wheel:x:1:${lib.concatStringsSep "," (members "wheel")}"
    "users:x:100:"
    "nogroup:x:65534:"
  ];

  etc = {
    "etc/hostname" = config.networking.hostName + "\n";
    "etc/hosts" = "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 ${config.networking.hostName}\n";
    "etc/passwd" = lib.lines passwd;
    "etc/shadow" = lib.lines shadow;
    "etc/group" = lib.lines group;
    "etc/motd" = "This is the demo of nixsd-native, built as ${config.networking.hostName}.\n";
    "etc/os-release" = "ID=nixos-demo\nNAME=\"NixOS demo\"\nPRETTY_NAME=\"NixOS demo of nixsd-native\"\n";
    "etc/inittab" = builtins.readFile ./inittab;
    "etc/init.d/rcS" = builtins.readFile ./rcS;
    "etc/profile" = "export PATH=/usr/bin:/usr/sbin:/bin:/sbin\n";
  }
  // config.environment.etcFiles;

  put =
    path: text:
    let
      file = builtins.toFile (lib.sanitize (baseNameOf path)) text;
    in
    ''
      mkdir -p $out/${dirOf path}
      cp ${file} $out/${path}
      ${lib.optionalString (lib.hasPrefix "#!" text) "chmod 755 $out/${path}"}
    '';
in
{
  options = {
    system.build = lib.mkOption {
      type = types.attrsOf types.anything;
      default = { };
    };
    system.stateVersion = lib.mkOption {
      type = types.str;
      default = "";
    };
    networking.hostName = lib.mkOption {
      type = types.str;
      default = "nixos";
    };
    environment.etcFiles = lib.mkOption {
      type = types.attrsOf types.str;
      default = { };
    };
    # Without effect: there is no sudo that could ask, and there are no manuals.
    security.sudo.wheelNeedsPassword = lib.mkOption {
      type = types.bool;
      default = true;
    };
    documentation.enable = lib.mkOption {
      type = types.bool;
      default = true;
    };
    boot.kernelParams = lib.mkOption {
      type = types.listOf types.str;
      default = [ ];
    };
    users.users = lib.mkOption {
      default = { };
      type = types.attrsOf (
        types.submodule (
          { name, ... }:
          {
            options = {
              name = lib.mkOption {
                type = types.str;
                default = name;
              };
              isNormalUser = lib.mkOption {
                type = types.bool;
                default = false;
              };
              description = lib.mkOption {
                type = types.str;
                default = "";
              };
              uid = lib.mkOption {
                type = types.nullOr types.int;
                default = null;
              };
              extraGroups = lib.mkOption {
                type = types.listOf types.str;
                default = [ ];
              };
              openssh.authorizedKeys.keys = lib.mkOption {
                type = types.listOf types.str;
                default = [ ];
              };
            };
          }
        )
      );
    };
  };

  config = {
    users.users.root = { };
    # The serial ports of the Raspberry Pis, of QEMU's virt machine, and the screen.
    boot.kernelParams = [
      "root=LABEL=${config.sdImage.rootVolumeLabel}"
      "console=ttyS0,115200n8"
      "console=ttyAMA0,115200n8"
      "console=tty0"
    ];

    system.build.initialRamdisk = pkgs.callPackage ./initrd.nix { };
    system.build.toplevel = pkgs.run "nixos-demo-system" { } ''
      mkdir -p $out
      for dir in bin sbin etc proc sys dev run tmp root home var/empty var/log usr/bin usr/sbin boot/nixos/dtbs; do
        mkdir -p $out/$dir
      done
      cp -a ${pkgs.openssh}/. $out/
      chmod -R u+w $out
      for dir in bin sbin lib lib64; do
        # Debian's packages know but one of each pair.
        [ ! -d $out/$dir ] || rmdir $out/$dir
        ln -s usr/$dir $out/$dir
      done
      cp ${pkgs.busybox}/bin/busybox $out/usr/bin/busybox
      for applet in ${pkgs.busybox}/bin/*; do
        name=''${applet##*/}
        [ -e $out/usr/bin/$name ] || ln -s busybox $out/usr/bin/$name
      done
      ln -s ../bin/busybox $out/usr/sbin/init
      cp -a ${pkgs.kernel}/lib/modules $out/usr/lib/
      chmod -R u+w $out/usr/lib/modules
      cp ${pkgs.kernel}/vmlinuz $out/boot/nixos/vmlinuz
      cp ${config.system.build.initialRamdisk} $out/boot/nixos/initrd
      cp -r ${pkgs.kernel}/dtbs/broadcom $out/boot/nixos/dtbs/
      mkdir -p $out/boot/extlinux
      cat > $out/boot/extlinux/extlinux.conf <<EOF
      DEFAULT nixos-default
      TIMEOUT 10
      LABEL nixos-default
        MENU LABEL NixOS demo
        LINUX ../nixos/vmlinuz
        INITRD ../nixos/initrd
        APPEND ${lib.concatStringsSep " " config.boot.kernelParams}
        FDTDIR ../nixos/dtbs
      EOF
      for u in ${toString (map (u: "${u.name}:${toString u.uid}") ids)}; do
        mkdir -p $out/home/''${u%:*}
      done
      ${lib.concatStrings (lib.mapAttrsToList put etc)}
      chmod 600 $out/etc/shadow
    '';
  };
}
