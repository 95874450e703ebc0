# Puts the configuration into the image at /etc/nixos, so that nixos-rebuild starts
# from what booted: the main file and the .nix files that it and they name by relative
# paths. Other files, such as ones with secrets, are left out.
{ lib, ... }:

let
  main = @main@;
  more = [ @more@ ];
  base = builtins.dirOf main;

  # The file of a path as import takes it, or null.
  module =
    path:
    if builtins.match ".*\\.nix" (toString path) != null then
      if builtins.pathExists path then path else null
    else if builtins.pathExists (path + "/default.nix") then
      path + "/default.nix"
    else
      null;

  # The files that a file names by paths such as ./more.nix or ./modules.
  named =
    file:
    let
      parts = builtins.split "(\\./[0-9A-Za-z_+.-]+(/[0-9A-Za-z_+.-]+)*)" (builtins.readFile file);
      paths = map (p: builtins.dirOf file + "/${builtins.head p}") (builtins.filter builtins.isList parts);
    in
    builtins.filter (f: f != null && below f != null) (map module paths);

  # A file's path below the main file's folder, or null if it is not there.
  below =
    file:
    let
      prefix = toString base + "/";
      n = builtins.stringLength prefix;
      text = toString file;
    in
    if builtins.substring 0 n text == prefix then builtins.substring n (-1) text else null;

  files = map (f: f.file) (
    builtins.genericClosure {
      startSet = [ { key = toString main; file = main; } ];
      operator = f: map (file: { key = toString file; inherit file; }) (named f.file);
    }
  );

  quoted = s: "'" + builtins.replaceStrings [ "'" ] [ "'\\''" ] s + "'";
  install =
    target: source:
    let
      to = quoted "./files/etc/nixos/${target}";
    in
    ''
      mkdir -p "$(dirname ${to})"
      cat ${source} > ${to}
    '';
  module' = path: builtins.path { name = "module.nix"; inherit path; };

  # nixos-rebuild reads configuration.nix, which imports the rest, unless it is all.
  mainName = builtins.baseNameOf main;
  alone = mainName == "configuration.nix" && more == [ ];
  target = f: if toString f == toString main && mainName == "configuration.nix" && !alone then "image.nix" else below f;
  imports = map (n: "(./. + ${builtins.toJSON "/${n}"})") ([ (target main) ] ++ map builtins.baseNameOf more);
  entry = builtins.toFile "configuration.nix" ''
    # What this image was built from.
    { imports = [ ${builtins.concatStringsSep " " imports} ]; }
  '';
in
{
  sdImage.populateRootCommands = lib.mkAfter (
    "\n"
    + builtins.concatStringsSep "" (
      map (f: install (target f) (module' f)) files
      ++ map (f: install (builtins.baseNameOf f) (module' f)) more
      ++ (if alone then [ ] else [ (install "configuration.nix" entry) ])
    )
  );
}
