# How the image's file is called.
{ config, lib, ... }:

{
  options.image = {
    baseName = lib.mkOption {
      type = lib.types.str;
      default = "nixos-demo-sd-image-aarch64";
    };
    extension = lib.mkOption {
      type = lib.types.str;
      default = "img";
    };
    fileName = lib.mkOption {
      type = lib.types.str;
      default = "${config.image.baseName}.${config.image.extension}";
    };
  };
}
