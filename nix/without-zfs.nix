# Leaves ZFS out, whose kernel module often lags behind the kernel. Until NixOS 23.11
# the option is a list, from which nothing can be taken away.
{ lib, options, ... }:

{
  boot.supportedFilesystems =
    if builtins.isList (options.boot.supportedFilesystems.default or { }) then
      lib.mkForce [
        "btrfs"
        "cifs"
        "ext4"
        "f2fs"
        "ntfs"
        "vfat"
        "xfs"
      ]
    else
      { zfs = lib.mkForce false; };
}
