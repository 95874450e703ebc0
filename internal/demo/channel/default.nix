# The package set of the demo: programs of Debian packages for one system.
{
  system ? builtins.currentSystem,
  config ? { },
  overlays ? [ ],
  ...
}:

let
  lib = import ./lib;
  archive = (import ./debian.nix).${arch};
  arch =
    {
      x86_64-linux = "amd64";
      aarch64-linux = "arm64";
    }
    .${system} or (throw "the demo builds on x86_64-linux and aarch64-linux, not on ${system}");
  triplet =
    {
      amd64 = "x86_64-linux-gnu";
      arm64 = "aarch64-linux-gnu";
    }
    .${arch};
  loader =
    {
      amd64 = "ld-linux-x86-64.so.2";
      arm64 = "ld-linux-aarch64.so.1";
    }
    .${arch};

  # A .deb as a store path. The name is the hash's, as Debian's may hold characters
  # that a store path may not.
  fetch =
    name:
    let
      p = archive.packages.${name};
    in
    builtins.fetchurl {
      inherit (p) url sha256;
      name = "${lib.sanitize name}.deb";
    };

  self = {
    inherit
      lib
      config
      system
      triplet
      loader
      ;
    pkgs = self;
    stdenv = {
      hostPlatform = { inherit system; };
      buildPlatform = { inherit system; };
    };

    # The .debs of one of the sets that the demo chose: tools, ssh, kernel, uboot.
    debs = set: map fetch archive.sets.${set};

    callPackage =
      f: args:
      let
        function = if lib.isFunction f then f else import f;
      in
      function (builtins.intersectAttrs (lib.functionArgs function) self // args);

    # run NAME ENVIRONMENT SCRIPT: a derivation made by BusyBox's shell.
    run =
      name: env: script:
      derivation (
        {
          inherit name system;
          builder = "${self.busybox}/bin/sh";
          args = [
            "-euc"
            script
          ];
          PATH = "${self.busybox}/bin";
          SOURCE_DATE_EPOCH = "1";
        }
        // env
      );

    writeText = name: text: builtins.toFile name text;

    busybox = derivation {
      name = "busybox";
      inherit system;
      builder = "${./bootstrap + "/${system}"}/bin/busybox";
      args = [
        "sh"
        "-euc"
        ''
          b=${./bootstrap + "/${system}"}/bin/busybox
          $b mkdir -p $out/bin
          $b cp $b $out/bin/busybox
          $out/bin/busybox --install -s $out/bin
        ''
      ];
    };

    tools = self.callPackage ./pkgs/tools.nix { };
    kernel = self.callPackage ./pkgs/kernel.nix { };
    openssh = self.callPackage ./pkgs/openssh.nix { };
    ubootRaspberryPi = self.callPackage ./pkgs/uboot.nix { };

    # What nixpkgs has apart, Debian's tools have together.
    e2fsprogs = self.tools;
    dosfstools = self.tools;
    mtools = self.tools;
    util-linux = self.tools;
  };
in
builtins.foldl' (pkgs: overlay: pkgs // overlay pkgs pkgs) self overlays
