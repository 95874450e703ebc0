# An SD image of the shape that NixOS's has: MBR, a FAT partition with the Raspberry
# Pi's boot loader, an ext4 root with /boot/extlinux. What makes file systems comes
# through pkgs.callPackage, so that it can be made to run natively.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.sdImage;
  rootfs = pkgs.callPackage cfg.rootFilesystemCreator (
    {
      volumeLabel = cfg.rootVolumeLabel;
      populateImageCommands = cfg.populateRootCommands;
    }
    // lib.optionalAttrs (cfg.rootPartitionUUID != null) { uuid = cfg.rootPartitionUUID; }
  );
in
{
  imports = [ ../../image/file-options.nix ];

  options.sdImage = {
    firmwarePartitionOffset = lib.mkOption {
      type = lib.types.int;
      default = 8;
    };
    firmwarePartitionID = lib.mkOption {
      type = lib.types.str;
      default = "0x2178694e";
    };
    firmwarePartitionName = lib.mkOption {
      type = lib.types.str;
      default = "FIRMWARE";
    };
    firmwareSize = lib.mkOption {
      type = lib.types.int;
      default = 30;
    };
    rootPartitionUUID = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
    };
    rootVolumeLabel = lib.mkOption {
      type = lib.types.str;
      default = "NIXOS_SD";
    };
    rootFilesystemCreator = lib.mkOption {
      type = lib.types.path;
      default = ../../../lib/make-ext4-fs.nix;
    };
    rootFilesystemImage = lib.mkOption {
      type = lib.types.package;
      default = rootfs;
    };
    # What the files of the image come from; it has no store of its own.
    storePaths = lib.mkOption {
      type = lib.types.listOf lib.types.package;
      default = [ ];
    };
    populateFirmwareCommands = lib.mkOption { type = lib.types.lines; };
    populateRootCommands = lib.mkOption { type = lib.types.lines; };
    postBuildCommands = lib.mkOption {
      type = lib.types.lines;
      default = "";
    };
    # The demo never compresses: nixsd-native does, natively, when asked.
    compressImage = lib.mkOption {
      type = lib.types.bool;
      default = false;
    };
  };

  config.system.build.sdImage = pkgs.callPackage (
    { run, tools }:
    run "${config.image.baseName}.img" { } ''
          mkdir -p $out/nix-support $out/sd-image firmware
      img=$out/sd-image/${config.image.baseName}.img
      echo "file sd-image $img" > $out/nix-support/hydra-build-products

      root_fs=${cfg.rootFilesystemImage}
      gap=$((${toString cfg.firmwarePartitionOffset} * 2048))
      firmware=$((${toString cfg.firmwareSize} * 2048))
      root=$(($(stat -L -c %s $root_fs) / 512))
      truncate -s $(((gap + firmware + root) * 512)) $img
      ${tools}/bin/sfdisk --no-reread --no-tell-kernel $img <<EOF
      label: dos
      label-id: ${cfg.firmwarePartitionID}
      start=$gap, size=$firmware, type=b
      start=$((gap + firmware)), size=$root, type=83, bootable
      EOF

      ${cfg.populateFirmwareCommands}
      truncate -s $((firmware * 512)) firmware.img
      ${tools}/bin/mkfs.vfat --invariant -i ${cfg.firmwarePartitionID} -n ${cfg.firmwarePartitionName} firmware.img
      find firmware -exec touch -d @946684800 {} +
      cd firmware
      find . -type d -mindepth 1 | sort | while read -r d; do
        ${tools}/bin/mmd -i ../firmware.img "::$d"
      done
      find . -type f | sort | while read -r f; do
        ${tools}/bin/mcopy -pm -i ../firmware.img "$f" "::$f"
      done
      cd ..
      ${tools}/bin/fsck.vfat -vn firmware.img

      dd if=firmware.img of=$img bs=1M seek=${toString cfg.firmwarePartitionOffset} conv=notrunc
      dd if=$root_fs of=$img bs=1M seek=${toString (cfg.firmwarePartitionOffset + cfg.firmwareSize)} conv=notrunc
      ${cfg.postBuildCommands}
    ''
  ) { };
}
