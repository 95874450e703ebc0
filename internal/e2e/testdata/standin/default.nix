# A stand-in for nixpkgs: packages that are only their names and systems.
{
  system ? builtins.currentSystem,
  config ? { },
  overlays ? [ ],
}:

let
  package = name: {
    inherit name system;
    type = "derivation";
    outPath = "/${system}/${name}";
    __toString = self: self.outPath;
  };
  self = {
    inherit system;
    stdenv = {
      hostPlatform = { inherit system; };
      buildPlatform = { inherit system; };
      mkDerivation = args: package args.name // args;
    };
    hello = package "hello";
    htop = package "htop";
    util-linux = package "util-linux";
    dosfstools = package "dosfstools";
    e2fsprogs = package "e2fsprogs";
    zfs = package "zfs";
    callPackage =
      f: args:
      let
        function = if builtins.isFunction f then f else import f;
      in
      function (builtins.intersectAttrs (builtins.functionArgs function) self // args);
  };
in
self
